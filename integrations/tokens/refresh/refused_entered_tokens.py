"""Static tokens without refresh: private integration tokens and API 1.0 keys. A refused one needs an operator."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations.core.errors import GrantRevoked
from integrations.tokens import access_cache
from integrations.tokens.models import Credential
from integrations.tokens.refresh import record_failure

# Help article 48001205369: regenerating a key ends the old one; 155000003697: keys unused for 90 days are deleted.
_CURES = {
    Credential.Kind.PRIVATE: (
        "it was rotated or deleted in HighLevel (Settings > Private Integrations): enter the new one"
    ),
    Credential.Kind.KEY: (
        "it was regenerated, or deleted after 90 days without use (Settings > Business Info > API Key; an agency's: "
        "Agency Settings > API Keys): enter the new one"
    ),
}
# The reasons of the API's error table for a refused token.
REASONS: dict[str, str] = {Credential.Kind.PRIVATE: "private_token_invalid", Credential.Kind.KEY: "api_key_invalid"}


def renew(row: Credential, *, now: datetime) -> Credential:
    """The refresh of an entered token: activates a suspended one; a refused one needs an operator.

    Raises GrantRevoked with the remedy for a refused one.
    """
    if row.rejected_generation == row.generation or row.access_sealed is None:
        raise refuse(row, now=now)
    Credential.objects.of_generation(row.pk, row.generation).activate(due_at=None)
    return Credential.objects.select_related("app").get(pk=row.pk)


def refuse(row: Credential, *, now: datetime) -> GrantRevoked:
    """Note that the vendor refuses the token of `row`: an operator has to enter another. Returns the error to raise.

    A row that has another token already stays as it is.
    """
    kind = Credential.Kind(row.kind)
    error = GrantRevoked(f"HighLevel refuses this token: {_CURES[kind]}", credential=row.pk, reason=REASONS[kind])
    with transaction.atomic():
        noted = Credential.objects.of_generation(row.pk, row.generation).need_reconnect(
            reason=error.message,
            last_error=error.message[:300],
            last_error_code=error.code,
            last_error_at=now,
        )
        if noted:
            record_failure.needs_reconnect(row, error, now=now)
    access_cache.discard(row.pk)
    return error
