"""Handlers of INSTALL and UNINSTALL webhooks (FACTS 3.4), which may come before the callback, after it, twice, or late.

An event carries no token, so an INSTALL only makes the row pending and due: the reconciler does the rest. The UNINSTALL
of a location names no company, and that of an agency names no location.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.core import clock
from integrations.core.errors import PayloadAnomalous
from integrations.core.tenant import Tenant
from integrations.installs import register, uninstall
from integrations.installs.register import InstallNotice, Origin, Status
from integrations.tenants.models import App, Installation
from integrations.tokens import store


def installed(app: App, payload: dict[str, Any], at: datetime) -> None:
    """Handle an INSTALL. Raises PayloadAnomalous when it names neither a location nor a company."""
    location_id, company_id = _ids(payload)
    with transaction.atomic():
        if location_id:
            row = _location_installed(app, location_id, company_id, payload, at)
            store.retry_suspended(store.location(app, location_id), now=clock.now())
        else:
            target = register.company_target(app, company_id, name=_text(payload, "companyName"))
            row = register.installed(target, _notice(payload, at))
        Installation.objects.filter(pk=row.pk).reconcile_at(clock.now())


def uninstalled(app: App, payload: dict[str, Any], at: datetime) -> None:
    """Handle an UNINSTALL. One of an unknown tenant, or older than the installation, changes nothing."""
    location_id, company_id = _ids(payload)
    if location_id:
        row = register.find(app, Tenant.location(location_id))
        if row is not None:
            uninstall.location(row, at=at, why="UNINSTALL event")
    else:
        row = register.find(app, Tenant.company(company_id))
        if row is not None:
            uninstall.company(row, at=at, why="UNINSTALL event")


def _location_installed(
    app: App, location_id: str, company_id: str, payload: dict[str, Any], at: datetime
) -> Installation:
    target = register.location_target(app, location_id, company_id=company_id or None)
    if target.company is None:
        # A new location of a bulk install: the list of its company, which is not known here, has it.
        _reconcile_bulk_installs(app)
    elif _text(payload, "companyName"):
        register.company_target(app, target.company.id, name=_text(payload, "companyName"))
    parent = register.find(app, Tenant.company(target.company.id)) if target.company else None
    if parent is not None and parent.status == Status.UNINSTALLED:
        parent = None
    return register.installed(target, _notice(payload, at, parent=parent))


def _reconcile_bulk_installs(app: App) -> None:
    companies = Installation.objects.installed().companies().filter(app=app, install_to_future=True)
    companies.reconcile_at(clock.now())


def _notice(payload: dict[str, Any], at: datetime, *, parent: Installation | None = None) -> InstallNotice:
    facts = {
        "version_id": _text(payload, "versionId"),
        "plan_id": _text(payload, "planId"),
        "installer_id": _text(payload, "userId"),
    }
    origin = Origin.BULK if parent is not None and parent.is_bulk else Origin.EVENT
    return InstallNotice(at=at, origin=origin, status=Status.PENDING, parent=parent, facts=facts)


def _ids(payload: dict[str, Any]) -> tuple[str, str]:
    location_id, company_id = _text(payload, "locationId"), _text(payload, "companyId")
    if not location_id and not company_id:
        raise PayloadAnomalous("an install event names neither locationId nor companyId")
    return location_id, company_id


def _text(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    return value[:64] if isinstance(value, str) else ""
