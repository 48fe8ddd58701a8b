"""Seals and opens the token columns of credentials; no other module opens them.

A pair is sealed under the next generation and bound to it, so an older pair never opens in its place.
"""

from __future__ import annotations

from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.tokens.models import Credential
from integrations.vault import columns
from integrations.vault.seal import Binding, seal, unseal

ACCESS, REFRESH, SPOOLED = "access_token", "refresh_token", "spooled"


def binding(row: Credential, field: str, generation: int) -> Binding:
    """What a sealed value is bound to: the row's identity, the field and the generation."""
    return Binding(owner=row.owner, field=field, generation=generation)


def sealed(row: Credential, field: str, token: Secret | None, generation: int) -> bytes | None:
    """The sealed token, bound to the given generation; None for None."""
    return None if token is None else seal(token, binding(row, field, generation))


def access_token(row: Credential) -> Secret:
    """The row's access token. Raises SealBroken."""
    return _opened(row, ACCESS, row.access_sealed)


def refresh_token(row: Credential) -> Secret:
    """The row's refresh token. Raises SealBroken."""
    return _opened(row, REFRESH, row.refresh_sealed)


def register() -> None:
    """Register the sealed columns with the vault, which counts and re-seals them."""
    needs = ("app_id", "user_type", "resource_id", "api", "generation")
    columns.register(
        columns.SealedColumn(Credential, "access_sealed", needs, lambda row: binding(row, ACCESS, row.generation)),
        columns.SealedColumn(Credential, "refresh_sealed", needs, lambda row: binding(row, REFRESH, row.generation)),
    )


def _opened(row: Credential, field: str, blob: bytes | memoryview | None) -> Secret:
    if blob is None:
        raise SealBroken(f"{row} holds no {field}", credential=row.pk)
    return unseal(bytes(blob), binding(row, field, row.generation))
