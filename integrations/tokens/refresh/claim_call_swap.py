"""Refresh of a token pair in three steps: claim (`lease`), call, swap (`commit`, with the UPDATE in `store`).

1. Claim the lease and commit the intent, before anything is sent.
2. Call the vendor, with no transaction, no lock and no connection held, under a deadline well below the lease.
3. Swap the sealed pair if the generation is still the one we refreshed. The pair is swapped in even when the lease was
   lost meanwhile: within the 30 seconds both callers have the same pair, and discarding it could lose the grant.
   When the database is lost by then, the pair goes to the spool.

A successful refresh takes two statements. The table in `outcomes` decides what a failure means, and `record_failure`
writes it to the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from integrations.core import clock
from integrations.core.errors import (
    ClientRejected,
    GrantRevoked,
    IntegrationError,
    LocationInactive,
    MintRefused,
    RefreshInProgress,
    RequestRejected,
    ScopeMissing,
)
from integrations.core.lease_owner import new_owner
from integrations.core.observing import log_scope
from integrations.core.secret import Secret
from integrations.highlevel.errors import AccessTokenRejected, Unexplained401
from integrations.highlevel.oauth.grants import Grant
from integrations.quota.permits.lanes import Lane
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.tokens import database, seals, store
from integrations.tokens.models import Credential
from integrations.tokens.refresh import commit, lease, record_failure, refused_entered_tokens, token_requests

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Request:
    """The parameters of a refresh: see `refresh`."""

    call: Callable[..., Grant]
    lane: Lane
    due_before: datetime | None = None
    expected_generation: int | None = None
    forced: bool = False

    def is_done_already(self, row: Credential) -> bool:
        """Whether another worker has refreshed the row already."""
        if self.expected_generation is not None:
            return row.generation != self.expected_generation
        return self.due_before is not None and (row.refresh_due_at is None or row.refresh_due_at > self.due_before)


def refresh(
    credential_id: int,
    *,
    lane: Lane = Lane.EVENTS,
    due_before: datetime | None = None,
    expected_generation: int | None = None,
    forced: bool = False,
) -> Credential:
    """Give the credential a new pair. Returns the row as it is afterwards.

    With `due_before` only if it is due by then, with `expected_generation` only if that is still its generation: many
    callers find a token expired, and only the first may refresh it. `forced` calls the vendor although the app is
    halted.

    Raises RefreshInProgress when another worker has the lease, GrantRevoked, LocationInactive, ClientRejected,
    Unreachable, ServerFault, StoreUnavailable. Whatever is raised, the row (or the spool) already says what happens
    next. Raises BadRequest, before anything is done, inside a transaction: its rollback would lose the new pair.
    """
    return _renew(credential_id, _Request(_new_grant, lane, due_before, expected_generation, forced))


def mint(credential_id: int, *, lane: Lane = Lane.EVENTS) -> Credential:
    """Give a location a new pair from its company's token, whether or not its own refresh token works."""
    return _renew(credential_id, _Request(_mint, lane, forced=True))


def company_access(app: App, company_id: str, *, lane: Lane) -> tuple[Credential, Secret]:
    """The company's credential and an access token that lives for another minute, refreshed first if it must be."""
    row = store.find(store.company(app, company_id))
    if row is not None and row.state == Credential.State.SUSPENDED:
        raise LocationInactive(f"company {company_id} is inactive: {row.reason}", company=company_id)
    if row is None or row.state != Credential.State.ACTIVE:
        raise GrantRevoked(f"company {company_id} has no working grant to mint from: install again", company=company_id)
    if not store.is_usable(row, clock.now()):
        row = refresh(row.pk, lane=lane, expected_generation=row.generation)
    return row, seals.access_token(row)


def _renew(credential_id: int, request: _Request) -> Credential:
    database.refuse_transaction("a refresh")
    began = clock.monotonic()
    with database.required():
        row = _claimed(credential_id, request)
        if row is None:
            return _after_failed_claim(credential_id, request)
    with log_scope.scope(tenant=row.tenant.mailbox_key):
        return _call_and_swap(row, request, began)


