"""Handlers of INSTALL, UPDATE, UNINSTALL and PLAN_CHANGE webhooks (FACTS 3.4).

They may come before the callback, after it, twice, late or never, and each tenant's events are handled apart from those
of its company. An event carries no token, so an INSTALL only makes the row pending and due: the reconciler does the
rest. An UPDATE of a tenant that is not known says, like an INSTALL, that the app is installed there. The UNINSTALL of a
location names no company, and that of an agency names no location.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.core import clock
from integrations.core.errors import PayloadAnomalous
from integrations.core.tenant import Tenant
from integrations.installs import register, uninstall
from integrations.installs.decide import Decision, Kind, TimedNotice
from integrations.installs.register import InstallNotice, Origin, Status
from integrations.tenants.models import App, Installation
from integrations.tokens import store


def installed(app: App, payload: dict[str, Any], at: datetime) -> None:
    """Handle an INSTALL. Raises PayloadAnomalous when it names neither a location nor a company."""
    location_id, company_id = _ids(payload)
    with transaction.atomic():
        if location_id:
            _location_installed(app, location_id, company_id, payload, at)
        else:
            _company_installed(app, company_id, payload, at)


def updated(app: App, payload: dict[str, Any], at: datetime) -> None:
    """Handle an UPDATE: the installation has another version of the app, and maybe another plan.

    The next token may have other scopes, so the credential is due for a refresh. Raises PayloadAnomalous as above.
    """
    installed(app, payload, at)
    location_id, company_id = _ids(payload)
    store.renew(store.location(app, location_id) if location_id else store.company(app, company_id), now=clock.now())


def plan_changed(app: App, payload: dict[str, Any], at: datetime) -> None:
    """Handle a PLAN_CHANGE. It changes the plan of an installation that is here, and nothing else."""
    location_id, company_id = _ids(payload)
    tenant = Tenant.location(location_id) if location_id else Tenant.company(company_id)
    with transaction.atomic():
        rows = Installation.objects.select_for_update(no_key=True).not_uninstalled()
        row = rows.filter(app=app, user_type=tenant.user_type, resource_id=tenant.id).first()
        if row is not None and register.describe(row, {"plan_id": _text(payload, "newPlanId")}, at=at):
            row.save(update_fields=["plan_id", "details_at"])


def uninstalled(app: App, payload: dict[str, Any], at: datetime) -> None:
    """Handle an UNINSTALL. One of a tenant that is not here leaves a tombstone: an older INSTALL may come yet."""
    _uninstalled(app, payload, TimedNotice(Kind.UNINSTALL, at))


def uninstalled_undated(app: App, payload: dict[str, Any], received_at: datetime) -> None:
    """Handle an UNINSTALL without a time. It may be much older than its receipt (a retry), so the vendor is asked."""
    _uninstalled(app, payload, TimedNotice(Kind.UNINSTALL, received_at, dated=False))


def _uninstalled(app: App, payload: dict[str, Any], notice: TimedNotice) -> None:
    location_id, company_id = _ids(payload)
    with transaction.atomic():
        if location_id:
            _location_uninstalled(app, location_id, notice)
        else:
            _company_uninstalled(app, company_id, notice)


def _location_uninstalled(app: App, location_id: str, notice: TimedNotice) -> None:
    row = register.find(app, Tenant.location(location_id))
    if row is None:
        register.tombstone(register.location_target(app, location_id, company_id=None), at=notice.at)
    else:
        uninstall.by_event(row, notice)


def _company_uninstalled(app: App, company_id: str, notice: TimedNotice) -> None:
    """End the agency's installation, and its locations however they were installed.

    When the vendor has to be asked about the agency first, its locations wait for that answer.
    """
    row = register.find(app, Tenant.company(company_id))
    locations = register.locations_of(app, company_id).select_related("app", "rival__company").order_by("pk")
    if row is None:
        register.tombstone(register.company_target(app, company_id), at=notice.at)
        uninstall.locations_by_event(locations, notice)
    else:
        uninstall.by_event(row, notice, locations=locations)


def _location_installed(app: App, location_id: str, company_id: str, payload: dict[str, Any], at: datetime) -> None:
    target = register.location_target(app, location_id, company_id=company_id or None, at=at)
    if company_id and _text(payload, "companyName"):
        register.company_target(app, company_id, name=_text(payload, "companyName"))
    parent = register.find_live(app, target.company.id if target.company else None)
    row, decision = register.installed(target, _notice(payload, at, parent=parent))
    if decision is Decision.ASK and parent is not None:
        Installation.objects.filter(pk=parent.pk).reconcile_at(clock.now())  # its list decides
    if row is not None and decision is Decision.APPLY:
        store.retry_suspended(store.location(app, location_id), now=clock.now())


def _company_installed(app: App, company_id: str, payload: dict[str, Any], at: datetime) -> None:
    target = register.company_target(app, company_id, name=_text(payload, "companyName"))
    row, decision = register.installed(target, _notice(payload, at))
    if row is not None and decision is Decision.APPLY:
        Installation.objects.filter(pk=row.pk).reconcile_at(clock.now())


def _notice(payload: dict[str, Any], at: datetime, *, parent: Installation | None = None) -> InstallNotice:
    details = {
        "version_id": _text(payload, "versionId"),
        "plan_id": _text(payload, "planId"),
        "installer_id": _text(payload, "userId"),
    }
    origin = Origin.BULK if parent is not None and parent.is_bulk else Origin.EVENT
    return InstallNotice(TimedNotice(Kind.INSTALL, at), origin, Status.PENDING, parent=parent, details=details)


def _ids(payload: dict[str, Any]) -> tuple[str, str]:
    location_id, company_id = _text(payload, "locationId"), _text(payload, "companyId")
    if not location_id and not company_id:
        raise PayloadAnomalous("an install event names neither locationId nor companyId")
    return location_id, company_id


def _text(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    return value[:64] if isinstance(value, str) else ""
