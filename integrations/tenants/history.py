"""Writes the history of installations. Call it in the transaction of the change, for what an UPDATE really changed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from integrations.core import clock
from integrations.core.tenant import Tenant
from integrations.tenants import change_mac, lifecycle_hooks
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Company, Installation, Location

What = InstallationChange.What


def add(*changes: InstallationChange) -> None:
    """Store changes (`Installation.change` makes one). Those for which a function is registered become due."""
    if not changes:
        return
    now = clock.now()
    for change in changes:
        change.recorded_at = now
        change.due_at = now if lifecycle_hooks.wants(change.what) else None
        change.mac = change_mac.of(change)
    InstallationChange.objects.bulk_create(changes)


def find(app: App, tenant: Tenant) -> Installation | None:
    """The tenant's installation unless it ended, for a change that another row of the tenant shows."""
    rows = Installation.objects.not_uninstalled()
    return rows.filter(app=app, user_type=tenant.user_type, resource_id=tenant.id).first()


def renamed(tenant: Company | Location, before: str, *, at: datetime, event_id: str) -> None:
    """The company or location of these installations has another name."""
    is_company = isinstance(tenant, Company)
    of_tenant = Q(user_type="Company", company=tenant) if is_company else Q(user_type="Location", location=tenant)
    rows = Installation.objects.not_uninstalled().filter(of_tenant)
    add(*(row.change(What.RENAMED, at, old=before, new=tenant.name, event_id=event_id) for row in rows))


def claimed(rows: Iterable[Installation], by: str, at: datetime) -> None:
    """These installations are visible to their users from now on."""
    add(*(row.change(What.CLAIMED, at, new=by) for row in rows))
