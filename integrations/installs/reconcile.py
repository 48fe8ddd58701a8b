"""Brings an installation and what the vendor says to the same end, in whatever order callback and events came.

A company: walk the vendor's list of installed locations; whoever is new is registered and connected, whoever is gone
is uninstalled. A location: give it a token (from its company's when it has none) and hand it to sync. Due rows are
found by a sweep, so a lost message or a killed worker costs seconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import InstallGone, IntegrationError, Permanent, Retryable
from integrations.core.jobs import backoff, enqueue
from integrations.core.tenant import Tenant
from integrations.gateway import client as gateway
from integrations.installs import register, uninstall
from integrations.installs.register import Origin, Statement, Status
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import Installation, UserType
from integrations.tokens import store
from integrations.tokens.access import access_token

log = structlog.get_logger(__name__)

_NAMES = {  # the operation that tells a name to the place's own token, and where in its answer
    UserType.COMPANY: ("companies.get-company", "company"),
    UserType.LOCATION: ("locations.get-location", "location"),
}
INSTALLED_LOCATIONS = "oauth.get-installed-location"
EVERY = timedelta(hours=6)
FAILED_RETRY = timedelta(minutes=30)
# More than this part of the locations, and this many, do not vanish at once without somebody looking.
BRAKE_SHARE, BRAKE_COUNT = 0.2, 5


def reconcile(installation_id: int) -> None:
    """One installation. Raises what stopped it; the row then says when it is tried again."""
    row = Installation.objects.select_related("app", "company", "location", "parent").get(pk=installation_id)
    if row.status == Status.UNINSTALLED:
        return
    try:
        due = _reconcile(row)
    except IntegrationError as error:
        _again(row, clock.now() + _wait(error))
        raise
    standing = Installation.objects.filter(pk=row.pk).exclude(status=Status.UNINSTALLED)
    standing.update(reconciled_at=clock.now(), reconcile_due_at=due)


def _reconcile(row: Installation) -> datetime | None:
    """When it is due again: a company's walk looks after its locations."""
    if row.user_type == UserType.COMPANY:
        _company(row)
        return clock.now() + EVERY * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load
    _location(row)
    return None


def _company(row: Installation) -> None:
    started = clock.now()
    _learn_name(row)
    installed: set[str] = set()
    for item in _listed(row):
        installed.add(item["_id"])
        _found(row, item, at=started)
    _gone(row, installed, started=started)


def _learn_name(row: Installation) -> None:
    """Operators and admins read names, not ids. Only asked for once, and not worth failing for."""
    place = row.location or row.company
    if place is None or place.name:
        return
    operation, kind = _NAMES[UserType(row.user_type)]
    whose = {kind: row.resource_id}
    try:
        answer = gateway.call(
            operation, app=row.app, company=whose.get("company"), location=whose.get("location"), lane=Lane.EVENTS
        ).json
    except Permanent as error:
        log.info("installs.name_unknown", resource=row.resource_id, code=error.code)
        return
    name = answer.get(kind, {}).get("name") if isinstance(answer, dict) else None
    if isinstance(name, str) and name:
        register.named(place, name)


def _listed(company: Installation, **only: str) -> Iterator[dict[str, Any]]:
    """The locations that the vendor says have the app."""
    asked = {"appId": company.app.highlevel_id, "isInstalled": True, **only}
    for page in gateway.pages(
        INSTALLED_LOCATIONS, app=company.app, company=company.resource_id, params=asked, lane=Lane.EVENTS
    ):
        yield from (item for item in page.items if item.get("isInstalled", True) and item.get("_id"))


def _found(parent: Installation, item: dict[str, Any], *, at: datetime) -> None:
    """Register one listed location. A listing is older than any event about it, so it only adds what is missing."""
    existing = register.find(parent.app, Tenant.location(item["_id"]))
    name = str(item.get("name") or "")
    if existing is not None and existing.is_installed and existing.parent_id == parent.pk:
        if existing.location is not None:
            register.named(existing.location, name)  # the INSTALL event that came first named nobody
        return
    with transaction.atomic():
        target = register.location_target(parent.app, item["_id"], company_id=parent.resource_id, name=name)
        facts = {"version_id": item.get("versionId")}
        said = Statement(at=at, origin=Origin.BULK, status=Status.PENDING, parent=parent, facts=facts)
        register.installed(target, said)


def _gone(parent: Installation, installed: set[str], *, started: datetime) -> None:
    """Uninstall what the finished walk did not list, unless so much is missing that the list is the likelier error."""
    children = Installation.objects.select_related("app").filter(
        parent=parent, status=Status.INSTALLED, status_at__lt=started
    )
    missing = [child for child in children if child.resource_id not in installed]
    if len(missing) > max(BRAKE_COUNT, BRAKE_SHARE * children.count()):
        log.error("installs.brake", company=parent.resource_id, missing=len(missing), listed=len(installed))
        audit.record("install.brake", actor="system", subject=f"Company:{parent.resource_id}", missing=len(missing))
        return
    for child in missing:
        # A location that leaves the list during the walk moves others up, past the next page's offset: so ask again.
        if not any(item["_id"] == child.resource_id for item in _listed(parent, locationId=child.resource_id)):
            uninstall.location(child, at=started, why="not in the vendor's list of installed locations")


def _location(row: Installation) -> None:
    """Connect one location and let sync begin. It is looked after by its company's walk from then on."""
    if row.company is not None and row.parent is not None and row.parent.is_installed:
        access_token.connect(store.location(row.app, row.resource_id), company_id=row.company.id, lane=Lane.EVENTS)
    else:
        _own_token(row)
    with transaction.atomic():
        Installation.objects.filter(pk=row.pk, status=Status.PENDING).update(status=Status.INSTALLED)
        enqueue("sync.plan", app_id=row.app_id, location_id=row.resource_id)
    _learn_name(row)  # last, so that nothing waits for it; its company's walk would tell it hours later


def _own_token(row: Installation) -> None:
    """An INSTALL event that came before its token: adopt it into its company's install, or wait for the callback."""
    parent = _parent_of(row)
    if parent is not None and parent.is_installed:
        Installation.objects.filter(pk=row.pk).update(parent=parent, company=parent.company)
        holder = store.location(row.app, row.resource_id)
        if store.find(holder) is None:
            access_token.connect(holder, company_id=parent.resource_id, lane=Lane.EVENTS)
            return
    access_token.fresh(store.location(row.app, row.resource_id), lane=Lane.EVENTS)


def _parent_of(row: Installation) -> Installation | None:
    if row.company_id is None:
        return None
    return register.find(row.app, Tenant.company(row.company_id))


def _again(row: Installation, due: datetime) -> None:
    Installation.objects.filter(pk=row.pk).exclude(status=Status.UNINSTALLED).update(reconcile_due_at=due)


def _wait(error: IntegrationError) -> timedelta:
    if isinstance(error, Retryable):
        return timedelta(seconds=backoff(3) if error.retry_after is None else error.retry_after)
    return FAILED_RETRY if not isinstance(error, InstallGone) else FAILED_RETRY * 4
