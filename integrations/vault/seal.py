"""Sealing of secrets at rest with AES-256-GCM, bound to their row, field and generation, and to an address.

::

    version 1    1 | length of key id (1 byte) | key id | nonce (12) | ciphertext, tag
    version 2    2 | length of key id (1 byte) | key id | length of address (2) | address | nonce (12) | ciphertext, tag

The associated data is the header (everything before the nonce) and the `Binding`: owner, field and generation. A blob
that is copied to another row, field or generation therefore cannot be decrypted; Fernet and the field libraries bind
nothing, or the column only.

Version 2 is for secrets that are sent: the address in its header is the only base URL that the secret may go to. It is
authenticated like the rest of the header, so it cannot be changed, and a header of version 2 cannot be cut to version
1. Releases before version 2 sealed the same secrets without an address. Such a value opens for the address of its row,
until a refresh or `vault rotate` seals it for one (`resealed`).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, replace
from functools import lru_cache

from cryptography.exceptions import InvalidTag

from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.vault import keys
from integrations.vault.keys import KeyRing

_PLAIN, _ADDRESSED = 1, 2  # versions of the header
_NONCE_BYTES = 12
_length = struct.Struct(">I").pack
_secrets_inside = sensitive()


@dataclass(frozen=True, slots=True)
class Binding:
    """What a sealed secret is bound to. `owner` identifies the row by its subject, not by its primary key.

    `address` is the base URL that the secret may be sent to, empty for a secret that is sent nowhere.
    """

    owner: tuple[str, ...]
    field: str
    generation: int
    address: str = ""

    def encode(self) -> bytes:
        """Unambiguous bytes of all but the address, which the header has: every part is preceded by its length."""
        parts = (*self.owner, self.field, str(self.generation))
        return b"".join([_length(len(raw := part.encode())) + raw for part in parts])


def seal(secret: Secret, binding: Binding) -> bytes:
    """The sealed blob of `secret` under the ring's newest key. Raises SealBroken when the ring is not the right one."""
    ring = keys.ring()
    return seal_under(ring, ring.newest, secret, binding)


def unseal(blob: bytes | memoryview, binding: Binding) -> Secret:
    """The secret in `blob`. Raises SealBroken when the key is missing, or the blob was changed or moved."""
    return unseal_with(keys.ring(), blob, binding)


def seal_under(ring: KeyRing, key_id: str, secret: Secret, binding: Binding) -> bytes:
    """As `seal`, under the key that the caller names. Raises SealBroken when the ring lacks it."""
    header, cipher = _header(key_id, binding.address), ring.cipher(key_id)
    nonce = os.urandom(_NONCE_BYTES)
    with _secrets_inside:
        return header + nonce + cipher.encrypt(nonce, secret.reveal().encode(), header + binding.encode())


def unseal_with(ring: KeyRing, blob: bytes | memoryview, binding: Binding) -> Secret:
    """As `unseal`, with a ring that may not be proven yet."""
    blob = bytes(blob)
    version, key_id, address, end = _split(blob)
    if address != binding.address and (version == _ADDRESSED or not binding.address):
        raise _broken(binding, key_id, f"it was sealed for {address}, and the row has another address")
    nonce, body = blob[end : end + _NONCE_BYTES], blob[end + _NONCE_BYTES :]
    try:
        with _secrets_inside:
            return Secret(ring.cipher(key_id).decrypt(nonce, body, blob[:end] + binding.encode()).decode())
    except (InvalidTag, ValueError):
        raise _broken(binding, key_id, f"the key {key_id!r} is another one, or the value was moved") from None


def unseal_anywhere(ring: KeyRing, blob: bytes | memoryview, binding: Binding) -> Secret:
    """As `unseal_with`, for the address in the blob. For code that sends the secret nowhere: it re-seals or proves."""
    return unseal_with(ring, blob, _as_sealed(blob, binding))


def resealed(ring: KeyRing, blob: bytes | memoryview, binding: Binding) -> bytes:
    """The same secret sealed under the ring's newest key, for the address in the blob.

    A blob without an address gets the one of `binding`. Raises SealBroken as `unseal_with` does.
    """
    binding = _as_sealed(blob, binding)
    return seal_under(ring, ring.newest, unseal_with(ring, blob, binding), binding)


def _as_sealed(blob: bytes | memoryview, binding: Binding) -> Binding:
    address = address_of(blob)
    return binding if address in ("", binding.address) else replace(binding, address=address)


def _broken(binding: Binding, key_id: str, reason: str) -> SealBroken:
    owner = ":".join(binding.owner)
    return SealBroken(f"the sealed {binding.field} cannot be decrypted: {reason}", key_id=key_id, owner=owner)


def key_id_of(blob: bytes | memoryview) -> str:
    """The id of the key that sealed `blob`, without opening it."""
    return _split(bytes(blob))[1]


def address_of(blob: bytes | memoryview) -> str:
    """The address that `blob` was sealed for, empty for none. It is proven only when the blob opens."""
    return _split(bytes(blob))[2]


def is_under(blob: bytes | memoryview | None, key_id: str) -> bool:
    """Whether that key sealed `blob`; False for None and for a damaged blob."""
    try:
        return blob is not None and key_id_of(blob) == key_id
    except SealBroken:
        return False


@lru_cache(maxsize=32)
def beginnings(key_id: str, *, addressed: bool) -> tuple[bytes, ...]:
    """What blobs of this key begin with, all equally long; with `addressed` those that are sealed for an address."""
    raw = key_id.encode()
    versions = (_ADDRESSED,) if addressed else (_PLAIN, _ADDRESSED)
    return tuple(bytes((version, len(raw))) + raw for version in versions)


def _header(key_id: str, address: str) -> bytes:
    raw = key_id.encode()
    if not address:
        return bytes((_PLAIN, len(raw))) + raw
    to = address.encode()
    return bytes((_ADDRESSED, len(raw))) + raw + len(to).to_bytes(2, "big") + to


def _split(blob: bytes) -> tuple[int, str, str, int]:
    """Version, key id, address and offset of the nonce of a blob. Raises SealBroken when it has no header of ours.

    A plain tuple, because a named one takes as long as the rest of this function, and each opening comes through here.
    """
    version, length = (blob[0], blob[1]) if len(blob) > 1 else (0, 0)
    end, address = 2 + length, ""
    try:
        key_id = blob[2:end].decode()
        if version == _ADDRESSED:
            start = end + 2
            end = start + int.from_bytes(blob[end:start], "big")
            address = blob[start:end].decode()
    except UnicodeDecodeError:
        raise SealBroken("the sealed value is damaged: its header is not text") from None
    if version not in (_PLAIN, _ADDRESSED) or len(blob) < end + _NONCE_BYTES:
        raise SealBroken("the sealed value is damaged: it has no header of ours")
    return version, key_id, address, end
