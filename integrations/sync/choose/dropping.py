"""Deletes the records of resources that are left out, with their history, when an operator asks for it.

The workers do it, in batches. Nothing else deletes them. What is chosen again before the end keeps the rest, and reads
everything anew.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from integrations.core import clock
from integrations.core.tenant import Tenant
from integrations.sync import plans
from integrations.sync.models import Plan
from integrations.tenants.models import App

SECONDS = 10.0  # of one message; the next one goes on
ROWS = 5_000  # of one transaction


def ask(app: App, names: Collection[str], now: datetime, *, tenant: Tenant | None = None) -> int:
    """Let the records of these resources be deleted where they are left out; for how many plans."""
    found = Plan.objects.filter(app=app, resource__in=list(names), variant="", is_left_out=True)
    return (found.filter(location_id=tenant.id) if tenant else found).update(drop_due_at=now)


def drop(plan_id: int) -> int:
    """Delete for some seconds; how many records. The plan is due again while records are left."""
    until, count = clock.monotonic() + SECONDS, 0
    while clock.monotonic() < until:
        deleted, is_done = _drop_batch(plan_id)
        count += deleted
        if is_done:
            return count
    Plan.objects.filter(pk=plan_id, drop_due_at__isnull=False).update(drop_due_at=clock.now())
    return count


def _drop_batch(plan_id: int) -> tuple[int, bool]:
    """One batch, under the plan's lock: who chooses it again waits. How many records, and whether all are gone."""
    with transaction.atomic():
        asked = Plan.objects.filter(pk=plan_id, is_left_out=True, drop_due_at__isnull=False)
        plan = asked.select_for_update().first()
        if plan is None:
            return 0, True
        mine = {"app": plan.app_id, "location_id": plan.location_id, "resource": plan.resource}
        if Plan.objects.filter(**mine, enabled=True).exists():  # a variant keeps them synced
            Plan.objects.filter(pk=plan_id).update(drop_due_at=None)
            return 0, True
        deleted, forgotten = plans.delete_records(ROWS, **mine)
        if max(deleted, forgotten) < ROWS:
            Plan.objects.filter(pk=plan_id).update(drop_due_at=None, **plans.unread())
            return deleted, True
        return deleted, False
