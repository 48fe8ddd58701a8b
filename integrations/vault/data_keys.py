"""Data keys: a key for a part of the data, which the vault seals like any other secret (envelope encryption).

So a rotation re-seals data keys and not the data, and who deletes a data key makes unreadable what it encrypted. Values
are encrypted with AES-SIV (RFC 5297), bound to their place. It is deterministic: the same value in the same place gives
the same text, so that a comparison in the database shows whether a value has changed. That is all it shows.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive

_BITS = 512


def new_key() -> Secret:
    """A new data key, as text. The caller has it sealed by the vault."""
    with sensitive():
        return Secret(base64.b64encode(AESSIV.generate_key(_BITS)).decode())


def encrypt(key: Secret, text: str, place: Sequence[str]) -> str:
    """The text, encrypted for this place (such as table, row and field), in base64."""
    with sensitive():
        return base64.b64encode(_cipher(key).encrypt(text.encode(), _bound(place))).decode()


def decrypt(key: Secret, encrypted: str, place: Sequence[str]) -> str:
    """The text again. Raises SealBroken when it was changed or moved, or another key encrypted it."""
    try:
        with sensitive():
            return _cipher(key).decrypt(base64.b64decode(encrypted, validate=True), _bound(place)).decode()
    except (InvalidTag, binascii.Error, ValueError):
        raise SealBroken(f"an encrypted value of {place[0]} does not open: it was changed or moved") from None


def _cipher(key: Secret) -> AESSIV:
    return AESSIV(base64.b64decode(key.reveal()))


def _bound(place: Sequence[str]) -> list[bytes]:
    return [part.encode() for part in place]
