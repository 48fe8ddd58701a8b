"""Handlers of the webhooks about installations: INSTALL, UPDATE, UNINSTALL, PLAN_CHANGE and two more (FACTS 3.4).

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
from integrations.installs import details, register, uninstall
from integrations.installs.decide import Decision, Kind, TimedNotice
from integrations.installs.register import InstallNotice, Origin, Status
from integrations.tenants import history
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Installation
from integrations.tokens import store

What = InstallationChange.What


def installed(app: App, payload: dict[str, Any], at: datetime, *, event_id: str = "") -> None:
    """Handle an INSTALL. Raises PayloadAnomalous when it names neither a location nor a company."""
    location_id, company_id = _ids(payload)
    notice = TimedNotice(Kind.INSTALL, at, event_id=event_id)
    with transaction.atomic():
        if location_id:
            _location_installed(app, location_id, company_id, payload, notice)
        else:
            _company_installed(app, company_id, payload, notice)


def updated(app: App, payload: dict[str, Any], at: datetime, *, event_id: str = "") -> None:
    """Handle an UPDATE: the installation has another version of the app, and maybe another plan.

    The next token may have other scopes, so the credential is due for a refresh. Raises PayloadAnomalous as above.
    """
    installed(app, payload, at, event_id=event_id)
    location_id, company_id = _ids(payload)
    store.make_due_for_scopes(
        store.location(app, location_id) if location_id else store.company(app, company_id), now=clock.now()
    )


def plan_changed(app: App, payload: dict[str, Any], at: datetime, *, event_id: str = "") -> None:
    """Handle a PLAN_CHANGE. It changes the plan of an installation that is here, and nothing else."""
    _described(app, payload, {"plan_id": details.text(payload, "newPlanId")}, at, event_id)


def payment_status(app: App, payload: dict[str, Any], at: datetime, *, event_id: str = "") -> None:
    """Handle an APP_PAYMENT_STATUS: COMPLETE, FAILED or PENDING for the app's own price (FACTS 3.5)."""
    _described(app, payload, {"payment_status": details.text(payload, "newStatus", 20)}, at, event_id)


def external_auth_connected(app: App, payload: dict[str, Any], at: datetime, *, event_id: str = "") -> None:
    """Handle an EXTERNAL_AUTH_CONNECTED: a user gave HighLevel the login of our service (FACTS 15)."""
    auth = details.text(payload, "authType", 20) or "unknown"
    with transaction.atomic():
        row = _live_row(app, payload)
        if row is None or (row.external_auth_at is not None and at <= row.external_auth_at):
            return
        change = row.change(What.EXTERNAL_AUTH, at, old=row.external_auth or None, new=auth, event_id=event_id)
        row.external_auth, row.external_auth_at = auth, at
        row.save(update_fields=["external_auth", "external_auth_at"])
        history.add(change)


def uninstalled(app: App, payload: dict[str, Any], at: datetime, *, event_id: str = "") -> None:
    """Handle an UNINSTALL. One of a tenant that is not here leaves a tombstone: an older INSTALL may come yet."""
    _uninstalled(app, payload, TimedNotice(Kind.UNINSTALL, at, event_id=event_id))


def uninstalled_undated(app: App, payload: dict[str, Any], received_at: datetime, *, event_id: str = "") -> None:
    """Handle an UNINSTALL without a time. It may be much older than its receipt (a retry), so the vendor is asked."""
    _uninstalled(app, payload, TimedNotice(Kind.UNINSTALL, received_at, dated=False, event_id=event_id))


def _uninstalled(app: App, payload: dict[str, Any], notice: TimedNotice) -> None:
    location_id, company_id = _ids(payload)
    with transaction.atomic():
        if location_id:
            _location_uninstalled(app, location_id, notice)
        else:
            _company_uninstalled(app, company_id, notice)


def _location_uninstalled(app: App, location_id: str, notice: TimedNotice) -> None:
    row = register.find(app, Tenant.location(location_id))
    if row is not None and not row.abilities.reported:
        return  # it is about the app, and the location works with a token that was entered here
    if row is None:
        register.tombstone(register.location_target(app, location_id, company_id=None), at=notice.at)
    else:
        uninstall.by_event(row, notice)


def _company_uninstalled(app: App, company_id: str, notice: TimedNotice) -> None:
    """End the agency's installation, and its locations however they were installed.

    When the vendor has to be asked about the agency first, its locations wait for that answer.
    """
    row = register.find(app, Tenant.company(company_id))
    if row is not None and not row.abilities.reported:
        row = None  # it is about the app, and the company works with a token that was entered here
    locations = register.locations_of(app, company_id).select_related("app", "rival__company").order_by("pk")
    if row is None:
        register.tombstone(register.company_target(app, company_id), at=notice.at)
        uninstall.locations_by_event(locations, notice)
    else:
        uninstall.by_event(row, notice, locations=locations)


def _described(app: App, payload: dict[str, Any], columns: dict[str, Any], at: datetime, event_id: str) -> None:
    """Set columns of an installation that is here. An event that is older than what it holds changes nothing."""
    with transaction.atomic():
        row = _live_row(app, payload)
        if row is not None:
            before = details.describe(row, columns, at=at)
            row.save(update_fields=[*before, *details.TIMES])
            history.add(*details.changes(row, before, at=at, event_id=event_id))


def _live_row(app: App, payload: dict[str, Any]) -> Installation | None:
    """The installation that an event is about, locked; None when it ended or was never here."""
    location_id, company_id = _ids(payload)
    tenant = Tenant.location(location_id) if location_id else Tenant.company(company_id)
    rows = Installation.objects.select_for_update(no_key=True).not_uninstalled()
    return rows.filter(app=app, user_type=tenant.user_type, resource_id=tenant.id).first()


def _location_installed(
    app: App, location_id: str, company_id: str, payload: dict[str, Any], notice: TimedNotice
) -> None:
    target = register.location_target(app, location_id, company_id=company_id or None, at=notice.at)
    if company_id and details.text(payload, "companyName"):
        register.company_target(app, company_id, name=details.text(payload, "companyName"))
    parent = register.find_live(app, target.company.id if target.company else None)
    row, decision = register.installed(target, _notice(payload, notice, parent=parent))
    if decision is Decision.ASK and parent is not None:
        Installation.objects.filter(pk=parent.pk).reconcile_at(clock.now())  # its list decides
    if row is not None and decision is Decision.APPLY:
        store.retry_suspended(store.location(app, location_id), now=clock.now())


def _company_installed(app: App, company_id: str, payload: dict[str, Any], notice: TimedNotice) -> None:
    target = register.company_target(app, company_id, name=details.text(payload, "companyName"))
    row, decision = register.installed(target, _notice(payload, notice))
    if row is not None and decision is Decision.APPLY:
        Installation.objects.filter(pk=row.pk).reconcile_at(clock.now())


def _notice(payload: dict[str, Any], notice: TimedNotice, *, parent: Installation | None = None) -> InstallNotice:
    origin = Origin.BULK if parent is not None and parent.is_bulk else Origin.EVENT
    return InstallNotice(notice, origin, Status.PENDING, parent=parent, details=details.of_event(payload))


def _ids(payload: dict[str, Any]) -> tuple[str, str]:
    location_id, company_id = details.text(payload, "locationId"), details.text(payload, "companyId")
    if not location_id and not company_id:
        raise PayloadAnomalous("an install event names neither locationId nor companyId")
    return location_id, company_id
