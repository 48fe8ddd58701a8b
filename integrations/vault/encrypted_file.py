"""Files encrypted with a key of their own, in pieces: AES-256-GCM, for a stream that is read in order.

::

    "hlapp file 1\\n" | salt (16) | pieces: length of the ciphertext (4) | ciphertext, tag

Each file has its own key, which HKDF-SHA256 derives from the caller's key and the salt. The nonce of a piece is its
number and whether it is the last one, so a piece that was changed, moved, left out, or a file that was cut off, does
not open.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from integrations.core.errors import BadRequest, SealBroken
from integrations.core.secret import Secret
from integrations.core.sensitive import sensitive
from integrations.vault import keys

_MAGIC = b"hlapp file 1\n"
_SALT_BYTES, _LENGTH_BYTES, _TAG_BYTES = 16, 4, 16
LARGEST = 2 * 2**20  # bytes of a piece
_DAMAGED = "it was changed, or cut off"


def key_problem(text: str) -> str:
    """Why the text is no key, as the rest of a sentence; empty when it is one."""
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != keys.KEY_BYTES:
        return f"should be the base64 of {keys.KEY_BYTES} random bytes: openssl rand -base64 32 makes one"
    return "is not random: openssl rand -base64 32 makes a key" if keys.is_weak(f"key:{text}") else ""


class EncryptedWriter:
    """Writes pieces to `file`. The last one has to be named as such, or the file counts as cut off."""

    def __init__(self, file: IO[bytes], key: Secret) -> None:
        header = _MAGIC + os.urandom(_SALT_BYTES)
        self._file, self._header = file, header
        self._cipher = _cipher(key, header)
        self._number = 0
        file.write(header)

    def write(self, piece: bytes, *, is_last: bool = False) -> None:
        """Append a piece of at most `LARGEST` bytes."""
        with sensitive():
            blob = self._cipher.encrypt(_nonce(self._number, is_last=is_last), piece, self._header)
        self._number += 1
        self._file.write(len(blob).to_bytes(_LENGTH_BYTES, "big") + blob)


def pieces(file: IO[bytes], key: Secret) -> Iterator[bytes]:
    """The pieces of a file. Raises BadRequest for another kind of file, SealBroken when a piece does not open."""
    header = file.read(len(_MAGIC) + _SALT_BYTES)
    if not header.startswith(_MAGIC) or len(header) < len(_MAGIC) + _SALT_BYTES:
        raise BadRequest("the file is none that hlapp has encrypted")
    cipher, number, is_last = _cipher(key, header), 0, False
    while not is_last:
        blob = _next(file)
        piece = _opened(cipher, number, blob, header)
        is_last = piece is None
        if piece is None:
            piece = _opened(cipher, number, blob, header, is_last=True)
        if piece is None:
            raise SealBroken(f"the file does not open: {_DAMAGED if number else f'another key made it, or {_DAMAGED}'}")
        yield piece
        number += 1
    if file.read(1):
        raise SealBroken("the file does not open: something was appended to it")


def _next(file: IO[bytes]) -> bytes:
    length = int.from_bytes(file.read(_LENGTH_BYTES), "big")
    blob = file.read(length) if _TAG_BYTES <= length <= LARGEST + _TAG_BYTES else b""
    if not blob or len(blob) < length:
        raise SealBroken(f"the file does not open: {_DAMAGED}")
    return blob


def _opened(cipher: AESGCM, number: int, blob: bytes, header: bytes, *, is_last: bool = False) -> bytes | None:
    try:
        with sensitive():
            return cipher.decrypt(_nonce(number, is_last=is_last), blob, header)
    except InvalidTag:
        return None


def _cipher(key: Secret, header: bytes) -> AESGCM:
    with sensitive():
        root = base64.b64decode(key.reveal())
        salt = header[len(_MAGIC) :]
        return AESGCM(HKDF(SHA256(), keys.KEY_BYTES, salt=salt, info=b"hlapp: encrypted file").derive(root))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((is_last,))
