"""Intervals and limits of the sync: how long until each thing happens again, how many calls it may cost, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings

# Full runs find what no webhook and no date of change shows: deletions, and edits the vendor does not date.
FULL_EVERY = timedelta(days=1)
# A full run that was not proven complete is repeated within minutes. When it stays so the waits grow, so that a wrong
# total does not use up the quota: five more runs on the first day, then one a day.
FULL_AGAIN = timedelta(minutes=2)
_GROWTH = 4
# An incremental run looks back past the last one: the search index trails writes by about 7 s (FACTS 7.1), and
# the vendor's clock is not ours. It is longer than the time between two runs, so that two of them see each change and
# one false answer loses none. Rows seen twice are recognised and cost nothing.
OVERLAP = timedelta(minutes=15)
# An incremental run ends with one call that compares the vendor's count with the copy's: it shows deletions without a
# webhook. It is made when the run has found changes, and otherwise not more often than this.
COUNT_EVERY = timedelta(minutes=30)
# When the counts differ everything is listed again, with at most this many calls a day: 2 % of 200,000 (FACTS 4).
_LISTING_CALLS = 4_000
CALLS_A_DAY = 200_000  # of an app on one location or company, where no response has said another number (FACTS 4)
# Listings of everything that no operator asked for cost no more than this part of the day's calls (`walks.full_walks`).
WALK_SHARE = 0.02
LONGEST_WALK = timedelta(days=28)
# Children of single records are read when their parents changed, all of them as often as this, within so many calls of
# a day unless the plan says otherwise: 5 % of 200,000 (FACTS 4).
VISIT_ALL_EVERY = timedelta(days=28)
VISIT_CALLS_A_DAY = 10_000
SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)  # for the number of windows, which no day changes
# After an event that says only that something changed, the next run waits for more of them.
RECHECK_AFTER = timedelta(minutes=5)
# After a failure that repeating did not cure (scope missing, location paused, vendor down for long).
AFTER_FAILURE = timedelta(hours=1)
# Waits before an answer that cannot be right is asked for again, from the first to the longest: its cause may last for
# a request or for minutes.
RECHECK_DELAYS = 5.0, 600.0
# Two listings that lack a record prove its deletion when they are this far apart.
AGREE_AFTER = timedelta(minutes=30)
# Calls of one run for records that its listing lacks: the first number, or so many times the calls of the listing.
MOST_ASKED = 1_000
MOST_ASKED_PER_PAGE = 5

_SPREAD = 0.2  # plans that were made together drift apart by up to this part of their wait


def spread(wait: timedelta, plan_id: int) -> timedelta:
    """`wait`, shortened by up to a fifth, by the plan's own share."""
    return wait * (1.0 - _SPREAD * share(plan_id))


def share(plan_id: int) -> float:
    """The plan's own number from 0 to 1: neighbours by id end far apart, all are spread evenly (golden ratio)."""
    return (plan_id * 0.6180339887) % 1.0


def affordable(calls: int, day_limit: int) -> timedelta:
    """The shortest time between two listings of everything that cost so many calls each."""
    return min(timedelta(days=1) * (calls / (WALK_SHARE * day_limit)), LONGEST_WALK)


def since(cursor_at: datetime) -> datetime:
    """The moment from which an incremental run asks for changes."""
    return cursor_at - OVERLAP


def next_full_run(incomplete: int) -> timedelta:
    """The wait for the next full run after so many incomplete ones in a row."""
    wait: timedelta = FULL_AGAIN * _GROWTH ** (incomplete - 1)
    return min(wait, FULL_EVERY)


def recheck_delay(attempts: int) -> float:
    """Seconds until an answer that cannot be right is asked for again, after so many such answers before it."""
    first, longest = RECHECK_DELAYS
    return float(min(first * 3**attempts, longest))


def between_listings(pages: int) -> timedelta:
    """The shortest time between two listings of so many pages that differing counts cause."""
    return timedelta(0) if pages <= MOST_PAGES_AT_ONCE else timedelta(days=1) * pages / _LISTING_CALLS


def max_lookups(pages: int) -> int:
    """How many records one run asks for, each by one call, after a listing of so many pages."""
    return max(MOST_ASKED, MOST_ASKED_PER_PAGE * pages)


# Incremental runs are at least eight minutes apart (`spread`), so listings of so few pages keep to the limit by
# themselves.
MOST_PAGES_AT_ONCE = _LISTING_CALLS // (24 * 60 // 8)


def keep_tombstones() -> timedelta:
    """How long a tombstone keeps late pages and late webhooks from restoring its record."""
    return timedelta(days=settings.TOMBSTONE_RETENTION_DAYS)


def keep_runs() -> timedelta:
    """How long ended runs are history for operators; there are hundreds a day per location."""
    return timedelta(days=settings.SYNC_RUN_RETENTION_DAYS)
