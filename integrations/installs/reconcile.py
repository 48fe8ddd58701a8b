"""The reconciler: brings an installation in line with the vendor, in whatever order callback and events arrived.

For a company it reads the vendor's list of installed locations: it registers new locations, keeps what the list says of
the others, and asks about the missing ones. For a location it asks the vendor when its facts are in doubt, gets a token
(minted from its company's when it has none) and starts the sync. The dispatcher sends due rows, so a lost task or a
killed worker delays it by seconds.

Lost webhooks are healed within an hour. Every company is read once in `EVERY`, less than an hour, by one call per 100
locations: for 5,000 locations 50 calls, or 0.8 % of the company's day. A location that no live company of ours covers
is asked once in `EVERY` by one call with its own token. The cost is bounded: a company's readings take at most
`SHARE` of the day's quota that the vendor's headers state, so an agency of more than 37,500 locations is read less
often: one of 100,000 every two hours, and one of 5,000, too, if its day has 10,000 calls
(`docs/decisions/16-two-clocks-and-a-question.md`). All calls go through the quota's lane for events, behind
interactive work.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from integrations.core import clock
from integrations.core.celery_tasks import backoff
from integrations.core.errors import (
    GrantRevoked,
    InstallGone,
    IntegrationError,
    MintRefused,
    QuotaExhausted,
    RequestRejected,
    Retryable,
)
from integrations.core.observing import log_scope
from integrations.core.tenant import UserType
from integrations.highlevel.errors import AccessTokenRejected
from integrations.installs import (
    brake,
    installer,
    question,
    register,
    resolve_doubt,
    uninstall,
    vendor_list,
)
from integrations.installs.connected import sync_start, tenant_name
from integrations.installs.entered import entered_token
from integrations.installs.question import InstallStatus, LocationAnswer
from integrations.installs.register import Doubt, Status
from integrations.quota.permits import queries as quota
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import Installation
from integrations.tokens import store
from integrations.tokens.access import access_token
from integrations.tokens.refresh.claim_call_swap import mint

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=45)
SHARE = 0.06  # of a company's day of quota
FAILED_RETRY = timedelta(minutes=30)
GRANT_WAIT = timedelta(hours=1)  # a pending location that no agency lists ends when no grant came for so long
RUNNING = timedelta(seconds=60)  # a row that is being reconciled is not sent again before this
PARKED = timedelta(minutes=10)
_DAY = timedelta(days=1)
_DAY_LIMIT = 200_000  # FACTS section 4, until the headers say otherwise


def reconcile(installation_id: int) -> None:
    """Reconcile one installation. Raises the error that stopped it, after setting when it is tried again."""
    # Before the row is read: a notice that comes after that makes it due again.
    Installation.objects.filter(pk=installation_id).reconcile_at(clock.now() + RUNNING)
    row = Installation.objects.select_related("app", "company", "location", "parent", "rival").get(pk=installation_id)
    if row.status == Status.UNINSTALLED:
        return
    with log_scope.scope(tenant=row.tenant.mailbox_key):
        _reconcile(row)


def _reconcile(row: Installation) -> None:
    try:
        if not row.abilities.reported:
            due: datetime | None = entered_token.follow(row)
        else:
            due = _company(row) if row.user_type == UserType.COMPANY else _location(row)
    except IntegrationError as error:
        _due_at(row, clock.now() + _wait(error))
        if not isinstance(error, Retryable):
            Installation.objects.filter(pk=row.pk).update(reading=None)  # it begins anew
        raise
    # A notice that came meanwhile made the row due: that stands.
    Installation.objects.filter(pk=row.pk, revision=row.revision).reconciled(at=clock.now(), due_at=due)


def _company(row: Installation) -> datetime | None:
    """Read the company's list. Returns when it is due again, None when it was uninstalled meanwhile."""
    reading = vendor_list.Reading.of(row)
    try:
        tenant_name.learn(row)
        installer.learn(row)
        for _ in reading.go_on():
            _due_at(row, clock.now() + RUNNING)
    except (GrantRevoked, AccessTokenRejected, InstallGone):
        if _has_ended(row):
            return None
        raise
    brake.missing(row, began=reading.began)
    resolve_doubt.apply(row, LocationAnswer(InstallStatus.INSTALLED))
    return clock.now() + _interval(row, reading.pages)


def _interval(row: Installation, pages: int) -> timedelta:
    """The time until the next reading: `EVERY`, or longer when so many pages would take more than their share."""
    day_limit = quota.snapshot(row.app.client_id, row.resource_id).day_limit or _DAY_LIMIT
    return max(EVERY, _DAY * pages / (SHARE * day_limit)) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load


