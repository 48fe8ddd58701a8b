"""Writes the rows of installations, companies and locations. Callback, events and reconciler all write through here.

`installs.decide` says whether a notice counts. The row's lock is held from the decision to the write, and every notice
that counts raises the row's `revision`: an answer that the vendor gave before it cannot overrule it.

Locks are taken in this order: location, installation, credential, audit trail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.core import clock
from integrations.core.tenant import Tenant, UserType
from integrations.installs import decide, details
from integrations.installs.decide import Decision, Facts, Kind, TimedNotice
from integrations.tenants import history
from integrations.tenants.credential_kinds import CredentialKind
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tokens import store

Status, Origin, Doubt = Installation.Status, Installation.Origin, Installation.Doubt
What = InstallationChange.What
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
    """A notice that the app is installed, and what it says about the installation.

    `status` is INSTALLED for a grant, else PENDING. `kind` is that of its credential. `details` are further values by
    the name of their column. `due_at`: when a pending installation is to be reconciled, now unless given.
    """

    notice: TimedNotice
    origin: str
    status: str
    kind: CredentialKind = CredentialKind.OAUTH
    parent: Installation | None = None
    claimant: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    due_at: datetime | None = None


def company_target(app: App, company_id: str, *, name: str = "") -> InstallTarget:
    """A company as target; creates its row when it is missing."""
    return InstallTarget(app, Tenant.company(company_id), company=_company(company_id, name))


def location_target(
    app: App,
    location_id: str,
    *,
    company_id: str | None,
    name: str = "",
    at: datetime | None = None,
    vacant: bool = False,
) -> InstallTarget:
    """A location as target, locked until the transaction ends; creates its row and its company's when missing.

    `at` is the time of the event or grant that names the company, None for a company's list. The newest event or grant
    decides to which company the location belongs (`decide.moves`). A list decides only if neither ever did, or if the
    app is not installed there (`vacant`).
    """
    company = _company(company_id, "") if company_id else None
    location = _location(location_id, company, name, at)
    if company is not None and vacant and location.company_id != company.id:
        location.company = company
        location.save(update_fields=["company"])
    return InstallTarget(app, Tenant.location(location_id), company=location.company, location=location)


def find(app: App, tenant: Tenant) -> Installation | None:
    """The installation of an app on a tenant, whatever its status, with its related rows."""
    return (
        Installation.objects.select_related("app", "company", "location", "parent", "rival")
        .filter(app=app, user_type=tenant.user_type, resource_id=tenant.id)
        .first()
    )


def find_live(app: App, company_id: str | None) -> Installation | None:
    """The company's installation of the app, unless it is missing or was uninstalled.

    One that works with an entered token is none: the vendor lists no locations for it, and it mints no token.
    """
    row = find(app, Tenant.company(company_id)) if company_id else None
    return None if row is None or row.status == Status.UNINSTALLED or not row.abilities.reported else row


def facts(row: Installation | None, *, company_ended_at: datetime | None = None) -> Facts:
    """What `decide` needs to know about the row."""
    if row is None:
        return Facts(company_ended_at=company_ended_at)
    return Facts(
        live=row.status != Status.UNINSTALLED,
        announced_at=row.announced_at,
        confirmed_at=row.confirmed_at,
        status_at=row.status_at,
        changed_at=row.changed_at,
        removed_at=row.removed_at,
        company_ended_at=company_ended_at,
    )


def installed(target: InstallTarget, notice: InstallNotice) -> tuple[Installation | None, Decision]:
    """Record that the app is installed on the target. Returns the row as it is afterwards, and the decision.

    The row is None when the notice does not count and there is none.
    """
    with transaction.atomic():
        row = _locked(target)
        decision = decide.decide(facts(row, company_ended_at=_company_ended_at(target)), notice.notice)
        if decision is not Decision.APPLY:
            return row, decision
        known = row is not None
        was_installed = row is not None and row.is_installed
        if row is None:
            row = _create(target, notice)
        elif row.status == Status.UNINSTALLED:
            _begin_again(row, notice)
        changes = _apply(row, target, notice)
        row.save()
        if row.is_installed and not was_installed:
            changes.insert(0, details.installed(row, at=notice.notice.at, event_id=notice.notice.event_id))
        history.add(*changes)
        if known and row.status == Status.PENDING and row.user_type == UserType.LOCATION:
            # An earlier mint may have been refused, and waits for hours until the next.
            store.make_empty_due(store.location(target.app, row.resource_id), now=clock.now())
    return row, decision


def finish_pending(row: Installation, *, at: datetime) -> bool:
    """A pending installation has a token now. False when it was installed before, or ended."""
    with transaction.atomic():
        if not Installation.objects.filter(pk=row.pk).finish_pending(at=at):
            return False
        fresh = Installation.objects.get(pk=row.pk)
        history.add(details.installed(fresh, at=at))
    return True


def tombstone(target: InstallTarget, *, at: datetime) -> None:
    """Remember an UNINSTALL of a tenant that has no row or is uninstalled, so that an older INSTALL does not count."""
    now = clock.now()
    row, made = Installation.objects.get_or_create(
        app=target.app,
        user_type=target.tenant.user_type,
        resource_id=target.tenant.id,
        defaults={
            "company": target.company,
            "location": target.location,
            "origin": Origin.EVENT,
            "status": Status.UNINSTALLED,
            "status_at": at,
            "changed_at": now,
            "created_at": now,
        },
    )
    if not made:
        Installation.objects.filter(pk=row.pk).uninstalled_at(at)


def set_name(tenant: Company | Location, name: str, *, at: datetime | None = None, event_id: str = "") -> None:
    """Store the tenant's name; an empty name changes nothing. `at` and `event_id` are those of an event."""
    name, before = name[:_LONGEST_NAME], tenant.name
    if not name or before == name:
        return
    tenant.name = name
    with transaction.atomic():
        changed = type(tenant)._default_manager.filter(pk=tenant.pk, name=before).update(name=name)  # noqa: SLF001
        if changed and before:
            history.renamed(tenant, before, at=at or clock.now(), event_id=event_id)


