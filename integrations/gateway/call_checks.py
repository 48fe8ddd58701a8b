"""Checks of a call before it costs a permit: tenant, credential, kind of token, scopes."""

from __future__ import annotations

import re

from integrations.core.errors import BadRequest, ScopeMissing
from integrations.core.tenant import Tenant
from integrations.highlevel.catalogue import Operation
from integrations.highlevel.catalogue.operation import Kind
from integrations.tenants.models import App
from integrations.tokens.models import Credential, CredentialKey

_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


def credential_key(
    operation: Operation, *, app: App, location: str | None, company: str | None, api: int = Credential.Api.TWO
) -> CredentialKey:
    """The credential of a call. Raises BadRequest unless exactly one of `location` and `company` is given, and the
    operation takes that kind of token."""
    tenant = tenant_of(operation.key, location=location, company=company)
    if operation.kinds and tenant.kind not in operation.kinds:
        other = "company" if tenant.kind == "location" else "location"
        raise BadRequest(
            f"{operation.key} needs the token of a {other}, not of a {tenant.kind}",
            operation=operation.key,
            reason="wrong_kind",
        )
    return CredentialKey(app, tenant, api)


def tenant_of(name: str, *, location: str | None, company: str | None) -> Tenant:
    """The tenant of a call. Raises BadRequest, with the `name` of the call, unless there is one with a valid id."""
    if bool(location) == bool(company):
        raise BadRequest(f"{name}: name either a location or a company")
    tenant = Tenant.location(location) if location else Tenant.company(company or "")
    if not _ID.fullmatch(tenant.id):
        raise BadRequest(f"{name}: {tenant.id[:64]!r} cannot be the id of a {tenant.kind}")
    return tenant


def check_kind(operation: Operation, kind: Kind, credential: str) -> None:
    """Raises BadRequest for a private integration token when the operation requires an OAuth grant."""
    if credential == Credential.Kind.PRIVATE and operation.oauth_only(kind):
        raise BadRequest(
            f"{operation.key} needs an OAuth grant: a private integration token cannot call it",
            operation=operation.key,
            reason="oauth_only",
        )


def check_scopes(operation: Operation, kind: Kind, granted: frozenset[str]) -> None:
    """Raises ScopeMissing when no alternative is granted as a whole. Unstated scopes are not guessed."""
    alternatives = [scopes for scopes in operation.scopes(kind) if scopes]
    if not alternatives or not granted or any(scopes <= granted for scopes in alternatives):
        return
    missing = min((sorted(scopes - granted) for scopes in alternatives), key=len)
    raise ScopeMissing(
        f"{operation.key} needs the scope {', '.join(missing)}",  # `consent` says who adds it
        operation=operation.key,
        missing=missing,
    )
