"""How many messages the broker holds for each queue, asked of the broker itself (a queue's passive declaration).

No worker's control channel is used. A broker that is slow or away makes the page late by a second at most.
"""

from __future__ import annotations

from celery import current_app
from kombu.exceptions import ChannelError, OperationalError

from integrations.console.doctor.health import run_probes
from integrations.core.celery_tasks import DEFAULT, URGENT

_WITHIN = 1.0  # seconds


def lengths() -> dict[str, int] | None:
    """Messages that no worker has fetched, by queue; None when the broker does not answer."""
    result = run_probes({"broker": _count}, timeout=_WITHIN)["broker"]
    if not result.ok:
        return None
    counts = [int(count) for count in result.note.split()]
    return dict(zip((URGENT, DEFAULT), counts, strict=True))


def _count() -> str:
    with current_app.connection_for_read() as link:
        link.ensure_connection(max_retries=0, timeout=int(_WITHIN))
        return " ".join(str(_length(link, name)) for name in (URGENT, DEFAULT))


def _length(link: object, name: str) -> int:
    """A queue that has no message does not exist in Redis."""
    channel = link.channel()  # type: ignore[attr-defined]
    try:
        return int(channel.queue_declare(name, passive=True).message_count)
    except (ChannelError, OperationalError):
        return 0
    finally:
        channel.close()
