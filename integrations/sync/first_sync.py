"""Notes when every planned resource of a tenant has been read once."""

from __future__ import annotations

from datetime import datetime

from integrations.sync.models import Plan
from integrations.tenants import history
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import Installation


def note(plan: Plan, *, now: datetime) -> None:
    """Call it in the transaction that completes a run of the plan: the last of a tenant's plans says so, once.

    The installation's lock makes two plans that complete together see each other.
    """
    if plan.synced_at is not None:
        return
    tenant = plan.tenant
    rows = Installation.objects.installed().filter(app=plan.app_id, user_type=tenant.user_type, resource_id=tenant.id)
    row = rows.filter(first_synced_at=None).select_for_update(no_key=True).first()
    left = Plan.objects.filter(app=plan.app_id, location_id=plan.location_id, enabled=True, synced_at=None)
    if row is None or left.exists():
        return
    Installation.objects.filter(pk=row.pk).update(first_synced_at=now)
    history.add(row.change(InstallationChange.What.SYNCED, now))
