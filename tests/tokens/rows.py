"""What tests do to a credential's row to let time pass."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F

from integrations.core import clock
from integrations.core.secret import Secret
from integrations.tokens.entered_tokens import entry
from integrations.tokens.models import Credential, CredentialKey
from integrations.tokens.refresh import lease


def enter(key: CredentialKey, text: str, *, kind: str, actor: str, tested: bool = True) -> Credential:
    """A token entered for this tenant, without its installation; `tested`: the vendor is asked first."""
    token = entry.examined(key, text, kind=kind) if tested else Secret(text)
    return entry.keep(key, token, kind=kind, actor=actor)


def expire(row: Credential) -> None:
    """Its access token has run out, and its refresh is due."""
    Credential.objects.filter(pk=row.pk).update(expires_at=clock.now(), refresh_due_at=clock.now())


def orphan(row: Credential, *, owner: str = "dead") -> None:
    """As a worker leaves it that was killed between its call and its swap, just long enough ago to be found."""
    assert lease.claim(row.pk, owner=owner)
    long_ago = lease.LEASE_TERM + timedelta(milliseconds=1)
    Credential.objects.filter(pk=row.pk).update(
        lease_until=F("lease_until") - long_ago, intent_at=F("intent_at") - long_ago
    )


def let_pass(row: Credential) -> None:
    """The wait that the row's last failure asked for is over."""
    past = clock.now() - timedelta(milliseconds=1)
    Credential.objects.filter(pk=row.pk, lease_until__isnull=False).update(lease_until=past)
    Credential.objects.filter(pk=row.pk).update(refresh_due_at=past)
    row.refresh_from_db()