def _has_ended(row: Installation) -> bool:
    """Whether the vendor ended the company's installation, after its list could not be read: then it ends here.

    Its locations are asked one by one, because a location may be installed on its own. After an UNINSTALL event that
    was in doubt they end with their company.
    """
    alive = question.token_state(row, conclusive=True).alive
    if alive or (alive is None and row.doubt != Doubt.EVENT):
        return False
    locations = register.locations_of(row.app, row.resource_id)
    if row.doubt == Doubt.EVENT:
        below = locations.select_related("app", "rival__company").order_by("pk")
        return uninstall.confirmed(row, why="UNINSTALL event, confirmed by the vendor", locations=below)
    with transaction.atomic():
        Installation.objects.select_for_update(no_key=True).get(pk=row.pk)  # the company before its locations
        locations.ask_vendor(Doubt.REVOKED, now=clock.now())
        return uninstall.confirmed(row, why="its grant was revoked")


def _location(row: Installation) -> datetime | None:
    """Settle the location's doubt, get its token and start its sync.

    Returns when it is due again: None when a live company's listings cover it from then on.
    """
    if row.company_id is None and store.find(store.location(row.app, row.resource_id)) is None:
        _find_company(row)
        return None
    company = register.find_live(row.app, row.company_id)
    if company is not None and not company.is_installed:
        company = None
    if company is None and _end_ungranted(row):
        return None
    is_asked = bool(row.doubt) and not (row.doubt == Doubt.MOVED and company is not None)
    if is_asked:
        answer = _ask(row)
        if answer.verdict is not InstallStatus.INSTALLED:
            return clock.now() + FAILED_RETRY if answer.verdict is InstallStatus.UNKNOWN else None
    if company is None:
        return _on_its_own(row, is_asked=is_asked)
    return _below(row, company)


def _find_company(row: Installation) -> None:
    """Register the location with the company that lists it. Raises InstallGone while none does."""
    began = clock.now()
    found = vendor_list.find_agency(row)
    if found is not None:
        vendor_list.take(found[0], found[1], began=began)  # pending, so due at once
        return
    if not _end_ungranted(row):
        raise InstallGone(f"no company lists {row.tenant}, and no grant came for it", resource=row.resource_id)


def _end_ungranted(row: Installation) -> bool:
    """End a pending location that no company here lists, when no grant has come for it in `GRANT_WAIT`."""
    waited = row.changed_at is not None and row.changed_at < clock.now() - GRANT_WAIT
    if waited and row.status == Status.PENDING:
        uninstall.confirmed(row, why="no company's list has it, and no grant came")
    return waited and row.status == Status.PENDING


def _below(row: Installation, company: Installation) -> datetime | None:
    """A location of a live company: its token is minted when it has none, and the company's listings cover it."""
    key = store.location(row.app, row.resource_id)
    try:
        if row.doubt == Doubt.MOVED:
            credential = store.get_or_create(key, company_id=company.resource_id, now=clock.now())
            store.reactivate(credential, company_id=company.resource_id)
            mint(credential.pk, lane=Lane.EVENTS)
            resolve_doubt.apply(row, LocationAnswer(InstallStatus.INSTALLED))
        access_token.get_or_mint(key, company_id=company.resource_id, lane=Lane.EVENTS)
    except (MintRefused, RequestRejected):
        # The company has no such location, or not the app on it. A location that keeps its own token may stay.
        answer = _ask(row)
        if answer.verdict is not InstallStatus.INSTALLED:
            return None
        raise
    if row.parent_id != company.pk:
        Installation.objects.filter(pk=row.pk).update(parent=company)
    sync_start.begin(row)
    tenant_name.learn(row)  # last, so that the sync does not wait for it
    return None


def _on_its_own(row: Installation, *, is_asked: bool) -> datetime | None:
    """A location without a live company: it has its own grant, and its own token says whether it is still installed.

    `is_asked`: the vendor has just said that it is. Raises InstallGone until the callback has brought that grant.
    """
    try:
        access_token.get(store.location(row.app, row.resource_id), lane=Lane.EVENTS)
    except GrantRevoked:
        if _ask(row).verdict in (InstallStatus.GONE, InstallStatus.MOVED):
            return None
        raise
    sync_start.begin(row)
    installer.learn(row)
    if not is_asked:
        _ask(row)
    return clock.now() + EVERY * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load


def _ask(row: Installation) -> LocationAnswer:
    answer = question.ask(row)
    resolve_doubt.apply(row, answer)
    return answer


def _due_at(row: Installation, due: datetime) -> None:
    Installation.objects.filter(pk=row.pk).reconcile_at(due)


def _wait(error: IntegrationError) -> timedelta:
    if isinstance(error, QuotaExhausted) and error.permit is not None:
        # The task is parked and comes back with its permit. This is for the case that its message is lost.
        return max(PARKED, timedelta(seconds=error.retry_after or 0.0))
    if isinstance(error, Retryable):
        return timedelta(seconds=backoff(3) if error.retry_after is None else error.retry_after)
    return FAILED_RETRY if not isinstance(error, InstallGone) else FAILED_RETRY * 4
