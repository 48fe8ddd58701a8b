"""Operations that an operator starts on a credential: refresh now, mint again, suspend. Each leaves an audit entry.

A worker calls the vendor, so that no page waits for the call. The row shows the outcome.
"""

from __future__ import annotations

from integrations.core import audit, clock
from integrations.core.celery_tasks import enqueue
from integrations.core.errors import BadRequest
from integrations.tokens import store
from integrations.tokens.models import Credential


def refresh_now(row: Credential, *, actor: str) -> None:
    """Send a refresh to a worker, due or not, suspended or not. Raises BadRequest for an uninstalled tenant."""
    ask_refresh(row, actor=actor)
    Credential.objects.filter(pk=row.pk).order(Credential.Order.REFRESH)
    enqueue("tokens.refresh", credential_id=row.pk)


def ask_refresh(row: Credential, *, actor: str) -> None:
    """Write the audit entry for a caller that refreshes at once. Raises BadRequest as `refresh_now`."""
    if row.state == Credential.State.REVOKED:
        raise BadRequest(f"{row} is revoked: it has no token to refresh")
    _record("token.refresh_requested", row, actor)


def mint_again(row: Credential, *, actor: str) -> None:
    """Send a minting from the company's token to a worker, whether or not its own refresh token works.

    Raises BadRequest when no company can mint for it.
    """
    if not can_be_minted(row):
        raise BadRequest(f"{row} has no company to be minted from, or is revoked")
    _record("token.mint_requested", row, actor)
    Credential.objects.filter(pk=row.pk).order(Credential.Order.MINT)
    enqueue("tokens.mint", credential_id=row.pk)


def suspend(row: Credential, *, actor: str) -> None:
    """Stop using it, tokens kept, until an operator refreshes it or the vendor names its location again.

    Raises BadRequest when it is not active, or a refresh is under way.
    """
    if not store.suspend(row.pk, row.generation, reason=f"suspended by {actor}", now=clock.now(), retried=False):
        raise BadRequest(
            f"{row} is not active, or a worker is refreshing it or has just done so: look again in a moment"
        )
    _record("token.suspended", row, actor)


def can_be_minted(row: Credential) -> bool:
    """Whether its company's token can mint for it now."""
    return row.is_minted and row.state != Credential.State.REVOKED


def _record(action: str, row: Credential, actor: str) -> None:
    audit.record(action, actor=actor, subject=row.tenant.audit_subject, kind=row.kind, generation=row.generation)
