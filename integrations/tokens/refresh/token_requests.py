"""The two token requests that return a new pair: by the refresh token, or by the company's token (minting)."""

from __future__ import annotations

from dataclasses import replace

import structlog

from integrations.core.errors import RefreshInProgress
from integrations.core.secret import Secret
from integrations.core.tenant import UserType
from integrations.highlevel.oauth import client as oauth
from integrations.highlevel.oauth.grants import Grant
from integrations.quota.attempt import permitted
from integrations.quota.permits.lanes import Lane
from integrations.tenants import marketplace
from integrations.tokens import database, seals
from integrations.tokens.models import Credential
from integrations.tokens.refresh import lease

log = structlog.get_logger(__name__)

_PERMIT_WAIT_SECONDS = 1.0  # seconds for a permit: the time that the lease has left after the company's own refresh


def by_refresh_token(row: Credential) -> Grant:
    """Request a pair with the row's refresh token. Raises the errors of `highlevel.oauth.client.refresh`.

    A response without a new refresh token leaves the old one valid (RFC 6749 section 6).
    """
    spent = seals.refresh_token(row)
    database.release()
    grant = oauth.refresh(
        marketplace.identity(row.app),
        spent,
        user_type="Company" if row.user_type == UserType.COMPANY else "Location",
        deadline_seconds=lease.DEADLINE_SECONDS,
    )
    if grant.refresh_token is None:
        log.warning("token.no_new_refresh_token", credential=row.pk, trace_id=grant.trace_id)
        return replace(grant, refresh_token=spent)
    return grant


def by_company_token(row: Credential, company_access: Secret, *, lane: Lane) -> Grant:
    """Mint the location's token (FACTS 1.7). It is a call with the company's token, so it takes a company permit.

    The lease is extended once the permit is granted, so that it outlasts the call.
    """
    database.release()
    max_wait = min(_PERMIT_WAIT_SECONDS, lane.terms.horizon)
    with permitted(
        row.app.client_id, row.company_id, lane=lane, timeout=lease.DEADLINE_SECONDS, max_wait=max_wait
    ) as attempt:
        _renew_lease(row)
        attempt.sending()
        grant = oauth.mint_location(
            marketplace.identity(row.app),
            company_access,
            company_id=row.company_id,
            location_id=row.resource_id,
            deadline_seconds=lease.DEADLINE_SECONDS,
        )
        attempt.answered(received_at=grant.received_at, rate=grant.rate)
    return grant


def _renew_lease(row: Credential) -> None:
    """Extend the lease before the request is sent; raises when another worker has it."""
    with database.required():
        renewed = lease.renew(row)
    database.release()
    if not renewed:
        raise RefreshInProgress(f"{row} is being refreshed", sent=False, retry_after=1.0, credential=row.pk)
