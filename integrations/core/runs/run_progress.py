"""How a run that is under way comes along, in words for pages: its rate, the time that is left, and what it waits for.

All of it follows from the columns of the run. The rate is the mean since the run began, its waits included, because
the rest of the run will wait as often.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.core.ages import relative, span
from integrations.core.runs.models import AbstractRun
from integrations.core.runs.querysets import QUEUED

_SETTLED = timedelta(seconds=5)  # after which a rate means something
_MESSAGE = timedelta(minutes=1)  # a lease of a message is shorter, one of a parked run is longer
_CAUSES = {
    "store_unavailable": "the quota store or the database",
    "quota_exhausted": "quota",
    "refresh_in_progress": "a new token",
    "install_pending": "the installation",
}


def words(run: AbstractRun, done: int, total: int | None, now: datetime) -> str:
    """Such as `12 a second, about 4 min left; waits for quota`. Empty for a run that is not under way."""
    if run.status != AbstractRun.Status.RUNNING:
        return ""
    pace = rate(done, total, now - run.started_at)
    return "; ".join(filter(None, (pace, waits_for(run, now))))


def rate(done: int, total: int | None, took: timedelta) -> str:
    """The rate and the time that is left; empty while there is too little to tell."""
    seconds = took.total_seconds()
    if not done or took < _SETTLED:
        return ""
    each = done / seconds
    parts = [f"{each:,.0f} a second" if each >= 1 else f"{60 * each:,.1f} a minute"]
    if total and total > done:
        parts.append(f"about {span(round((total - done) / each))} left")
    return ", ".join(parts)


def waits_for(run: AbstractRun, now: datetime) -> str:
    """What keeps it from going on now; empty while a worker is at it."""
    leased = run.lease_until is not None and run.lease_until >= now
    if leased and run.lease_owner != QUEUED:
        return ""
    if leased and run.lease_until is not None and run.lease_until > now + _MESSAGE:
        return "waits for quota"
    if run.due_at <= now:
        return "waits for a worker"
    cause = _CAUSES.get(run.error_code, "HighLevel") if run.error_code else "its next turn"
    return f"waits for {cause}, goes on {relative(run.due_at, now)}"
