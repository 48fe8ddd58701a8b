"""The check of background jobs for `doctor`: which hangs, is paused, set events aside, or has a write in doubt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.http import urlencode

from integrations.console.doctor.findings import Finding, Level
from integrations.console.doctor.heartbeat_checks import workers_page
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
        yield Finding(
            _NAME, Level.FAILED, words, "correct the job; its worker process restarts by itself", workers_page()
        )
    for job in queries.hung_lately(now, _LATELY):
        found = True
        words = (
            f"{job.job} hung in {job.runs} run{'' if job.runs == 1 else 's'} of the last day, the latest {job.error}"
        )
        link = _page("jobs_run", schedule__job=job.job, status__exact="failed")
        yield Finding(_NAME, Level.WARNING, words, "give its calls a timeout, or let it report its progress", link)
    for state in queries.paused():
        found = True
        fix = f"correct it, restart the workers, then resume it on its page or by manage.py job resume {state.job}"
        link = reverse("admin:jobs_jobstate_change", args=[quote(state.pk)])
        yield Finding(_NAME, Level.WARNING, f"{state.job} is paused: {state.reason}", fix, link)
    for name, count in queries.set_aside_counts():
        found = True
        fix = f"see them, and run the job again for them there or by manage.py job retry {name} --all"
        words, link = f"{name} failed over {count:,} event{'' if count == 1 else 's'}", _page("jobs_trigger", q=name)
        yield Finding(_NAME, Level.WARNING, words, fix, link)
    for name, count in queries.unknown_counts():
        found = True
        words = f"{count:,} write{'' if count == 1 else 's'} of {name} may have happened or not"
        fix = "look at HighLevel, then decide in the list or by manage.py job decide"
        yield Finding(_NAME, Level.WARNING, words, fix, _page("jobs_write", state__exact="unknown"))
    if not found:
        yield Finding(_NAME, Level.OK, "none hangs, none is paused")


def _page(name: str, **filters: str) -> str:
    """A list with these filters."""
    return f"{reverse(f'admin:{name}_changelist')}?{urlencode(filters)}"
