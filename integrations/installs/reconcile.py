"""The reconciler: brings an installation in line with the vendor, in whatever order callback and events arrived.

For a company it walks the vendor's list of installed locations: it registers and connects new locations, and uninstalls
missing ones. For a location it gets a token (minted from its company's when it has none) and starts the sync. The
dispatcher sends due rows, so a lost task or a killed worker delays it by seconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from integrations.core import audit, clock
from integrations.core.celery_tasks import backoff, enqueue
from integrations.core.errors import InstallGone, IntegrationError, Permanent, Retryable
from integrations.core.tenant import Tenant
from integrations.gateway import client as gateway
from integrations.installs import register, uninstall
from integrations.installs.register import InstallNotice, Origin, Status
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import Installation, UserType
from integrations.tokens import store
from integrations.tokens.access import access_token

log = structlog.get_logger(__name__)

_NAME_SOURCES = {  # the operation that returns the tenant's name, and the key of its object in the answer
    UserType.COMPANY: ("companies.get-company", "company"),
    UserType.LOCATION: ("locations.get-location", "location"),
}
INSTALLED_LOCATIONS = "oauth.get-installed-location"
EVERY = timedelta(hours=6)
FAILED_RETRY = timedelta(minutes=30)
# When more locations are missing than this share of all and this number, none is uninstalled: an operator must look.
BRAKE_SHARE, BRAKE_COUNT = 0.2, 5


def reconcile(installation_id: int) -> None:
    """Reconcile one installation. Raises the error that stopped it, after setting when it is tried again."""
    row = Installation.objects.select_related("app", "company", "location", "parent").get(pk=installation_id)
    if row.status == Status.UNINSTALLED:
        return
    try:
        due = _reconcile(row)
    except IntegrationError as error:
        _retry_at(row, clock.now() + _wait(error))
        raise
    Installation.objects.filter(pk=row.pk).reconciled(at=clock.now(), due_at=due)


def _reconcile(row: Installation) -> datetime | None:
    """When it is due again. None for a location, because the walk of its company covers it."""
    if row.user_type == UserType.COMPANY:
        _company(row)
        return clock.now() + EVERY * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load
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
    """Store the tenant's name, which pages show instead of its id. Requested once; a refusal is only logged."""
    tenant = row.location or row.company
    if tenant is None or tenant.name:
        return
    operation, kind = _NAME_SOURCES[UserType(row.user_type)]
    ids = {kind: row.resource_id}
    try:
        answer = gateway.call(
            operation, app=row.app, company=ids.get("company"), location=ids.get("location"), lane=Lane.EVENTS
        ).json
    except Permanent as error:
        log.info("installs.name_unknown", resource=row.resource_id, code=error.code)
        return
    name = answer.get(kind, {}).get("name") if isinstance(answer, dict) else None
    if isinstance(name, str) and name:
        register.set_name(tenant, name)


def _listed(company: Installation, **only: str) -> Iterator[dict[str, Any]]:
    """The locations on which the app is installed, by the vendor's list."""
    params = {"appId": company.app.highlevel_id, "isInstalled": True, **only}
    for page in gateway.pages(
        INSTALLED_LOCATIONS, app=company.app, company=company.resource_id, params=params, lane=Lane.EVENTS
    ):
        yield from (item for item in page.items if item.get("isInstalled", True) and item.get("_id"))


def _found(parent: Installation, item: dict[str, Any], *, at: datetime) -> None:
    """Register one listed location. A listing may be older than an event, so it only adds what is missing."""
    existing = register.find(parent.app, Tenant.location(item["_id"]))
    name = str(item.get("name") or "")
    if existing is not None and existing.is_installed and existing.parent_id == parent.pk:
        if existing.location is not None:
            register.set_name(existing.location, name)  # the INSTALL event that came first has no name
        return
    with transaction.atomic():
        target = register.location_target(parent.app, item["_id"], company_id=parent.resource_id, name=name)
        facts = {"version_id": item.get("versionId")}
        notice = InstallNotice(at=at, origin=Origin.BULK, status=Status.PENDING, parent=parent, facts=facts)
        register.installed(target, notice)


def _gone(parent: Installation, installed: set[str], *, started: datetime) -> None:
    """Uninstall locations that the complete walk did not list, unless too many of them are missing."""
    children = Installation.objects.installed().select_related("app").filter(parent=parent, status_at__lt=started)
    missing = [child for child in children if child.resource_id not in installed]
    if len(missing) > max(BRAKE_COUNT, BRAKE_SHARE * children.count()):
        log.error("installs.brake", company=parent.resource_id, missing=len(missing), listed=len(installed))
        audit.record("install.brake", actor="system", subject=f"Company:{parent.resource_id}", missing=len(missing))
        return
    for child in missing:
        # A location that leaves the list during the walk shifts the others across a page's offset: so check each one.
        if not any(item["_id"] == child.resource_id for item in _listed(parent, locationId=child.resource_id)):
            uninstall.location(child, at=started, why="not in the vendor's list of installed locations")


def _location(row: Installation) -> None:
    """Get the location's token and start its sync. The walk of its company covers it from then on."""
    if row.company is not None and row.parent is not None and row.parent.is_installed:
        access_token.get_or_mint(store.location(row.app, row.resource_id), company_id=row.company.id, lane=Lane.EVENTS)
    else:
        _own_token(row)
    with transaction.atomic():
        Installation.objects.filter(pk=row.pk).finish_pending()
        enqueue("sync.plan", app_id=row.app_id, location_id=row.resource_id)
    _learn_name(row)  # last, so that the sync does not wait for it


def _own_token(row: Installation) -> None:
    """For a location that an INSTALL event announced: add it to its company's install, or use its own token.

    Raises InstallGone until the callback has brought that token.
    """
    parent = _parent_of(row)
    if parent is not None and parent.is_installed:
        Installation.objects.filter(pk=row.pk).update(parent=parent, company=parent.company)
        key = store.location(row.app, row.resource_id)
        if store.find(key) is None:
            access_token.get_or_mint(key, company_id=parent.resource_id, lane=Lane.EVENTS)
            return
    access_token.get(store.location(row.app, row.resource_id), lane=Lane.EVENTS)


def _parent_of(row: Installation) -> Installation | None:
    if row.company_id is None:
        return None
    return register.find(row.app, Tenant.company(row.company_id))


def _retry_at(row: Installation, due: datetime) -> None:
    Installation.objects.filter(pk=row.pk).reconcile_at(due)


def _wait(error: IntegrationError) -> timedelta:
    if isinstance(error, Retryable):
        return timedelta(seconds=backoff(3) if error.retry_after is None else error.retry_after)
    return FAILED_RETRY if not isinstance(error, InstallGone) else FAILED_RETRY * 4
