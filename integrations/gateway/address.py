"""Which token an operation is called with, and whether it may be, before a permit is spent on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from integrations.core.errors import BadRequest, ScopeMissing
from integrations.highlevel.catalogue import Operation
from integrations.highlevel.catalogue.operation import Kind
from integrations.tenants.models import App
from integrations.tokens import store
from integrations.tokens.models import Credential
from integrations.tokens.store import Holder

_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """The tenant a call is for. `tenant` fills the operation's own locationId or companyId."""

    holder: Holder
    kind: Kind
    tenant: Mapping[str, str]


def address(operation: Operation, *, app: App, location: str | None, company: str | None) -> Address:
    """Exactly one of `location` and `company` is given, and the operation has to take that kind of token."""
    kind, tenant = whose(operation.key, location=location, company=company)
    if operation.kinds and kind not in operation.kinds:
        other = "company" if kind == "location" else "location"
        raise BadRequest(f"{operation.key} takes the token of a {other}, not of a {kind}", operation=operation.key)
    if kind == "location":
        return Address(store.location(app, tenant), kind, {"locationId": tenant})
    return Address(store.company(app, tenant), kind, {"companyId": tenant})


def whose(name: str, *, location: str | None, company: str | None) -> tuple[Kind, str]:
    """The tenant's kind and id. Raises BadRequest, with the `name` of the call, unless it is one that can be."""
    if bool(location) == bool(company):
        raise BadRequest(f"{name}: say for which location or for which company, one of the two")
    kind: Kind = "location" if location else "company"
    tenant = location or company or ""
    if not _ID.fullmatch(tenant):
        raise BadRequest(f"{name}: {tenant[:64]!r} cannot be the id of a {kind}")
    return kind, tenant


def check_kind(operation: Operation, kind: Kind, credential: str) -> None:
    """Raises BadRequest for an operation that wants an OAuth grant and would get a private integration token."""
    if credential == Credential.Kind.PRIVATE and operation.oauth_only(kind):
        raise BadRequest(
            f"{operation.key} takes an OAuth grant only: with a private integration token it cannot be called",
            operation=operation.key,
        )


def check_scopes(operation: Operation, kind: Kind, granted: frozenset[str]) -> None:
    """Raises ScopeMissing when no alternative is granted as a whole. Scopes nobody stated are not guessed."""
    alternatives = [scopes for scopes in operation.scopes(kind) if scopes]
    if not alternatives or not granted or any(scopes <= granted for scopes in alternatives):
        return
    missing = min((sorted(scopes - granted) for scopes in alternatives), key=len)
    raise ScopeMissing(
        f"{operation.key} needs the scope {', '.join(missing)}: add it to the app and let the account install again",
        operation=operation.key,
        missing=missing,
    )
