"""Day budget of a resource in words, from `snapshot.lua`: what is kept for which lane, and how far bulk work gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations.core.pages.operator_zone import local
from integrations.quota.permits import queries
from integrations.quota.permits.lanes import Lane


@dataclass(frozen=True, slots=True)
class Day:
    """Calls `left` until `ends_at`, and what is `kept` from each lane for those above.

    `has_forecast`: the kept calls are a forecast from the last week; else they are a fixed share.
    """

    left: int
    ends_at: datetime
    kept: dict[Lane, int]
    has_forecast: bool

    @property
    def kept_from_bulk(self) -> int:
        """Calls that the bulk lane may not use."""
        return self.kept[Lane.BULK]

    @property
    def kept_from_events(self) -> int:
        """Calls that the events lane may not use."""
        return self.kept[Lane.EVENTS]


def day(key: str, now: datetime) -> Day | None:
    """The resource's day; None until a response has reported one. Raises StoreUnavailable."""
    (state,) = queries.states([key])
    if state is None or state.day is None:
        return None
    kept = {lane: round(calls) for lane, calls in state.day.kept.items()}
    ends_at = now + timedelta(microseconds=state.day.ends_in)
    return Day(state.day.remaining, ends_at, kept, state.day.has_forecast)


def bulk(found: Day, now: datetime, *, pace: float, waiting: int) -> str:
    """How far bulk work gets at `pace` calls a second. `waiting` tasks need one call each."""
    free = found.left - found.kept_from_bulk
    if free < 1:
        return (
            f"Bulk work waits, as other lanes get the calls that are left. It goes on by {local(found.ends_at):%H:%M}."
        )
    if not pace:
        return f"Bulk work may use {free:,} calls now."
    stops_at, done_at = (now + timedelta(seconds=calls / pace) for calls in (free, waiting))
    if waiting and done_at < min(stops_at, found.ends_at):
        return f"At its pace, all {waiting:,} waiting tasks get their call by about {local(done_at):%H:%M}."
    if stops_at < found.ends_at:
        return f"At its pace, bulk work uses up its part of the day at about {local(stops_at):%H:%M}."
    return "At its pace, bulk work does not use up the day."
