"""Advice for a missing scope, attached to the error: the page where the account consents again or replaces its token.

A new consent can grant a scope only after the marketplace app lists it. The scopes that the app lacks are named
separately.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from integrations.core.errors import ScopeMissing
from integrations.highlevel.catalogue import Operation
from integrations.highlevel.catalogue.operation import Kind
from integrations.tenants.credential_kinds import abilities
from integrations.tokens.access_cache import AccessToken
from integrations.tokens.models import Credential, CredentialKey
from integrations.tokens.operators.reconnect_link import reconnect_url


@contextmanager
def advised(operation: Operation, key: CredentialKey, access: AccessToken) -> Iterator[None]:
    """Context manager that adds advice to a ScopeMissing raised inside the block, by the gateway or by the vendor.

    It adds `missing` scopes if they are known, `not_requested` (those of them to add to the app first) and
    `reconnect_url`, the page where the operator or account resolves it.
    """
    try:
        yield
    except ScopeMissing as error:
        row = Credential.objects.select_related("app").filter(pk=access.credential_id).first()
        lacking = frozenset(error.missing or _lacking(operation, key.tenant.kind, access.scopes))
        error.missing = tuple(sorted(lacking))
        if abilities(access.kind).renews:
            error.not_requested = tuple(sorted(lacking - key.app.scope_set))
        if row is not None:
            error.reconnect_url = reconnect_url(row)
        raise


def _lacking(operation: Operation, kind: Kind, granted: frozenset[str]) -> frozenset[str]:
    """The missing scopes of the alternative that lacks the fewest; empty when the vendor's files name none."""
    return min((scopes - granted for scopes in operation.scopes(kind)), key=len, default=frozenset())
