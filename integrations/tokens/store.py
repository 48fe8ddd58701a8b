"""Stores credentials: find a row, replace its tokens, change its state.

Every write is one UPDATE guarded by the generation it replaces. Of two writers one wins, the other reads its result.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import connection, transaction

from integrations.core.secret import Secret
from integrations.core.tenant import Tenant, UserType
from integrations.highlevel.oauth.grants import Grant
from integrations.tenants.models import App
from integrations.tokens import access_cache, connection_history, seals
from integrations.tokens.models import Credential, CredentialKey, CredentialQuerySet

DEFAULT_LIFETIME = 86_399  # seconds; FACTS 1.4, for an answer without expires_in
MINIMUM_LIFE = timedelta(minutes=1)
JUST_REFRESHED = timedelta(seconds=30)
INACTIVE_RETRY = timedelta(hours=6)
# Refreshed between these parts of its life: hours before expiry, and never all tokens of one install at once.
_EARLIEST, _LATEST = 0.45, 0.75

_NO_TROUBLE: dict[str, Any] = {
    "state": Credential.State.ACTIVE,
    "reason": "",
    "lease_owner": "",
    "lease_until": None,
    "intent_generation": None,
    "intent_at": None,
    "rejected_generation": None,
    "failures": 0,
    "last_error": "",
    "last_error_code": "",
    "last_error_at": None,
    "last_trace_id": "",
    "disconnected_at": None,
}


def company(app: App, company_id: str) -> CredentialKey:
    """The key of a company's credential for API 2.0."""
    return CredentialKey(app, Tenant.company(company_id))


def location(app: App, location_id: str) -> CredentialKey:
    """The key of a location's credential for API 2.0."""
    return CredentialKey(app, Tenant.location(location_id))


def find(key: CredentialKey) -> Credential | None:
    """The row with this key and its app, or None."""
    return Credential.objects.select_related("app").of_key(key).first()


def get_or_create(key: CredentialKey, *, company_id: str, now: datetime) -> Credential:
    """The key's row; created empty (generation 0, no tokens) when missing."""
    row, _ = Credential.objects.select_related("app").get_or_create(
        **key.columns, defaults={"generation": 0, "company_id": company_id, "created_at": now}
    )
    return row


def save_grant(key: CredentialKey, grant: Grant, *, now: datetime) -> Credential:
    """Store the grant of an installation over any present tokens: it is newer than any refresh under way.

    A company's grant brings back the locations that lost theirs: they are due at once, and minted.
    """
    with transaction.atomic():
        row = _locked(key, company_id=grant.company_id or "", now=now)
        replace_token_pair(row, grant, now=now, granted=True)
        if key.tenant.user_type == UserType.COMPANY:
            _lost(key.app, key.tenant.id).make_due(now)
    return row


def replace_token_pair(row: Credential, grant: Grant, *, now: datetime, granted: bool = False) -> bool:
    """Replace the pair of `row.generation` by `grant`, asked for at `now`, in the database and in `row`.

    False, with `row` unchanged, when the database has another generation already. A grant without a refresh token
    leaves none: an old one kept from another grant would only look healthy (FACTS 1.7). `granted`: the grant comes
    from an installation, not from a renewal.
    """
    lifetime = timedelta(seconds=grant.expires_in or DEFAULT_LIFETIME)
    changed: dict[str, Any] = {"company_id": (grant.company_id or row.company_id)[:64]}
    if grant.scopes:
        changed["scopes"] = " ".join(sorted(grant.scopes))
    if granted:
        changed["granted_at"] = now
    values = changed | {
        "access_sealed": seals.sealed(row, seals.ACCESS, grant.access_token, row.generation + 1),
        "refresh_sealed": seals.sealed(row, seals.REFRESH, grant.refresh_token, row.generation + 1),
        "kind": Credential.Kind.OAUTH,
        "expires_at": now + lifetime,
        "refresh_due_at": now + lifetime * random.uniform(_EARLIEST, _LATEST),  # noqa: S311 - spreads load
        "refreshed_at": now,
    }
    return _replace(row, values)


def save_entered_token(key: CredentialKey, token: Secret, *, kind: str, now: datetime) -> Credential:
    """Store a token that an operator pasted over any present one; calls under way finish with the old one."""
    with transaction.atomic():
        row = _locked(key, company_id="", now=now)
        values = {
            "access_sealed": seals.sealed(row, seals.ACCESS, token, row.generation + 1),
            "refresh_sealed": None,
            "kind": kind,
            "scopes": "",
            "expires_at": None,
            "refresh_due_at": None,
            "refreshed_at": now,
            "granted_at": now,
        }
        _replace(row, values)
    return row


def revoke(key: CredentialKey, *, reason: str, now: datetime) -> None:
    """Delete both tokens after an uninstall. The row stays, one generation on, so that no refresh can revive it."""
    Credential.objects.of_key(key).revoke(reason=reason, now=now)
    access_cache.clear()


def reactivate(row: Credential, *, company_id: str) -> None:
    """Activate a location that was uninstalled or needed a reconnect: its company has it installed again."""
    Credential.objects.filter(pk=row.pk).reactivate(company_id=company_id)


def change_company(key: CredentialKey, company_id: str) -> None:
    """Note that the location belongs to another company: only that one's token mints for it from now on."""
    Credential.objects.of_key(key).exclude(company_id=company_id).update(company_id=company_id)


