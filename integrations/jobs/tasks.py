"""The job room's messages: start a schedule's run, go on with a run, and the sweep that finds what is due."""

from __future__ import annotations

from celery import current_app
from celery.worker.control import inspect_command
from kombu.exceptions import OperationalError

from integrations.core import clock
from integrations.core.jobs import enqueue, job
from integrations.gateway.stats import usage
from integrations.jobs import runs, schedules
from integrations.jobs.define import JOBS

_TICK = 2  # seconds between two sweeps (hlapp.celery); new and gone tenants are looked for in the first of a minute


@job("jobs.start")
def start(*, schedule_id: int, **_: object) -> None:
    schedules.start_due(clock.now(), only=schedule_id)


@job("jobs.advance")
def advance(*, run_id: int, **_: object) -> None:
    runs.advance(run_id)


@job("jobs.sweep")
def sweep(**_: object) -> None:
    """Start due schedules, end the runs of tenants that are gone, and send a message for every run that waits."""
    now = clock.now()
    usage.flush_if_due()  # of a worker that has made its last call for a while
    if now.second < _TICK:
        schedules.rest_uninstalled()
        schedules.make(now)
    schedules.end_uninstalled(now)
    schedules.start_due(now)
    for run_id in runs.take_due(now):
        enqueue("jobs.advance", run_id=run_id)


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
