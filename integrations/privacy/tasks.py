"""Celery task of purges. The dispatcher sends it for those that are due."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q

from integrations.core import dispatch
from integrations.core.celery_tasks import task
from integrations.privacy import purge_run
from integrations.privacy.models import Purge


@task("privacy.purge")
def purge(*, purge_id: int, **_: object) -> None:
    """One turn of a purge."""
    purge_run.turn(purge_id)


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
