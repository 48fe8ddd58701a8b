"""Writes the rows of installations, companies and locations. Callback, events and reconciler all write through here.

One rule holds for all of them: an older notice never overrules a newer one. `status_at` is the vendor's time of the
newest notice. An UNINSTALL that arrives after the next INSTALL is dropped, and so is an INSTALL that arrives after the
next UNINSTALL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.core import clock
from integrations.core.tenant import Tenant
from integrations.tenants.models import App, Company, Installation, Location

Status, Origin = Installation.Status, Installation.Origin
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class InstallTarget:
    """The app and the tenant of an installation, with the tenant's rows. A location's company may be unknown yet."""

    app: App
    tenant: Tenant
    company: Company | None = None
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class InstallNotice:
    """A report that the app is installed, from the callback (`INSTALLED`), an event or the vendor's list (`PENDING`).

    `at` is the vendor's time. `facts` are further values by the name of their column.
    """

    at: datetime
    origin: str
    status: str
    parent: Installation | None = None
    claimant: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def company_target(app: App, company_id: str, *, name: str = "") -> InstallTarget:
    """A company as target; creates its row when it is missing."""
    return InstallTarget(app, Tenant.company(company_id), company=_company(company_id, name))


def location_target(app: App, location_id: str, *, company_id: str | None, name: str = "") -> InstallTarget:
    """A location as target; creates the rows of the location and its company when they are missing."""
    company = _company(company_id, "") if company_id else None
    location = _location(location_id, company, name)
    return InstallTarget(app, Tenant.location(location_id), company=location.company, location=location)


def find(app: App, tenant: Tenant) -> Installation | None:
    """The installation of an app on a tenant, whatever its status, with its related rows."""
    return (
        Installation.objects.select_related("app", "company", "location", "parent")
        .filter(app=app, user_type=tenant.user_type, resource_id=tenant.id)
        .first()
    )


def installed(target: InstallTarget, notice: InstallNotice) -> Installation:
    """Record that the app is installed on the target. Returns the row; a row newer than `notice` is not changed.

    A notice with a grant (`INSTALLED`) always counts: it proves the installation, even if the vendor's clock is ahead.
    """
    with transaction.atomic():
        row, made = Installation.objects.select_for_update(of=("self",)).get_or_create(
            app=target.app,
            user_type=target.tenant.user_type,
            resource_id=target.tenant.id,
            defaults={
                "origin": notice.origin,
                "status": notice.status,
                "status_at": notice.at,
                "created_at": clock.now(),
            },
        )
        if not made and row.status == Status.UNINSTALLED:
            if notice.status == Status.PENDING and notice.at <= row.status_at:
                return row
            _begin_again(row, notice)
        _apply(row, target, notice)
        row.save()
    return row


def uninstalled(row: Installation, *, at: datetime) -> bool:
    """Record an uninstall. False when the installation is newer than `at`, or was uninstalled before."""
    return Installation.objects.filter(pk=row.pk).uninstall(at=at) == 1


def _begin_again(row: Installation, notice: InstallNotice) -> None:
    """Reset the row for a new install after an uninstall: the claim of the old one does not carry over."""
    row.generation += 1
    row.status = notice.status
    row.origin = notice.origin
    row.claimed_at, row.claimed_by = None, ""
    row.parent, row.reconciled_at = None, None


def _apply(row: Installation, target: InstallTarget, notice: InstallNotice) -> None:
    """Copy what the notice says into the row; empty values change nothing."""
    row.company = target.company or row.company
    row.location = target.location or row.location
    row.parent = notice.parent or row.parent
    row.status_at = max(row.status_at, notice.at)
    if notice.status == Status.INSTALLED:
        if row.status == Status.PENDING and row.origin == Origin.EVENT:
            row.origin = notice.origin  # the event came first, and does not say where the installation began
        row.status = Status.INSTALLED
    for name, value in notice.facts.items():
        if value not in (None, ""):
            setattr(row, name, value)
    claimant = notice.claimant or (notice.parent.claimed_by if notice.parent and notice.parent.claimed_at else "")
    if claimant and row.claimed_at is None:
        row.claimed_at, row.claimed_by = clock.now(), claimant
    row.reconcile_due_at = clock.now() if row.status == Status.PENDING else row.reconcile_due_at


def set_name(tenant: Company | Location, name: str) -> None:
    """Store the tenant's name; an empty name changes nothing."""
    name = name[:_LONGEST_NAME]
    if name and tenant.name != name:
        tenant.name = name
        tenant.save(update_fields=["name"])


def _company(company_id: str, name: str) -> Company:
    row, _ = Company.objects.get_or_create(
        id=company_id, defaults={"name": name[:_LONGEST_NAME], "created_at": clock.now()}
    )
    set_name(row, name)
    return row


def _location(location_id: str, company: Company | None, name: str) -> Location:
    row, _ = Location.objects.select_related("company").get_or_create(
        id=location_id, defaults={"name": name[:_LONGEST_NAME], "company": company, "created_at": clock.now()}
    )
    set_name(row, name)
    if company is not None and row.company_id != company.id:
        row.company = company
        row.save(update_fields=["company"])
    return row
