"""The plans of a tenant's variants: made, changed and deleted as chosen (`ChosenVariant`).

A variant has a plan of its own, so its runs wait for no other run of the resource: contacts with a tag every five
minutes, beside all contacts once a week. All of them write the same records; each looks for deletions only among those
that fit its filters (`sync.missing`). When a variant goes, its records stay.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from integrations.sync.models import ChosenVariant, Plan
from integrations.sync.narrowing import what_is_kept
from integrations.sync.resources import RESOURCES
from integrations.sync.signed import choice_macs, plan_macs

Key = tuple[str, str]  # resource and variant


def chosen(app_id: int, tenant_id: str) -> dict[Key, ChosenVariant]:
    """What counts for a tenant: its own choice of a variant, else the app's. What another program wrote counts nothing.

    With an empty tenant id the app's choices.
    """
    rows = ChosenVariant.objects.filter(app=app_id, location_id__in={"", tenant_id}).order_by("location_id", "pk")
    return {(row.resource, row.name): row for row in rows if choice_macs.variant_fits(row)}


def follow(app_id: int, tenant_id: str, may_run: Collection[str], now: datetime) -> int:
    """Make the tenant's plans of variants what is chosen; how many are new. Call it in a transaction.

    `may_run` are the resources that the tenant's API lists and whose scope it granted.
    """
    wanted = {key: row for key, row in chosen(app_id, tenant_id).items() if row.enabled}
    plans = Plan.objects.filter(app=app_id, location_id=tenant_id).exclude(variant="")
    here = {(plan.resource, plan.variant): plan for plan in plans}
    plans.filter(pk__in=[plan.pk for key, plan in here.items() if key not in wanted]).delete()
    for key, plan in here.items():
        if key in wanted:
            _change(plans.filter(pk=plan.pk), plan, wanted[key], now)
    new = [row for key, row in wanted.items() if key not in here and row.resource in may_run]
    Plan.objects.bulk_create([_new(row, tenant_id, now) for row in new], ignore_conflicts=True)
    return len(new)


def _new(row: ChosenVariant, tenant_id: str, now: datetime) -> Plan:
    whose = {"app_id": row.app_id, "location_id": tenant_id, "resource": row.resource, "variant": row.name}
    what = {"filters": row.filters, "every": row.every, "is_own_choice": bool(row.location_id)}
    return plan_macs.signed(Plan(**whose, **what, due_at=now, created_at=now))


def _change(mine: QuerySet[Plan], plan: Plan, row: ChosenVariant, now: datetime) -> None:
    """Write what differs. A run that would be later than the new interval is due at that."""
    if plan.filters != row.filters:
        what_is_kept.set_filters(mine, row.filters, now)
    columns: dict[str, Any] = {"every": row.every, "is_own_choice": bool(row.location_id)}
    if any(getattr(plan, name) != value for name, value in columns.items()):
        plan_macs.write(mine, **columns)
        latest = now + (row.every or RESOURCES[row.resource].every)
        plan_macs.write(mine.filter(due_at__gt=latest), due_at=latest)