def locations_of(app: App, company_id: str) -> Any:
    """Installations on the company's locations about which the vendor reports, pending or installed.

    A location with an entered token is not among them: the company's installation says nothing about that token.
    """
    return Installation.objects.locations().not_uninstalled().reported().filter(app=app, company_id=company_id)


def move(row: Installation, company: Company) -> None:
    """Let a location's installation follow the location to another company: saved, and due.

    The data stays. The next token is minted from the new company's, and the old company's never mints one again.
    """
    change = row.change(What.MOVED, clock.now(), old=row.company_id, new=company.id)
    row.company, row.parent, row.rival = company, find_live(row.app, company.id), None
    row.doubt, row.reconcile_due_at = Doubt.MOVED, clock.now()
    row.revision += 1
    row.save(update_fields=["company", "parent", "rival", "doubt", "reconcile_due_at", "revision"])
    history.add(change)
    store.change_company(store.location(row.app, row.resource_id), company.id)


def _locked(target: InstallTarget) -> Installation | None:
    return (
        Installation.objects.select_for_update(of=("self",), no_key=True)
        .filter(app=target.app, user_type=target.tenant.user_type, resource_id=target.tenant.id)
        .first()
    )


def _create(target: InstallTarget, notice: InstallNotice) -> Installation:
    now = clock.now()
    row: Installation
    row, _ = Installation.objects.select_for_update(of=("self",), no_key=True).get_or_create(
        app=target.app,
        user_type=target.tenant.user_type,
        resource_id=target.tenant.id,
        defaults={
            "origin": notice.origin,
            "status": notice.status,
            "kind": notice.kind,
            "status_at": notice.notice.at,
            "changed_at": now,
            "created_at": now,
        },
    )
    return row


def _company_ended_at(target: InstallTarget) -> datetime | None:
    """When the location's company was uninstalled, if it is."""
    if target.tenant.user_type != UserType.LOCATION or target.company is None:
        return None
    companies = Installation.objects.companies().uninstalled()
    found = companies.filter(app=target.app, resource_id=target.company.id)
    return found.values_list("status_at", flat=True).first()


