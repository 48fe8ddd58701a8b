"""Rows of who is installed where. All writers come through here, so that all of them obey one rule:

an older statement never overrules a newer one. `status_at` is the vendor's moment of the newest statement; an UNINSTALL
that arrives after the next INSTALL, and an INSTALL that arrives after the next UNINSTALL, are both read and dropped.
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
class Target:
    """What an app is installed on. For a location the company may be unknown yet."""

    app: App
    tenant: Tenant
    company: Company | None = None
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """Somebody says that the app is installed: when, how, and what else they told (`facts`: Installation columns)."""

    at: datetime
    origin: str
    status: str
    parent: Installation | None = None
    claimant: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def company_target(app: App, company_id: str, *, name: str = "") -> Target:
    return Target(app, Tenant.company(company_id), company=_company(company_id, name))


def location_target(app: App, location_id: str, *, company_id: str | None, name: str = "") -> Target:
    company = _company(company_id, "") if company_id else None
    location = _location(location_id, company, name)
    return Target(app, Tenant.location(location_id), company=location.company, location=location)


def find(app: App, tenant: Tenant) -> Installation | None:
    return (
        Installation.objects.select_related("app", "company", "location", "parent")
        .filter(app=app, user_type=tenant.user_type, resource_id=tenant.id)
        .first()
    )


def installed(target: Target, said: Statement) -> Installation:
    """Note that the app is installed on the target. Returns the row; one that is newer than `said` is left as it is.

    A grant (`INSTALLED`) is no hearsay: it proves the installation now, even if the vendor's clock is ahead of ours.
    """
    with transaction.atomic():
        row, made = Installation.objects.select_for_update(of=("self",)).get_or_create(
            app=target.app,
            user_type=target.tenant.user_type,
            resource_id=target.tenant.id,
            defaults={
                "origin": said.origin,
                "status": said.status,
                "status_at": said.at,
                "created_at": clock.now(),
            },
        )
        if not made and row.status == Status.UNINSTALLED:
            if said.status == Status.PENDING and said.at <= row.status_at:
                return row
            _begin_again(row, said)
        _apply(row, target, said)
        row.save()
    return row


def uninstalled(row: Installation, *, at: datetime) -> bool:
    """Note an uninstall. False when the installation is newer than the statement, or gone already."""
    return (
        Installation.objects.filter(pk=row.pk, status_at__lte=at)
        .exclude(status=Status.UNINSTALLED)
        .update(
            status=Status.UNINSTALLED,
            status_at=at,
            claimed_at=None,
            claimed_by="",
            reconcile_due_at=None,
        )
        == 1
    )


def _begin_again(row: Installation, said: Statement) -> None:
    """A new install over an old one: nothing of the old one's trust carries over."""
    row.generation += 1
    row.status = said.status
    row.origin = said.origin
    row.claimed_at, row.claimed_by = None, ""
    row.parent, row.reconciled_at = None, None


def _apply(row: Installation, target: Target, said: Statement) -> None:
    row.company = target.company or row.company
    row.location = target.location or row.location
    row.parent = said.parent or row.parent
    row.status_at = max(row.status_at, said.at)
    if said.status == Status.INSTALLED:
        if row.status == Status.PENDING and row.origin == Origin.EVENT:
            row.origin = said.origin  # the event came first, and could not tell where the installation began
        row.status = Status.INSTALLED
    for name, value in said.facts.items():
        if value not in (None, ""):
            setattr(row, name, value)
    claimant = said.claimant or (said.parent.claimed_by if said.parent and said.parent.claimed_at else "")
    if claimant and row.claimed_at is None:
        row.claimed_at, row.claimed_by = clock.now(), claimant
    row.reconcile_due_at = clock.now() if row.status == Status.PENDING else row.reconcile_due_at


def named(place: Company | Location, name: str) -> None:
    """Note what the place is called; an empty name says nothing."""
    name = name[:_LONGEST_NAME]
    if name and place.name != name:
        place.name = name
        place.save(update_fields=["name"])


def _company(company_id: str, name: str) -> Company:
    row, _ = Company.objects.get_or_create(
        id=company_id, defaults={"name": name[:_LONGEST_NAME], "created_at": clock.now()}
    )
    named(row, name)
    return row


def _location(location_id: str, company: Company | None, name: str) -> Location:
    row, _ = Location.objects.select_related("company").get_or_create(
        id=location_id, defaults={"name": name[:_LONGEST_NAME], "company": company, "created_at": clock.now()}
    )
    named(row, name)
    if company is not None and row.company_id != company.id:
        row.company = company
        row.save(update_fields=["company"])
    return row
