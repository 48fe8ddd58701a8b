"""Celery tasks of installs. The dispatcher sends `installs.reconcile` for installations that are due."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q

from integrations.core import dispatch
from integrations.core.jobs import URGENT, job
from integrations.installs import complete
from integrations.installs.reconcile import reconcile
from integrations.tenants.models import Installation
from integrations.tokens.spool import spool

_LONGEST = timedelta(seconds=60)  # within this a walk through a large agency's locations ends


@job("installs.reconcile")
def reconcile_one(*, installation_id: int, **_: object) -> None:
    """Bring one installation and what the vendor says to the same end."""
    reconcile(installation_id)


@job("installs.sweep")
def sweep(**_: object) -> None:
    """Beat calls this: finish installs whose grants waited in the spool while the database was away."""
    spool.drain(complete.KIND, complete.finish)


def take_due(limit: int, now: datetime) -> Collection[int]:
    """Installations to reconcile, the longest waiting first (`core.dispatch.DueSource`)."""
    due = Installation.objects.filter(reconcile_due_at__lte=now).order_by("reconcile_due_at")
    with transaction.atomic():
        return dispatch.mark_due(due, limit, reconcile_due_at=now + _LONGEST)


SOURCE = dispatch.DueSource(
    name="installations",
    task="installs.reconcile",
    argument="installation_id",
    take=take_due,
    unstarted=partial(dispatch.unstarted, Installation, "reconcile_due_at", Q()),
    give_back=partial(dispatch.give_back, Installation, "reconcile_due_at"),
    queue=URGENT,
    lost_after=_LONGEST,
)
