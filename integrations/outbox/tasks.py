"""Celery tasks of the outbox: one turn of a run, and the sweep. The dispatcher sends due runs."""

from __future__ import annotations

from integrations.core import clock
from integrations.core.celery_tasks import task
from integrations.core.runs.source import due_source
from integrations.outbox import runs
from integrations.outbox.models import Run


@task("outbox.advance")
def advance(*, run_id: int, **_: object) -> None:
    """One turn of the run. The dispatcher sends this."""
    runs.advance(run_id)


@task("outbox.sweep")
def sweep(**_: object) -> None:
    """Beat sends this every half minute: make outboxes due that have something to send and are not due."""
    runs.wake_idle(clock.now())


SOURCE = due_source("outbox runs", Run.objects, prepare=runs.start_due, take=runs.take_due)
