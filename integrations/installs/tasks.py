"""Celery tasks: reconcile one installation, and the sweep that finds due ones."""

from __future__ import annotations

from datetime import timedelta

from integrations.core import clock
from integrations.core.jobs import enqueue, job
from integrations.installs import complete
from integrations.installs.reconcile import reconcile
from integrations.tenants.models import Installation
from integrations.tokens.spool import spool

BATCH = 500
_NEXT_TRY = timedelta(seconds=60)  # until a task that was lost is sent again


@job("installs.reconcile")
def reconcile_one(*, installation_id: int, **_: object) -> None:
    """Reconcile one installation."""
    reconcile(installation_id)


@job("installs.sweep")
def sweep(**_: object) -> None:
    """Complete spooled installations, and send a task for each due one. Its due time moves on meanwhile."""
    spool.drain(complete.KIND, complete.complete_spooled)
    now = clock.now()
    due = Installation.objects.filter(reconcile_due_at__lte=now).order_by("reconcile_due_at")
    ids = list(due.values_list("pk", flat=True)[:BATCH])
    Installation.objects.filter(pk__in=ids, reconcile_due_at__lte=now).update(reconcile_due_at=now + _NEXT_TRY)
    for installation_id in ids:
        enqueue("installs.reconcile", installation_id=installation_id)
