"""Advice for a missing scope, attached to the error: which scope, and where the account or an operator adds it.

A new consent can grant a scope only after the marketplace app lists it. The scopes that the app lacks are named
separately. The scopes of an entered token are those of its private integration, which no consent changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from integrations.core.errors import ScopeMissing
from integrations.highlevel.catalogue import Operation
from integrations.highlevel.catalogue.operation import Kind
from integrations.tenants.credential_kinds import abilities
from integrations.tokens.access_cache import AccessToken
from integrations.tokens.admin_pages.reconnect_link import reconnect_url
from integrations.tokens.models import Credential, CredentialKey


@contextmanager
def advised(operation: Operation, key: CredentialKey, access: AccessToken) -> Iterator[None]:
    """Context manager that adds advice to a ScopeMissing raised inside the block, by the gateway or by the vendor.

    It adds `missing` scopes if they are known, `not_requested` (those of them to add to the app first) and
    `reconnect_url`, the page where the operator or account resolves it. The message names the scopes and who adds them.
    """
    try:
        yield
    except ScopeMissing as error:
        row = Credential.objects.select_related("app").filter(pk=access.credential_id).first()
        lacking = frozenset(error.missing or _lacking(operation, key.tenant.kind, access.scopes))
        error.missing = tuple(sorted(lacking))
        error.message = _message(operation, error.missing, access.kind)
        if abilities(access.kind).renews:
            error.not_requested = tuple(sorted(lacking - key.app.scope_set))
        if row is not None:
            error.reconnect_url = reconnect_url(row)
        raise


def _message(operation: Operation, missing: tuple[str, ...], kind: str) -> str:
    needs = f"needs the scope {', '.join(missing)}" if missing else "needs a scope that the token lacks"
    if abilities(kind).renews:
        return f"{operation.key} {needs}: add it to the app and let the account install again"
    return f"{operation.key} {needs}: add it to the private integration, in the account's settings at HighLevel"


def _lacking(operation: Operation, kind: Kind, granted: frozenset[str]) -> frozenset[str]:
    """The missing scopes of the alternative that lacks the fewest; empty when the vendor's files name none."""
    return min((scopes - granted for scopes in operation.scopes(kind)), key=len, default=frozenset())
