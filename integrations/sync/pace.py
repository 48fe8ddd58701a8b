"""Intervals of the sync: how long until each thing happens again, and why."""

from __future__ import annotations

from datetime import datetime, timedelta

# Full runs find what no webhook and no date of change shows: deletions, and edits the vendor does not date.
FULL_EVERY = timedelta(days=1)
# A full run that was not proven complete is repeated sooner, but not so soon that a wrong total uses up the quota.
FULL_AGAIN = timedelta(hours=1)
# An incremental run looks back past the last one: the search index trails writes by about 7 s (FACTS 7.1), and
# the vendor's clock is not ours. Rows seen twice are recognised and cost nothing.
OVERLAP = timedelta(minutes=5)
# After a failure that repeating did not cure (scope missing, location paused, vendor down for long).
AFTER_FAILURE = timedelta(hours=1)
# Tombstones keep late pages and late webhooks from restoring deleted records; none is later than the vendor's retries
# (days).
KEEP_TOMBSTONES = timedelta(days=30)
# Ended runs are history for operators; there are hundreds a day per location.
KEEP_RUNS = timedelta(days=7)

_SPREAD = 0.2  # plans that were made together drift apart by up to this part of their wait


def spread(wait: timedelta, plan_id: int) -> timedelta:
    """`wait`, shortened by up to a fifth, by the plan's own share: neighbours by id end far apart (golden ratio)."""
    share: float = (plan_id * 0.6180339887) % 1.0
    return wait * (1.0 - _SPREAD * share)


def since(cursor_at: datetime) -> datetime:
    """The moment from which an incremental run asks for changes."""
    return cursor_at - OVERLAP
