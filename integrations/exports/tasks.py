"""Celery tasks of the exports: one turn of a run, and the deletion of expired files. The dispatcher sends due runs."""

from __future__ import annotations

from datetime import timedelta

from integrations.core import clock
from integrations.core.celery_tasks import task
from integrations.core.runs.source import due_source
from integrations.exports import export_files, runs
from integrations.exports.models import Run


@task("exports.advance")
def advance(*, run_id: int, **_: object) -> None:
    """One turn of the run. The dispatcher sends this."""
    runs.advance(run_id)


@task("exports.tidy")
def tidy(**_: object) -> None:
    """Beat sends this every ten minutes: delete files that have expired."""
    export_files.delete_expired(clock.now())


SOURCE = due_source("export runs", Run.objects, prepare=runs.start_due, take=runs.take_due, every=timedelta(seconds=1))
