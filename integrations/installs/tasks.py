"""Celery tasks of installs. The dispatcher sends `installs.reconcile` for installations that are due."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from integrations.core import clock, dispatch
from integrations.core.celery_tasks import URGENT, task
from integrations.installs import complete
from integrations.installs.reconcile import RUNNING, reconcile
from integrations.quota.models import Parked
from integrations.tenants.models import Installation
from integrations.tokens.spool import spool

log = structlog.get_logger(__name__)


@task("installs.reconcile")
def reconcile_one(*, installation_id: int, **_: object) -> None:
    """Reconcile one installation that is due with the vendor. A message for another one does nothing."""
    if _is_wanted(installation_id):
        reconcile(installation_id)
    else:
        log.info("job.not_due", task="installs.reconcile", row=installation_id)


def _is_wanted(installation_id: int) -> bool:
    """Whether the row is due, was just sent or is tried again now; or its task was parked and has its permit."""
    soon = clock.now() + max(dispatch.LOST_AFTER, RUNNING)
    if Installation.objects.filter(pk=installation_id, reconcile_due_at__lte=soon).exists():
        return True
    parked = Parked.objects.filter(task="installs.reconcile", kwargs={"installation_id": installation_id})
    return parked.filter(state=Parked.State.RUNNING).exists()


@task("installs.sweep")
def sweep(**_: object) -> None:
    """Beat sends this: complete installations whose grants went to the spool because of an outage of the database."""
    spool.drain(complete.KIND, complete.complete_spooled)


def take_due(limit: int, now: datetime) -> Collection[int]:
    """Installations to reconcile, the longest waiting first (`core.dispatch.DueSource`)."""
    due = _due_rows(now).order_by("reconcile_due_at")
    with transaction.atomic():
        return dispatch.mark_sent(due, limit, reconcile_due_at=now + dispatch.LOST_AFTER)


def _due_rows(now: datetime) -> QuerySet[Installation]:
    return Installation.objects.filter(reconcile_due_at__lte=now)


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
    due_rows=lambda now: [_due_rows(now)],
    queue=URGENT,
)
