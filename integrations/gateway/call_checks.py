"""Whom a call is for, and what the vendor's files have against its token.

Levels, kinds of tokens and scopes are wrong in the files as often as the rest (`highlevel.catalogue.remarks`), so they
forbid nothing: the vendor decides, and what the files say is a remark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.gateway.target import Target
from integrations.highlevel.catalogue import Operation
from integrations.highlevel.catalogue.operation import Kind
from integrations.tenants.models import App
from integrations.tokens import store
from integrations.tokens.models import Credential, CredentialKey

_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


def credential_key(
    operation: Operation, *, app: App, location: str | None, company: str | None, api: int = Credential.Api.TWO
) -> CredentialKey:
    """The credential of a call. Raises BadRequest unless exactly one of `location` and `company` is given."""
    return CredentialKey(app, tenant_of(operation.key, location=location, company=company), api)


def tenant_of(name: str, *, location: str | None, company: str | None) -> Tenant:
    """The tenant of a call. Raises BadRequest, with the `name` of the call, unless there is one with a valid id."""
    if bool(location) == bool(company):
        raise BadRequest(f"{name}: name either a location or a company")
    tenant = Tenant.location(location) if location else Tenant.company(company or "")
    if not _ID.fullmatch(tenant.id):
        raise BadRequest(f"{name}: {tenant.id[:64]!r} cannot be the id of a {tenant.kind}")
    return tenant


def remarks(wanted: Target, app: App, tenant: Tenant, params: Mapping[str, Any] | None, body: Any) -> list[str]:
    """All that the vendor's files have against a call before it is sent: its token, parameters and body."""
    row = store.find(CredentialKey(app, tenant, wanted.api))
    kind, granted = (row.kind, row.scope_set) if row is not None else ("", frozenset[str]())
    return [
        *token_remarks(wanted.operation, tenant.kind, credential=kind, granted=granted),
        *wanted.remarks(params, body, tenant.request_fields),
    ]


def token_remarks(operation: Operation, kind: Kind, *, credential: str, granted: frozenset[str]) -> Iterator[str]:
    """What the files have against a token of this level, kind of credential and scopes. Unknown ones are not judged."""
    if operation.kinds and kind not in operation.kinds:
        other = "company" if kind == "location" else "location"
        yield f"documented for the token of a {other}, not of a {kind}"
        return
    if credential == Credential.Kind.PRIVATE and operation.oauth_only(kind):
        yield "documented for an OAuth grant only, not for a private integration token"
    if granted and (lacking := lacking_scopes(operation, kind, granted)):
        yield f"documented to need the scope {', '.join(sorted(lacking))}, which the grant lacks"


def lacking_scopes(operation: Operation, kind: Kind, granted: frozenset[str]) -> frozenset[str]:
    """The missing scopes of the documented alternative that lacks the fewest; empty when the files name none."""
    return min((scopes - granted for scopes in operation.scopes(kind)), key=len, default=frozenset())
