"""The plan of the agency behind a tenant, where HighLevel names it (FACTS 1.9: `companyPlan` of the installer)."""

from __future__ import annotations

from django.db.models import Q

from integrations.core.tenant import Tenant
from integrations.tenants.models import App, Installation

ASKED_WITH = "marketplace-installer-details.readonly"  # the scope with which it can be asked


def of(app: App, tenant: Tenant) -> str:
    """The plan's name as HighLevel writes it; empty while it is unknown. One query for both levels."""
    own = Q(user_type=tenant.user_type, resource_id=tenant.id)
    agency = Q(user_type="Company", company__locations=tenant.id) if tenant.kind == "location" else Q()
    return next(filter(None, (str(row.get("companyPlan", "")) for row in _installers(app, own | agency))), "")


def words(app: App, tenant: Tenant) -> str:
    """One sentence: the plan of the agency behind a tenant as HighLevel calls it, or why it is unknown here."""
    known = of(app, tenant)
    if known:
        return f"HighLevel calls it {known}."
    return f"It is unknown here: HighLevel tells it only where the grant has the scope {ASKED_WITH}."


def _installers(app: App, which: Q) -> list[dict[str, str]]:
    found = Installation.objects.filter(which, app=app).exclude(installer={})
    return list(found.order_by("-user_type").values_list("installer", flat=True)[:5])
