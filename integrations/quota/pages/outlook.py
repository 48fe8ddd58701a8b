"""What is kept of a resource's day, for whom, until when, and how far bulk work gets: `day.lua` in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations.quota.permits import scripts
from integrations.quota.permits.lanes import Lane

_FIELDS = ("b", "dl", "dr", "dt", "kt", "kd", "ke", "kf", "kb", "kc")
_TOLD = {Lane.EVENTS: ("ke", "kf"), Lane.BULK: ("kb", "kc")}
_HOUR, _AGREES, _IDLE = 3_600_000_000, 600_000_000, 1_800_000_000  # microseconds, as in the scripts
_DAY = 24 * _HOUR


@dataclass(frozen=True, slots=True)
class Day:
    """Calls `left` until `ends_at`, and what is `kept` from each lane for those above. `foreseen`: from the habits of
    the last week; else it is a fixed share."""

    left: int
    ends_at: datetime
    kept: dict[Lane, int]
    foreseen: bool

    @property
    def kept_from_bulk(self) -> int:
        return self.kept[Lane.BULK]

    @property
    def kept_from_events(self) -> int:
        return self.kept[Lane.EVENTS]


def day(key: str, now: datetime) -> Day | None:
    """None until a response has told of one. Raises StoreUnavailable."""
    (row,), clock = scripts.fields([key], *_FIELDS)
    told = {name: value for name, value in zip(_FIELDS, row, strict=True) if value is not None}
    if not {"b", "dl", "dr", "dt"} <= told.keys() or (remains := told["dt"] - (at := clock - told["b"])) <= 0:
        return None
    foreseen = "kt" in told and at < told["kt"] + 2 * _HOUR and abs(told["kd"] - told["dt"]) < _AGREES
    kept = {Lane.INTERACTIVE: 0} | {lane: round(_kept(told, lane, at, foreseen=foreseen)) for lane in _TOLD}
    return Day(told["dr"], now + timedelta(microseconds=remains), kept, foreseen)


def bulk(found: Day, now: datetime, *, pace: float, waiting: int) -> str:
    """How far bulk work gets with `pace` calls a second, of which `waiting` tasks need one each."""
    free = found.left - found.kept_from_bulk
    if free < 1:
        return (
            f"Bulk work waits: what is left is kept. It goes on as that melts, at {found.ends_at:%H:%M} at the latest."
        )
    if not pace:
        return f"Bulk work may use {free:,} calls now."
    stops_at, done_at = (now + timedelta(seconds=calls / pace) for calls in (free, waiting))
    if waiting and done_at < min(stops_at, found.ends_at):
        return f"At its pace, all {waiting:,} that wait now will have had their call at about {done_at:%H:%M}."
    if stops_at < found.ends_at:
        return f"At its pace, bulk work has used what is not kept at about {stops_at:%H:%M}."
    return "At its pace, bulk work is not stopped by the day."


def _kept(told: dict[str, int], lane: Lane, at: int, *, foreseen: bool) -> float:
    remains, terms = told["dt"] - at, lane.terms
    floor = terms.day_floor * told["dl"] if remains > _IDLE else 0.0
    if not foreseen:
        return max(terms.day_share * told["dl"] * remains / _DAY, floor)
    first, later = (told[name] for name in _TOLD[lane])
    return first - (first - later) * min(at - told["kt"], _HOUR) / _HOUR + floor
