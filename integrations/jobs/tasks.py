"""Celery tasks of background jobs: one turn of a run, and the periodic cleanup. The dispatcher sends due runs."""

from __future__ import annotations

from celery import current_app
from celery.worker.control import inspect_command
from kombu.exceptions import OperationalError

from integrations.core import clock
from integrations.core.celery_tasks import URGENT, task
from integrations.core.runs.source import due_source
from integrations.gateway.stats import usage_counter
from integrations.jobs import pausing, runs, schedules
from integrations.jobs.define import JOBS
from integrations.jobs.models import Run


@task("jobs.advance")
def advance(*, run_id: int, **_: object) -> None:
    """One turn of the run. The dispatcher sends this."""
    runs.advance(run_id)


@task("jobs.sweep")
def sweep(**_: object) -> None:
    """Beat sends this every 2 seconds: end the runs of uninstalled tenants."""
    usage_counter.flush_if_due()  # of a worker that makes no calls at present
    schedules.end_uninstalled(clock.now())


@task("jobs.update_schedules")
def update_schedules(**_: object) -> None:
    """Beat sends this every minute: create schedules for new tenants, and clear those of uninstalled ones."""
    pausing.make_states()
    schedules.suspend_uninstalled()
    schedules.create_missing(clock.now())


@inspect_command(name="jobs.known")
def known(_state: object, **_: object) -> list[str]:
    """Inspect command: the names of the jobs that this worker has loaded, which are those of its release."""
    return sorted(JOBS)


def workers() -> list[list[str]] | None:
    """The job names that each worker knows, of workers that answer within a second. None without a broker."""
    try:
        replies = current_app.control.broadcast("jobs.known", reply=True, timeout=1.0) or ()
    except (OperationalError, OSError):
        return None
    return [answer for reply in replies for answer in reply.values() if isinstance(answer, list)]


INTERACTIVE_SOURCE = due_source("interactive job runs", Run.objects, take=runs.take_interactive, queue=URGENT)
SOURCE = due_source("job runs", Run.objects, take=runs.take_due, prepare=schedules.start_due)
