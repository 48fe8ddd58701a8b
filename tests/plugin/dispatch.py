"""What the dispatcher's thread does in a worker process, done by the test: one look at every kind of due row."""

from __future__ import annotations

from integrations.core import clock, dispatch
from integrations.core.celery_tasks import DEFAULT, URGENT


def send_due(*sources: str, threads: int = 1000) -> int:
    """Send messages for what is due now; of these `sources` only, if any are named. Returns how many."""
    # Problems are due at each look, which says nothing of what a test made due.
    chosen = sources or [name for name in dispatch.SOURCES if name != "problems"]
    sender = dispatch.Sender({name: dispatch.SOURCES[name] for name in chosen})
    sender.threads = {URGENT: threads, DEFAULT: threads}
    return sender.send_due(clock.now())
