"""Jobs for real workers (`celery -A hlapp worker -I tests.quota.jobs`), which write down when they ran.

One line per event is appended to the file that `TESTS_LOG` names: the event, the task's number, its resource, the
moment on the machine's monotonic clock, which its processes share, and the process.
"""

from __future__ import annotations

import os
import time
from typing import Any

from integrations.core.celery_tasks import task
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.quota.permits import governor, tickets
from integrations.quota.permits.lanes import Lane

_CALL = 0.02  # seconds of a call that is not made


def _rate() -> RateSnapshot:
    """What this vendor's headers say: so many in a second, and nothing of what is left."""
    limit = int(os.environ["TESTS_LIMIT"])
    return RateSnapshot(max=limit, remaining=limit - 1, interval_ms=1000)


def note(event: str, number: int, resource: str) -> None:
    with open(os.environ["TESTS_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{event} {number} {resource} {time.monotonic():.6f} {os.getpid()}\n")


@task("tests.spend")
def spend(*, number: int, key: str, lane: str = "bulk", **_: Any) -> None:
    """One call's permit, held as long as a call would take, and the answer's headers."""
    app, resource = key.split(":")
    note("delivered", number, resource)
    permit = tickets.acquire(app, resource, lane=Lane(lane), timeout=5.0)
    note("called", number, resource)
    time.sleep(_CALL)
    governor.settle(permit, received_at=time.monotonic(), rate=_rate())
    note("done", number, resource)


@task("tests.dawdle")
def dawdle(*, number: int, resource: str, seconds: float, **_: Any) -> None:
    """A thread taken away."""
    note("delivered", number, resource)
    time.sleep(seconds)
    note("done", number, resource)
