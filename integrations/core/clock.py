"""Clock: the only module that reads the time. Logic takes `now` as an argument; its caller asks here once."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The current moment, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on the monotonic clock. Only differences have a meaning."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Sleep. A worker never sleeps for longer than a second here: for longer waits it ends the task and comes back
    later.
    """
    time.sleep(max(0.0, seconds))
