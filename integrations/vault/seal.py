"""Sealing of secrets at rest with AES-256-GCM, bound to their row, field and generation.

Blob: version (1 byte) | length of key id (1) | key id | nonce (12) | ciphertext and tag. The associated data is the
blob's own header and the `Binding`: owner, field and generation. A blob that is copied to another row, field or
generation therefore does not open; Fernet and the field libraries bind nothing, or the column only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag

from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.vault import keys
from integrations.vault.keys import KeyRing

_VERSION = 1
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Binding:
    """What a sealed secret is bound to. `owner` identifies the row by its subject, not by its primary key."""

    owner: tuple[str, ...]
    field: str
    generation: int

    def encode(self) -> bytes:
        """Unambiguous bytes: every part is preceded by its length."""
        parts = [*self.owner, self.field, str(self.generation)]
        return b"".join(len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts))


def seal(secret: Secret, binding: Binding) -> bytes:
    """The sealed blob of `secret` under the ring's newest key. Raises SealBroken when the ring is not the right one."""
    ring = keys.ring()
    return seal_under(ring, ring.newest, secret, binding)


def unseal(blob: bytes | memoryview, binding: Binding) -> Secret:
    """The secret in `blob`. Raises SealBroken when the key is missing, or the blob was changed or moved."""
    return unseal_with(keys.ring(), blob, binding)


def seal_under(ring: KeyRing, key_id: str, secret: Secret, binding: Binding) -> bytes:
    """As `seal`, under the key that the caller names. Raises SealBroken when the ring lacks it."""
    header = _header(key_id)
    nonce = os.urandom(_NONCE_BYTES)
    text = secret.reveal().encode()
    return header + nonce + ring.cipher(key_id).encrypt(nonce, text, header + binding.encode())


def unseal_with(ring: KeyRing, blob: bytes | memoryview, binding: Binding) -> Secret:
    """As `unseal`, with a ring that may not be proven yet."""
    blob = bytes(blob)
    key_id, end = _split(blob)
    nonce, body = blob[end : end + _NONCE_BYTES], blob[end + _NONCE_BYTES :]
    try:
        text = ring.cipher(key_id).decrypt(nonce, body, blob[:end] + binding.encode())
    except (InvalidTag, ValueError):
        raise SealBroken(
            f"the sealed {binding.field} does not open: the key {key_id!r} is another one, or the value was moved",
            key_id=key_id,
            owner=":".join(binding.owner),
        ) from None
    return Secret(text.decode())


def key_id_of(blob: bytes | memoryview) -> str:
    """The id of the key that sealed `blob`, without opening it."""
    return _split(bytes(blob))[0]


def is_under(blob: bytes | memoryview | None, key_id: str) -> bool:
    """Whether that key sealed `blob`; False for None and for a damaged blob."""
    try:
        return blob is not None and key_id_of(blob) == key_id
    except SealBroken:
        return False


def _header(key_id: str) -> bytes:
    raw = key_id.encode()
    return bytes((_VERSION, len(raw))) + raw


def _split(blob: bytes) -> tuple[str, int]:
    """The key id and the offset where the nonce starts."""
    end = 2 + blob[1] if len(blob) > 1 else 0
    if not blob or blob[0] != _VERSION or len(blob) < end + _NONCE_BYTES:
        raise SealBroken("the sealed value is damaged: it has no header of ours")
    try:
        return blob[2:end].decode(), end
    except UnicodeDecodeError:
        raise SealBroken("the sealed value is damaged: its key id is not text") from None
