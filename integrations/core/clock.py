"""The only reader of time. Logic takes `now` as an argument; the edge asks here, once."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The current moment, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on a clock that never steps; only differences mean anything."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait; a worker never does this for longer than a second, it gives its place up instead."""
    time.sleep(max(0.0, seconds))
