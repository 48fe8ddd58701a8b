"""Seals and opens the token columns of credentials; no other module opens them.

A pair is sealed under the next generation and bound to it, so an older pair never opens in its place. It is also sealed
for the address of the app's API: in a row with another address it cannot be decrypted.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from django.conf import settings

from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.tokens.models import Credential
from integrations.vault import columns
from integrations.vault.seal import Binding, address_of, seal, unseal

ACCESS, REFRESH, SPOOLED = "access_token", "refresh_token", "spooled"


def binding(row: Credential, field: str, generation: int) -> Binding:
    """What a sealed value is bound to: the row's identity, the field, the generation, and the address of its API."""
    return Binding(owner=row.owner, field=field, generation=generation, address=address(row))


def address(row: Credential) -> str:
    """The base URL that the row's tokens are sent to."""
    return str(settings.HIGHLEVEL_API_1_URL if row.api == Credential.Api.ONE else row.app.api_url)


def sealed(row: Credential, field: str, token: Secret | None, generation: int) -> bytes | None:
    """The sealed token, bound to the given generation; None for None."""
    return None if token is None else seal(token, binding(row, field, generation))


def access_token(row: Credential) -> Secret:
    """The row's access token. Raises SealBroken."""
    return _opened(row, ACCESS, row.access_sealed)


def refresh_token(row: Credential) -> Secret:
    """The row's refresh token. Raises SealBroken."""
    return _opened(row, REFRESH, row.refresh_sealed)


def opened(app: App, blob: bytes | memoryview, bound: Binding) -> Secret:
    """The secret in `blob`, for the address in `bound`. Raises SealBroken.

    A secret that was sealed for another address opens after an operator, or the environment, has moved the app: the
    client secret, entered together with the new address, proves it. A changed row proves nothing. API 1.0's address is
    the environment's alone.
    """
    sealed_for = address_of(blob)
    moved = sealed_for not in ("", bound.address)
    if moved and (bound.address != app.api_url or marketplace.has_proven_address(app)):
        bound = replace(bound, address=sealed_for)
    return unseal(blob, bound)


def register() -> None:
    """Register the sealed columns with the vault, which counts and re-seals them."""
    needs = ("app_id", "app__api_url", "user_type", "resource_id", "api", "generation")
    columns.register(
        *(
            columns.SealedColumn(
                Credential, column, needs, partial(_column_binding, field), is_sent=True, joins=("app",)
            )
            for column, field in (("access_sealed", ACCESS), ("refresh_sealed", REFRESH))
        )
    )


def _column_binding(field: str, row: Credential) -> Binding:
    return binding(row, field, row.generation)


def _opened(row: Credential, field: str, blob: bytes | memoryview | None) -> Secret:
    if blob is None:
        raise SealBroken(f"{row} holds no {field}", credential=row.pk)
    return opened(row.app, blob, binding(row, field, row.generation))
