"""A permit: what the governor gives for one HTTP attempt."""

from __future__ import annotations

from dataclasses import dataclass, field

from integrations.core import clock


@dataclass(frozen=True, slots=True)
class Permit:
    """Permission to send one request to one resource, before `send_before` on the monotonic clock.

    `start` is when it began, in the microseconds of Redis; 0 when that is not known.
    """

    key: str
    epoch: str
    slot: int
    deadline: int
    send_before: float
    start: int = 0
    taken_at: float = field(default_factory=clock.monotonic)