def _begin_again(row: Installation, notice: InstallNotice) -> None:
    """Reset the row for a new install after an uninstall: the claim of the old one does not carry over."""
    row.generation += 1
    row.status = notice.status
    row.changed_at = clock.now()
    row.origin, row.kind = notice.origin, notice.kind
    row.claimed_at, row.claimed_by = None, ""
    row.company, row.parent, row.reconciled_at, row.removed_at = None, None, None, None
    row.announced_at = row.confirmed_at = None
    row.agencies_asked_to = 0
    details.forget(row)


def _apply(row: Installation, target: InstallTarget, notice: InstallNotice) -> list[InstallationChange]:
    """Copy what the notice says into the row; empty values change nothing. Returns the entries for its history."""
    at, event_id = notice.notice.at, notice.notice.event_id
    changes = _follow(row, target, notice)
    _note_time(row, notice.notice)
    if notice.status == Status.INSTALLED:
        if row.status == Status.PENDING and row.origin == Origin.EVENT:
            row.origin = notice.origin  # the event came first, and does not say where the installation began
        if row.status == Status.PENDING:
            row.changed_at = clock.now()
        row.status, row.doubt, row.kind = Status.INSTALLED, "", notice.kind
    before = details.describe(row, notice.details, at=at)
    changes += details.changes(row, before, at=at, event_id=event_id)
    parent = notice.parent
    claimant = notice.claimant or (parent.claimed_by if parent is not None and parent.claimed_at else "")
    if claimant and row.claimed_at is None:
        row.claimed_at, row.claimed_by = clock.now(), claimant
        changes.append(row.change(What.CLAIMED, row.claimed_at, new=claimant))
    if row.status == Status.PENDING:
        row.reconcile_due_at = notice.due_at or clock.now()
    return changes


def _follow(row: Installation, target: InstallTarget, notice: InstallNotice) -> list[InstallationChange]:
    """Take over the tenant's rows. A location that came to another company gets its token from that one."""
    row.location = target.location or row.location
    before, company = row.company_id, target.company or row.company
    moved = before is not None and company is not None and company.id != before
    row.company = company
    changes = []
    if moved and row.user_type == UserType.LOCATION:
        row.parent, row.rival = find_live(row.app, row.company_id), None
        row.doubt, row.reconcile_due_at = Doubt.MOVED, clock.now()
        store.change_company(store.location(row.app, row.resource_id), str(row.company_id))
        event_id = notice.notice.event_id
        changes = [row.change(What.MOVED, notice.notice.at, old=before, new=row.company_id, event_id=event_id)]
    row.parent = notice.parent or row.parent
    return changes


def _note_time(row: Installation, notice: TimedNotice) -> None:
    row.revision += 1
    row.status_at = max(row.status_at, notice.at)
    if notice.kind is Kind.INSTALL:
        row.announced_at = max(row.announced_at or notice.at, notice.at)
    else:
        row.confirmed_at = max(row.confirmed_at or notice.at, notice.at)
    if notice.kind is Kind.GRANT:
        row.removed_at = None


def _company(company_id: str, name: str) -> Company:
    row, _ = Company.objects.get_or_create(
        id=company_id, defaults={"name": name[:_LONGEST_NAME], "created_at": clock.now()}
    )
    set_name(row, name)
    return row


def _location(location_id: str, company: Company | None, name: str, at: datetime | None) -> Location:
    stated_at = at if company is not None else None
    fresh = {"name": name[:_LONGEST_NAME], "company": company, "stated_at": stated_at, "created_at": clock.now()}
    locked = Location.objects.select_related("company").select_for_update(of=("self",), no_key=True)
    row, made = locked.get_or_create(id=location_id, defaults=fresh)
    if not made:
        set_name(row, name)
        _set_company(row, company, at)
    return row


def _set_company(row: Location, company: Company | None, at: datetime | None) -> None:
    if company is None:
        return
    if row.company_id is not None and not (row.stated_at is None if at is None else decide.moves(row.stated_at, at)):
        return
    changes: dict[str, Any] = {"company": company} if row.company_id != company.id else {}
    if at is not None and at != row.stated_at:
        changes["stated_at"] = at
    for name, value in changes.items():
        setattr(row, name, value)
    if changes:
        row.save(update_fields=list(changes))
