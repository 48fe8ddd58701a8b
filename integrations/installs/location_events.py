"""Handlers of LocationCreate and LocationUpdate webhooks: the location's name, and the company that it belongs to.

The vendor sends no event of a transfer. A LocationUpdate with another company is a sign of one (FACTS section 17): the
location's installations follow it. These events call the location `id`, and they reach us for locations without the
app, too: those are not kept, unless a company with the app gets them, because the app may be installed there next.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.core import audit
from integrations.installs import register
from integrations.tenants.models import App, Installation, Location


def changed(app: App, payload: dict[str, Any], at: datetime, *, event_id: str = "") -> None:
    """Handle a LocationCreate or LocationUpdate. An older one than the newest that was handled changes nothing."""
    location_id, company_id = (_text(payload, name)[:64] for name in ("id", "companyId"))
    if not location_id or not _is_ours(app, location_id, company_id):
        return
    with transaction.atomic():
        before = Location.objects.filter(pk=location_id).values_list("company_id", flat=True).first()
        stated_at = Location.objects.filter(pk=location_id).values_list("stated_at", flat=True).first()
        if stated_at is not None and at < stated_at:
            return
        target = register.location_target(app, location_id, company_id=company_id or None, at=at)
        if target.location is not None:
            register.set_name(target.location, _text(payload, "name"), at=at, event_id=event_id)
        if target.company is not None and before not in (None, target.company.id):
            follow(target.location, actor="highlevel")


def follow(location: Location | None, *, actor: str) -> None:
    """Let the installations of a location, of any app, follow it to its company."""
    if location is None or location.company is None:
        return
    rows = (
        Installation.objects.locations()
        .not_uninstalled()
        .select_related("app")
        .select_for_update(of=("self",), no_key=True)
    )
    moved = list(rows.filter(location=location).exclude(company=location.company).order_by("pk"))
    for row in moved:
        register.move(row, location.company)
    for row in moved:
        audit.record(
            "install.moved",
            actor=actor,
            subject=row.tenant.audit_subject,
            app=row.app.highlevel_id,
            company=location.company.id,
        )


def _is_ours(app: App, location_id: str, company_id: str) -> bool:
    known = Location.objects.filter(pk=location_id).exists()
    return known or register.find_live(app, company_id or None) is not None


def _text(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    return value if isinstance(value, str) else ""
