"""Celery tasks of background jobs: go on with a run, and clean up. The dispatcher sends runs that are due."""

from __future__ import annotations

from datetime import timedelta

from celery import current_app
from celery.worker.control import inspect_command
from kombu.exceptions import OperationalError

from integrations.core import clock, dispatch
from integrations.core.celery_tasks import task
from integrations.gateway.stats import usage
from integrations.jobs import runs, schedules
from integrations.jobs.define import JOBS
from integrations.jobs.models import Run

_LOOK_EVERY = timedelta(seconds=0.25)
_TICK = 2  # seconds between two sweeps (hlapp.celery); new and gone tenants are looked for in the first of a minute


@task("jobs.advance")
def advance(*, run_id: int, **_: object) -> None:
    runs.advance(run_id)


@task("jobs.sweep")
def sweep(**_: object) -> None:
    """Beat calls this: make schedules for new tenants, and end the runs of tenants that are gone."""
    now = clock.now()
    usage.flush_if_due()  # of a worker that has made its last call for a while
    if now.second < _TICK:
        schedules.rest_uninstalled()
        schedules.make(now)
    schedules.end_uninstalled(now)


@inspect_command(name="jobs.known")
def known(_state: object, **_: object) -> list[str]:
    """A worker's answer when it is asked which jobs it has read: those of the code it was started with."""
    return sorted(JOBS)


def workers() -> list[list[str]] | None:
    """For each worker that answers within a second, the jobs it knows; None when the broker itself is away."""
    try:
        replies = current_app.control.broadcast("jobs.known", reply=True, timeout=1.0) or ()
    except (OperationalError, OSError):
        return None
    return [answer for reply in replies for answer in reply.values() if isinstance(answer, list)]


SOURCE = dispatch.DueSource(
    name="job runs",
    task=Run.task,
    argument="run_id",
    prepare=schedules.start_due,
    take=runs.take_due,
    unstarted=Run.objects.unstarted,
    give_back=lambda ids, _: Run.objects.give_back(ids),
    every=_LOOK_EVERY,
)
