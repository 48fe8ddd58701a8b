"""Celery tasks of personal data: a turn of a due purge, which the dispatcher sends, and the hourly retention."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q

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


def take_due(limit: int, now: datetime) -> list[int]:
    """Purges whose grace period is over, or that go on, the longest waiting first (`core.dispatch.DueSource`)."""
    due = Purge.objects.filter(due_at__lte=now).order_by("due_at")
    with transaction.atomic():
        return dispatch.mark_sent(due, limit, due_at=now + dispatch.LOST_AFTER)


SOURCE = dispatch.DueSource(
    name="purges",
    task="privacy.purge",
    argument="purge_id",
    take=take_due,
    find_unstarted=partial(dispatch.find_unstarted, Purge, "due_at", Q()),
    make_due_again=partial(dispatch.make_due_again, Purge, "due_at"),
    every=timedelta(seconds=1),
)
