"""Advice on a refused token, attached to the error: which scope is missing, and who adds it; what the files say.

A new consent can grant a scope only after the marketplace app lists it. The scopes that the app lacks are named
separately. The scopes of an entered token are those of its private integration, which no consent changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from integrations.core.errors import RequestRejected, ScopeMissing
from integrations.gateway.call_checks import lacking_scopes, token_remarks
from integrations.highlevel.catalogue import Operation
from integrations.tenants.credential_kinds import abilities
from integrations.tokens.access_cache import AccessToken
from integrations.tokens.admin_pages.reconnect_link import reconnect_url
from integrations.tokens.models import Credential, CredentialKey

_ABOUT_THE_TOKEN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@contextmanager
def advised(operation: Operation, key: CredentialKey, access: AccessToken) -> Iterator[None]:
    """Context manager that adds advice to the vendor's refusal of a token inside the block.

    A ScopeMissing gets the `missing` scopes that the vendor's files name, `not_requested` (those of them to add to the
    app first) and `reconnect_url`, the page where the operator or account resolves it; its message names the scopes and
    who adds them. Another 401 or 403 gets `remarks`: what the files have against the token.
    """
    try:
        yield
    except ScopeMissing as error:
        row = Credential.objects.select_related("app").filter(pk=access.credential_id).first()
        lacking = frozenset(error.missing or lacking_scopes(operation, key.tenant.kind, access.scopes))
        error.missing = tuple(sorted(lacking))
        error.message = _message(operation, error.missing, access.kind)
        if abilities(access.kind).renews:
            error.not_requested = tuple(sorted(lacking - key.app.scope_set))
        if row is not None:
            error.reconnect_url = reconnect_url(row)
        raise
    except RequestRejected as error:
        if error.vendor.status in _ABOUT_THE_TOKEN:
            said = token_remarks(operation, key.tenant.kind, credential=access.kind, granted=access.scopes)
            error.annotate(remarks=list(said) or None)
        raise


def _message(operation: Operation, missing: tuple[str, ...], kind: str) -> str:
    needs = f"needs the scope {', '.join(missing)}" if missing else "needs a scope that the token lacks"
    if abilities(kind).renews:
        return f"{operation.key} {needs}: add it to the app and let the account install again"
    return f"{operation.key} {needs}: add it to the private integration, in the account's settings at HighLevel"
