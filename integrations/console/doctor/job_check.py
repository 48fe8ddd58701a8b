"""The check of background jobs for `doctor`: which hangs, is paused, set events aside, or has a write in doubt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.jobs import queries

_LATELY = timedelta(days=1)
_NAME = "jobs"


def background_jobs() -> Iterator[Finding]:
    """Jobs that hang now or hung lately, paused jobs, and events on which a job failed."""
    now = clock.now()
    found = False
    for hung in queries.hung_now(now):
        found = True
        position = hung["position"] or "at an unknown position"
        words = f"{hung['work']}: its thread has been silent for {hung['seconds']} s, {position}"
        yield Finding(_NAME, Level.FAILED, words, "correct the job; its worker process restarts by itself")
    for job in queries.hung_lately(now, _LATELY):
        found = True
        words = (
            f"{job.job} hung in {job.runs} run{'' if job.runs == 1 else 's'} of the last day, the latest {job.error}"
        )
        yield Finding(_NAME, Level.WARNING, words, "give its calls a timeout, or let it report its progress")
    for state in queries.paused():
        found = True
        fix = f"correct it, restart the workers, then run manage.py job resume {state.job}"
        yield Finding(_NAME, Level.WARNING, f"{state.job} is paused: {state.reason}", fix)
    for name, count in queries.set_aside_counts():
        found = True
        fix = f"manage.py job events {name} lists them; manage.py job retry {name} --all runs it again for them"
        yield Finding(_NAME, Level.WARNING, f"{name} failed over {count:,} event{'' if count == 1 else 's'}", fix)
    for name, count in queries.unknown_counts():
        found = True
        words = f"{count:,} write{'' if count == 1 else 's'} of {name} may have happened or not"
        fix = f"manage.py job unknown {name} lists them; look at HighLevel, then run manage.py job decide"
        yield Finding(_NAME, Level.WARNING, words, fix)
    if not found:
        yield Finding(_NAME, Level.OK, "none hangs, none is paused")
