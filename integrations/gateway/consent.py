"""What to do about a missing scope, said with the error: where the account consents again, or a token is replaced.

A scope has to stand in the app before a new consent can grant it; the scopes that do not are named apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from integrations.core.errors import ScopeMissing
from integrations.highlevel.catalogue import Operation
from integrations.highlevel.catalogue.operation import Kind
from integrations.tokens.access.access_token import Access
from integrations.tokens.models import Credential, CredentialKey
from integrations.tokens.operators.reconnect_link import reconnect_url


@contextmanager
def advised(operation: Operation | None, key: CredentialKey, access: Access) -> Iterator[None]:
    """Adds to a ScopeMissing of the block, whoever found it: `missing` scopes if they are known, `not_requested`, those
    of them to add to the app first, and `reconnect_url`, the page that cures it."""
    try:
        yield
    except ScopeMissing as error:
        row = Credential.objects.select_related("app").filter(pk=access.credential_id).first()
        lacking = frozenset(error.missing or _lacking(operation, key.tenant.kind, access.scopes))
        error.missing = tuple(sorted(lacking))
        if access.kind == Credential.Kind.OAUTH:
            error.not_requested = tuple(sorted(lacking - key.app.scope_set))
        if row is not None:
            error.reconnect_url = reconnect_url(row)
        raise


def _lacking(operation: Operation | None, kind: Kind, granted: frozenset[str]) -> frozenset[str]:
    """Of the alternatives the one that lacks least; empty when the vendor's files name none."""
    alternatives = operation.scopes(kind) if operation is not None else ()
    return min((scopes - granted for scopes in alternatives), key=len, default=frozenset())
