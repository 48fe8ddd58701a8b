"""Access tokens for API calls: a token for a credential key, valid for at least another minute."""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.core import clock
from integrations.core.errors import (
    GrantRevoked,
    InstallGone,
    LocationInactive,
    RefreshInProgress,
    Unreachable,
    VendorAnswer,
)
from integrations.quota.permits.lanes import Lane
from integrations.tokens import access_cache, database, seals, store
from integrations.tokens.access import api_endpoint, credential_row
from integrations.tokens.access_cache import AccessToken as AccessToken  # the result type of this module
from integrations.tokens.models import Credential, CredentialKey
from integrations.tokens.refresh.claim_call_swap import refresh

_POLL = 0.1  # seconds between two reads of the generation while another worker refreshes
_CACHED = timedelta(seconds=access_cache.LIFETIME)
_WAIT_SECONDS = 7.0  # seconds; a little more than the deadline of the refresh it waits for


def get(key: CredentialKey, *, lane: Lane, refused: int | None = None) -> AccessToken:
    """The tenant's access token, refreshed or minted first when necessary. `refused`: a generation the vendor refused.

    Raises InstallGone, GrantRevoked, LocationInactive, RefreshInProgress, StoreUnavailable, Unreachable (with the
    time of the next attempt, when the last one failed), and every error of the refresh.
    """
    if (known := access_cache.get(key)) is not None and _fits(known, key, refused):
        return known
    until = clock.monotonic() + _WAIT_SECONDS
    while True:
        with database.required():
            row = _read_or_raise(key, lane)
        if not store.is_usable(row, clock.now()):
            _respect_backoff(row, lane, clock.now())
            try:
                row = refresh(row.pk, lane=lane, expected_generation=row.generation)
            except RefreshInProgress:
                if clock.monotonic() > until:
                    raise
                database.release()  # many waiting threads leave the connections to the working ones
                clock.sleep(_POLL)
                continue
            if row.access_sealed is None:
                continue  # uninstalled meanwhile: the row's new state decides what is raised
        suspended = row.state == Credential.State.SUSPENDED
        access = AccessToken(
            token=seals.access_token(row),
            address=api_endpoint.url_of(key),
            credential_id=row.pk,
            generation=row.generation,
            scopes=row.scope_set,
            kind=row.kind,
            suspended=suspended,
        )
        if not suspended and store.is_usable(row, clock.now() + _CACHED):
            access_cache.put(key, access)
        return access


def get_or_mint(key: CredentialKey, *, company_id: str, lane: Lane) -> AccessToken:
    """Mint a location's first token from its company's token. Only reads it when the location has one."""
    row = store.get_or_create(key, company_id=company_id, now=clock.now())
    store.reactivate(row, company_id=company_id)
    access_cache.discard(row.pk)
    if row.state == Credential.State.SUSPENDED:
        refresh(row.pk, lane=lane)  # the vendor names the location again, so it may be active again
    return get(key, lane=lane)


def _fits(known: AccessToken, key: CredentialKey, refused: int | None) -> bool:
    """Whether a cached token may be used: apps are equal by primary key, whatever address their row has."""
    return known.generation != refused and known.address == api_endpoint.url_of(key)


def _read_or_raise(key: CredentialKey, lane: Lane) -> Credential:
    """The row that the call may use. Raises InstallGone, GrantRevoked or LocationInactive by its state."""
    row = credential_row.read(key)
    if row is None or row.state == Credential.State.REVOKED:
        raise InstallGone(f"the app is not installed on {key.tenant}", resource=key.tenant.id)
    if row.state == Credential.State.NEEDS_RECONNECT:
        raise GrantRevoked(f"{key.tenant} must install again: {row.reason}", resource=key.tenant.id)
    if row.state == Credential.State.SUSPENDED and not _worth_a_try(row, lane):
        raise LocationInactive(f"{key.tenant} is inactive: {row.reason}", resource=key.tenant.id)
    return row


def _worth_a_try(row: Credential, lane: Lane) -> bool:
    """An interactive call may try a suspended location; its success shows that the location is active again."""
    return lane is Lane.INTERACTIVE and row.refresh_due_at is not None and store.is_usable(row, clock.now())


def _respect_backoff(row: Credential, lane: Lane, now: datetime) -> None:
    """Raise Unreachable after a failed refresh, unless the next attempt is due or the call is interactive.

    The repeat of a lost answer has its fixed time (`outcomes.REPEATS`), also for interactive calls.
    """
    if not row.failures or row.refresh_due_at is None or row.refresh_due_at <= now:
        return
    if row.lease_owner or (lane is Lane.INTERACTIVE and row.lease_until is None):
        return
    raise Unreachable(
        f"the last refresh of {row} failed: {row.last_error}",
        sent=False,
        retry_after=(row.refresh_due_at - now).total_seconds(),
        vendor=VendorAnswer(trace_id=row.last_trace_id or None),
    )
