"""Celery tasks of installs. The dispatcher sends `installs.reconcile` for installations that are due."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Q

from integrations.core import dispatch
from integrations.core.celery_tasks import URGENT, task
from integrations.installs import complete
from integrations.installs.reconcile import reconcile
from integrations.tenants.models import Installation
from integrations.tokens.spool import spool


@task("installs.reconcile")
def reconcile_one(*, installation_id: int, **_: object) -> None:
    """Reconcile one installation with the vendor."""
    reconcile(installation_id)


@task("installs.sweep")
def sweep(**_: object) -> None:
    """Beat sends this: complete installations whose grants went to the spool because of an outage of the database."""
    spool.drain(complete.KIND, complete.complete_spooled)


def take_due(limit: int, now: datetime) -> Collection[int]:
    """Installations to reconcile, the longest waiting first (`core.dispatch.DueSource`)."""
    due = Installation.objects.filter(reconcile_due_at__lte=now).order_by("reconcile_due_at")
    with transaction.atomic():
        return dispatch.mark_sent(due, limit, reconcile_due_at=now + dispatch.LOST_AFTER)


def make_due_again(ids: Collection[int], now: datetime) -> None:
    """Make installations due again whose task could not be sent, unless they were uninstalled meanwhile."""
    Installation.objects.filter(pk__in=list(ids)).reconcile_at(now)


SOURCE = dispatch.DueSource(
    name="installations",
    task="installs.reconcile",
    argument="installation_id",
    take=take_due,
    find_unstarted=partial(dispatch.find_unstarted, Installation, "reconcile_due_at", Q()),
    make_due_again=make_due_again,
    queue=URGENT,
)
