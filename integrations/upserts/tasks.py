"""Celery tasks of bulk upserts: one turn of a run, and the deletion of old ones. The dispatcher sends due runs."""

from __future__ import annotations

from datetime import timedelta

from integrations.core import clock
from integrations.core.celery_tasks import task
from integrations.core.runs.source import due_source
from integrations.upserts import queries, runs
from integrations.upserts.models import Run


@task("upserts.advance")
def advance(*, run_id: int, **_: object) -> None:
    """One turn of the run. The dispatcher sends this."""
    runs.advance(run_id)


@task("upserts.tidy")
def tidy(**_: object) -> None:
    """Beat sends this every hour: delete upserts whose results have expired."""
    queries.delete_old(clock.now())


SOURCE = due_source("upsert runs", Run.objects, prepare=runs.start_due, take=runs.take_due, every=timedelta(seconds=1))