def _call_and_swap(row: Credential, request: _Request, began: float) -> Credential:
    try:
        requested_at = clock.now()
        with database.required():  # for the company's token; a received grant needs no database here
            grant = request.call(row, lane=request.lane)
    except IntegrationError as error:
        now = lease.claimed_at(row) + timedelta(seconds=clock.monotonic() - began)
        with database.required():
            return record_failure.note(row, error, now=now)
    except BaseException:
        # An unexpected failure: the lease runs out by itself, and the row is refreshed again as an orphan.
        log.exception("token.refresh_broke", credential=row.pk)
        raise
    row = commit.new_pair(row, grant, requested_at=requested_at)
    with database.required():
        marketplace.resume(row.app)
        record_failure.report_odd_answer(row, grant)
    log.info("token.refreshed", credential=row.pk, user_type=row.user_type, resource=row.resource_id)
    return row


def _claimed(credential_id: int, request: _Request) -> Credential | None:
    return lease.claim(
        credential_id,
        owner=new_owner(),
        expected_generation=request.expected_generation,
        due_before=request.due_before,
        halted_before=None if request.forced else clock.now() - marketplace.PROBE_EVERY,
    )


def _after_failed_claim(credential_id: int, request: _Request) -> Credential:
    """After a failed claim: return the row if it needs no refresh, else raise why it cannot be refreshed."""
    row = Credential.objects.select_related("app").get(pk=credential_id)
    if not row.abilities.renews:
        return refused_entered_tokens.renew(row, now=clock.now())
    if request.is_done_already(row):
        return row
    if row.state == Credential.State.REVOKED:
        raise GrantRevoked(f"{row} was revoked by an uninstall", credential=row.pk)
    if marketplace.is_halted(row.app, clock.now()) and not request.forced:
        raise ClientRejected(f"refreshes of {row.app} are stopped: {row.app.halted_reason}", credential=row.pk)
    raise RefreshInProgress(f"{row} is being refreshed", retry_after=1.0, credential=row.pk)


def _new_grant(row: Credential, *, lane: Lane) -> Grant:
    """A new grant from the refresh token, else from the company's token."""
    if row.refresh_sealed is not None:
        try:
            return token_requests.by_refresh_token(row)
        except GrantRevoked as error:
            if not row.is_minted:
                raise
            log.warning("token.refresh_token_dead", credential=row.pk, error=str(error), then="company token")
            # A second call, and a third if the company's token is old: the lease has to outlast them.
            if not lease.renew(row):
                raise RefreshInProgress(f"{row} is being refreshed", retry_after=1.0, credential=row.pk) from error
            return _mint_instead(row, error, lane=lane)
    return _mint(row, lane=lane)


def _mint_instead(row: Credential, dead: GrantRevoked, *, lane: Lane) -> Grant:
    """Mint after a dead refresh token. If the vendor refuses that too, raise MintRefused: the credential is dead."""
    try:
        return _mint(row, lane=lane)
    except (RequestRejected, ScopeMissing) as refused:
        words = f"{dead}; its company may mint none: {refused}"
        error = MintRefused(words, vendor=refused.vendor, operation=refused.operation, reason=refused.reason)
        error.annotate(**refused.context)
        raise error from refused


def _mint(row: Credential, *, lane: Lane) -> Grant:
    if not row.is_minted:
        raise GrantRevoked(f"{row} has neither a refresh token nor a company to mint from", credential=row.pk)
    company, access = company_access(row.app, row.company_id, lane=lane)
    try:
        return token_requests.by_company_token(row, access, lane=lane)
    except Unexplained401:
        raise  # the company's own calls find out about its token; the lease leaves no time to ask here
    except AccessTokenRejected:
        store.reject_access_token(company.pk, company.generation, now=clock.now())
        raise
