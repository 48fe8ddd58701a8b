"""Granted scopes against required ones: what an installation's grant lacks, and queries for grants that lack scopes.

Required is what the app asks for (`App.scopes`), as far as tokens of this kind can have it: a location's token has no
scope that only operations of agencies need. An account that is still on an older version of the app may be unable to
grant a newer scope before it updates (FACTS 10). The rooms above say what needs which scopes (`need`), so that pages
can name what a gap disables.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

from django.db.models import F, Q, QuerySet, TextField, Value
from django.db.models.functions import Concat

from integrations.core.tenant import Tenant, UserType
from integrations.highlevel.catalogue import catalogue
from integrations.highlevel.oauth.dialects import DialectName
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential

# A minted token has these two beside those of its company, a location's own grant may not (FACTS 1.3).
_OF_AGENCIES = frozenset({"oauth.readonly", "oauth.write"})


@dataclass(frozen=True, slots=True)
class ScopeGap:
    """The scopes of one tenant's grant. `granted` is empty when the vendor did not name them: nothing is missing."""

    granted: frozenset[str]
    required: frozenset[str]

    @property
    def missing(self) -> tuple[str, ...]:
        """Required scopes that are not granted."""
        return tuple(sorted(self.required - self.granted)) if self.granted else ()

    def allows(self, scopes: Iterable[str]) -> bool:
        """Whether all these scopes are granted, as far as is known."""
        return not self.granted or self.granted >= set(scopes)


@dataclass(frozen=True, slots=True)
class ScopeNeed:
    """What does not work on a tenant of this kind without these scopes, such as "sync of contacts".

    `optional`: without it where the app does not ask for the scopes, and that is no fault.
    """

    what: str
    user_type: str
    scopes: frozenset[str]
    optional: bool = False


NEEDS: dict[str, ScopeNeed] = {}


def need(what: str, user_type: str, scopes: Iterable[str], *, optional: bool = False) -> None:
    """Say that something needs scopes. The rooms above call it at start-up."""
    NEEDS[what] = ScopeNeed(what, user_type, frozenset(scopes), optional)


def disabled(row: Installation, found: ScopeGap) -> list[str]:
    """What the gap of this installation disables, by name."""
    mine = (one for one in NEEDS.values() if one.user_type == row.user_type and not found.allows(one.scopes))
    return sorted(one.what for one in mine if not one.optional or one.scopes & found.required)


def of(row: Installation) -> ScopeGap:
    """The scopes of an installation's grant, and those that it needs."""
    return gap(row.app, row.tenant, granted(row.app, row.tenant))


def gap(app: App, tenant: Tenant, scopes: frozenset[str]) -> ScopeGap:
    """The gap between what the app asks for and these scopes of the tenant's grant."""
    dialect, kind = app.dialect_name, tenant.kind
    return ScopeGap(scopes, frozenset(scope for scope in app.scope_set if _concerns(dialect, scope, kind)))


def granted(app: App, tenant: Tenant) -> frozenset[str]:
    """The scopes that the tenant granted; empty when it has no grant or the vendor did not name them."""
    rows = Credential.objects.filter(app=app, user_type=tenant.user_type, resource_id=tenant.id, api=Credential.Api.TWO)
    return frozenset((rows.values_list("scopes", flat=True).first() or "").split())


def lacking_all(rows: QuerySet[Credential], scopes: Collection[str]) -> QuerySet[Credential]:
    """Credentials whose grant names its scopes and has none of these."""
    return _named(rows).exclude(_any(scopes)) if scopes else rows.none()


def lacking_some(rows: QuerySet[Credential], scopes: Collection[str]) -> QuerySet[Credential]:
    """Credentials whose grant names its scopes and lacks at least one of these."""
    whole = Q(*(Q(spaced__contains=f" {scope} ") for scope in sorted(scopes)))
    return _named(rows).exclude(whole) if scopes else rows.none()


def with_gaps(app: App) -> QuerySet[Credential]:
    """Working credentials of an app that lack a required scope.

    Grants of one app have few different texts, so these are compared here and not the rows.
    """
    rows = Credential.objects.filter(app=app, api=Credential.Api.TWO, state=Credential.State.ACTIVE).exclude(scopes="")
    wanted = Q(pk=None)
    for user_type, text in rows.values_list("user_type", "scopes").distinct():
        if gap(app, Tenant(UserType(user_type), "any"), frozenset(text.split())).missing:
            wanted |= Q(user_type=user_type, scopes=text)
    return rows.filter(wanted)


def _named(rows: QuerySet[Credential]) -> QuerySet[Credential]:
    return rows.exclude(scopes="").alias(spaced=Concat(Value(" "), F("scopes"), Value(" "), output_field=TextField()))


def _any(scopes: Collection[str]) -> Q:
    found = Q(pk=None)
    for scope in sorted(scopes):
        found |= Q(spaced__contains=f" {scope} ")
    return found


def _concerns(dialect: DialectName, scope: str, kind: str) -> bool:
    if kind == "location" and scope in _OF_AGENCIES:
        return False
    kinds = _kinds(dialect).get(scope)
    return kinds is None or kind in kinds


@cache
def _kinds(dialect: DialectName) -> dict[str, set[str]]:
    """For each scope of the catalogue the kinds of tenants whose tokens can use it."""
    kinds: dict[str, set[str]] = {}
    for operation in catalogue(dialect).operations():
        for accepted in operation.credentials:
            for scope in accepted.scopes:
                kinds.setdefault(scope, set()).add(accepted.kind)
    return kinds
