"""Celery tasks of personal data: a turn of a due purge, which the dispatcher sends, and the hourly retention."""

from __future__ import annotations

from datetime import timedelta

from integrations.core import clock, dispatch
from integrations.core.celery_tasks import task
from integrations.privacy import purge_run, retention_sweep
from integrations.privacy.models import Purge


@task("privacy.purge")
def purge(*, purge_id: int, **_: object) -> None:
    """One turn of a purge."""
    purge_run.turn(purge_id)


@task("privacy.tidy")
def tidy(**_: object) -> None:
    """Delete what is older than its retention, and empty late webhooks about suppressed contacts. Beat sends this."""
    retention_sweep.tidy(clock.now())


# Purges whose grace period is over, or that go on.
SOURCE = dispatch.rows_due(
    Purge, "due_at", name="purges", task="privacy.purge", argument="purge_id", every=timedelta(seconds=1)
)
