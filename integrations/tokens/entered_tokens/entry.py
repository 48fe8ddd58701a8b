"""Entered tokens: private integration tokens and API 1.0 keys that an operator enters, replaces, tests or revokes here.

A replacement interrupts no calls: the new token is tested first, then one UPDATE replaces the old one, and calls under
way finish with the old one.
"""

from __future__ import annotations

from dataclasses import replace

from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import BadRequest, GrantRevoked
from integrations.core.secret import Secret
from integrations.tenants.credential_kinds import STATIC, abilities
from integrations.tokens import connection_history, seals, store
from integrations.tokens.access import probe
from integrations.tokens.entered_tokens import parsing
from integrations.tokens.models import Credential, CredentialKey
from integrations.tokens.refresh import refused_entered_tokens

COMPROMISED = (
    "given up as compromised: anyone who has it can read and change this account, so end it in HighLevel (rotate the "
    "private integration, or regenerate the API key) and enter the new one"
)


def examined(key: CredentialKey, text: str, *, kind: str) -> Secret:
    """The token in `text`, which HighLevel has accepted for the tenant of the key.

    Raises BadRequest (the text is something else, the token is another account's, or an OAuth installation has this
    key), GrantRevoked (HighLevel does not accept it) and the errors that prevent a call.
    """
    if kind not in STATIC:
        raise BadRequest("only private integration tokens and API keys are entered: OAuth apps are installed")
    key = _for(key, kind)
    token = parsing.parse(text, kind=kind, tenant=key.tenant)
    _refuse_to_replace_a_grant(key)
    probe.admit(key, token, kind=kind)
    return token


def keep(key: CredentialKey, token: Secret, *, kind: str, actor: str) -> Credential:
    """Store an examined token in place of the present one, and write an audit entry."""
    row = store.save_entered_token(_for(key, kind), token, kind=kind, now=clock.now())
    _record("token.entered", row, actor)
    return row


def check(row: Credential, *, actor: str) -> None:
    """Test the stored token with HighLevel. Raises GrantRevoked when it is refused; the row then says so."""
    _record("token.tested", row, actor)
    try:
        probe.check(row.key, seals.access_token(row), kind=row.kind)
    except GrantRevoked as error:
        raise refused_entered_tokens.refuse(row, now=clock.now()) from error


def give_up(row: Credential, *, actor: str) -> None:
    """Delete a token that others may know. It stays valid at HighLevel until it is ended there."""
    if row.kind not in STATIC:
        raise BadRequest("an OAuth grant is ended by uninstalling the app")
    with transaction.atomic():
        store.revoke(row.key, reason=COMPROMISED, now=clock.now())
        revoked = Credential.objects.filter(pk=row.pk, state=Credential.State.REVOKED)
        revoked.need_reconnect(reason=COMPROMISED)
        connection_history.lost(row, COMPROMISED, now=clock.now())
        _record("token.given_up", row, actor)


def _for(key: CredentialKey, kind: str) -> CredentialKey:
    return replace(key, api=abilities(kind).api)


def _refuse_to_replace_a_grant(key: CredentialKey) -> None:
    """Refuse to replace a working grant: workers renew it, and only a new consent could bring it back."""
    row = store.find(key)
    if row is None or not row.abilities.renews or row.access_sealed is None:
        return
    if row.state in (Credential.State.ACTIVE, Credential.State.SUSPENDED):
        raise BadRequest(f"{key.tenant} has installed the app, and its grant works: uninstall the app there first")


def _record(action: str, row: Credential, actor: str, **detail: object) -> None:
    audit.record(
        action, actor=actor, subject=row.tenant.audit_subject, kind=row.kind, generation=row.generation, **detail
    )