def suspend(credential_id: int, generation: int, *, reason: str, now: datetime, retried: bool = True) -> bool:
    """Stop using a credential, tokens kept: the vendor called its location inactive, or an operator suspends it.

    The dispatcher has it retried every six hours, and `retry_suspended` at once. With `retried=False` only the latter
    does, and a credential whose refresh is under way stays active: the new pair would activate it again. A company's
    credential stays active when a call fails, because the vendor may have meant one of its locations. True when it was
    active.
    """
    due = now + INACTIVE_RETRY * random.uniform(0.8, 1.2) if retried else None  # noqa: S311 - spreads load
    row = Credential.objects.of_generation(credential_id, generation)
    row = row.filter(user_type=UserType.LOCATION) if retried else row.filter(lease_until=None)
    changed = row.suspend(reason=reason, due_at=due)
    access_cache.discard(credential_id)
    return changed == 1


def retry_suspended(key: CredentialKey, *, now: datetime) -> bool:
    """Make a suspended credential due, because the vendor named its location again. False when it was not suspended."""
    return Credential.objects.of_key(key).suspended().make_due(now) > 0


def make_empty_due(key: CredentialKey, *, now: datetime) -> bool:
    """Make a credential without tokens due at once: the vendor names its location again. False when it has tokens."""
    empty = Credential.objects.of_key(key).filter(access_sealed__isnull=True, state=Credential.State.ACTIVE)
    return empty.make_due(now) > 0


def make_lost_due(app: App, company_id: str, location_ids: Collection[str], *, now: datetime) -> int:
    """Make those of a company's locations due that need a reconnect, because the company has them installed."""
    return _lost(app, company_id).filter(resource_id__in=location_ids).make_due(now)


def make_due_for_scopes(key: CredentialKey, *, now: datetime) -> bool:
    """Make a working credential due: the vendor may grant it other scopes now. False without one."""
    usable = Credential.objects.of_key(key).filter(state=Credential.State.ACTIVE, access_sealed__isnull=False)
    return usable.make_due(now) > 0


def confirm_active(credential_id: int, generation: int, *, now: datetime) -> None:
    """Activate a suspended credential whose call succeeded; it is due for a refresh that proves it."""
    Credential.objects.of_generation(credential_id, generation).suspended().activate(due_at=now)


def is_usable(row: Credential, now: datetime) -> bool:
    """Whether the access token has at least a minute to live and the vendor has not refused it."""
    return (
        row.access_sealed is not None
        and row.rejected_generation != row.generation
        and (row.expires_at is None or row.expires_at - now > MINIMUM_LIFE)
    )


def reject_access_token(credential_id: int, generation: int, *, now: datetime) -> None:
    """Mark this generation as refused, after a 401 of the vendor: the next caller refreshes first.

    A pair that is seconds old is not marked: a fresh token that is refused is not cured by a fresher one.
    """
    row = Credential.objects.of_generation(credential_id, generation)
    row.filter(refreshed_at__lt=now - JUST_REFRESHED).reject_access_token()
    access_cache.discard(credential_id)


def begin_doubt(credential_id: int, generation: int, *, now: datetime, every: timedelta) -> bool:
    """Take the one question about this generation's token that a 401 of unknown meaning may ask in `every`.

    False when it was asked, when the generation is not the row's, and for a pair that is seconds old.
    """
    row = Credential.objects.of_generation(credential_id, generation)
    return row.filter(refreshed_at__lt=now - JUST_REFRESHED).begin_doubt(now=now, before=now - every) > 0


def end_doubt(credential_id: int) -> None:
    """The question got no answer: it may be asked again at once."""
    Credential.objects.filter(pk=credential_id).update(doubted_at=None)


def _lost(app: App, company_id: str) -> CredentialQuerySet:
    """The credentials of a company's locations that need a reconnect."""
    of_locations = Credential.objects.filter(app=app, company_id=company_id, user_type=UserType.LOCATION)
    return of_locations.filter(state=Credential.State.NEEDS_RECONNECT)


def _locked(key: CredentialKey, *, company_id: str, now: datetime) -> Credential:
    get_or_create(key, company_id=company_id, now=now)
    return Credential.objects.select_related("app").select_for_update(of=("self",)).get(**key.columns)


def _replace(row: Credential, values: dict[str, Any]) -> bool:
    """Write the next generation by one UPDATE, if `row.generation` is unchanged; then update `row` too."""
    values = {"generation": row.generation + 1, **_NO_TROUBLE, **values}
    scopes = frozenset(values.get("scopes", row.scopes).split())
    if not connection_history.is_news(row, scopes):
        written = _write(row, values)
    else:
        with transaction.atomic():
            written = _write(row, values)
            if written:
                connection_history.replaced(row, scopes, now=values["refreshed_at"])
    if not written:
        return False
    for name, value in values.items():
        setattr(row, name, value)
    access_cache.discard(row.pk)
    return True


def _write(row: Credential, values: dict[str, Any]) -> bool:
    with connection.cursor() as cursor:
        prepared = [_field(name).get_db_prep_save(value, connection) for name, value in values.items()]
        cursor.execute(_update(tuple(values)), [*prepared, row.pk, row.generation])
        return bool(cursor.rowcount)


@cache
def _field(name: str) -> Any:
    return Credential._meta.get_field(name)  # noqa: SLF001 - documented by Django


@cache
def _update(columns: tuple[str, ...]) -> str:
    """The UPDATE as text, built once: for so many columns the query builder takes longer than the database."""
    assignments = ", ".join(f"{connection.ops.quote_name(name)} = %s" for name in columns)
    return f"UPDATE tokens_credential SET {assignments} WHERE id = %s AND generation = %s"  # noqa: S608 - names only
