"""The three quota lanes (interactive, events, bulk): how long each may wait, and what it leaves for the others.

Numbers are those measured in the design of the governor: a reserve of two slots keeps the median interactive wait at a
millisecond under saturating bulk work, and costs 1.3 % of the throughput.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Terms:
    """`horizon`: seconds a permit may lie ahead. `credit`: how many paces a burst may run ahead. `reserve`: slots left
    for interactive work while slots come back one by one (else `lanes.lua` has it). `day_share`, `day_floor`: parts of
    the day's quota left to the lanes above."""

    horizon: float
    credit: int
    reserve: int
    day_share: float
    day_floor: float


class Lane(Enum):
    """Why a call is made: a person waits for it, an event needs it, or it is part of bulk work."""

    INTERACTIVE = "interactive"
    EVENTS = "events"
    BULK = "bulk"

    @property
    def terms(self) -> Terms:
        """The numbers of this lane."""
        return _TERMS[self]

    @property
    def rank(self) -> int:
        """The order of the lanes; 0 is served first."""
        return _RANKS[self]


_TERMS = {
    Lane.INTERACTIVE: Terms(horizon=10.0, credit=100, reserve=0, day_share=0.0, day_floor=0.0),
    Lane.EVENTS: Terms(horizon=1.0, credit=20, reserve=1, day_share=0.10, day_floor=0.02),
    Lane.BULK: Terms(horizon=0.25, credit=8, reserve=2, day_share=0.25, day_floor=0.05),
}
_RANKS = {lane: rank for rank, lane in enumerate(Lane)}
