"""The key ring: which keys exist, which one seals, and how `VAULT_KEYS` is read.

`VAULT_KEYS` is a comma separated list of `<key id>:<base64 of 32 bytes>`, newest first. The newest seals; all of them
open. A key id travels with every ciphertext, so a ring can grow while old rows wait for their re-sealing.

A new key comes in four steps, each finished on every machine before the next, so that no process ever meets a key id
it lacks: append it (`old,new`) and restart; put it first (`new,old`) and restart; `manage.py vault rotate`; drop the
old one once `manage.py vault status` says that it may be retired. An id is never given to another key.
`manage.py vault forget` deletes the values of a key that is lost for good.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from django.conf import settings

from integrations.core.errors import SealBroken
from integrations.core.sensitive import sensitive

KEY_BYTES = 32
# A random key of 32 bytes has about 30 different ones; fewer than 16 happen once in 10**15 keys.
_FEWEST_BYTES = 16
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_keys_inside = sensitive(texts=False)


@dataclass(frozen=True)
class KeyRing:
    """The deployment's keys: ciphers by key id. `newest` names the key that seals.

    `roots` are for keys with other purposes than encryption, which `mac_key` derives.
    """

    newest: str
    ciphers: dict[str, AESGCM]
    roots: dict[str, bytes] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.ciphers)})"

    def cipher(self, key_id: str) -> AESGCM:
        """The cipher of a key. Raises SealBroken, naming the key id, when the ring lacks it."""
        try:
            return self.ciphers[key_id]
        except KeyError:
            raise SealBroken(
                f"no key {key_id!r} in VAULT_KEYS: put the key back at the end of the list", key_id=key_id
            ) from None

    def mac_key(self, key_id: str, label: str) -> bytes | None:
        """The key of 32 bytes for MACs of one purpose, derived from the key of that id. None when the ring lacks it."""
        root = self.roots.get(key_id)
        return None if root is None else HKDFExpand(SHA256(), KEY_BYTES, label.encode()).derive(root)


def parse(entries: Iterable[str]) -> KeyRing:
    """The ring of `id:base64` entries, newest first. Raises ValueError that names the entry, never its key."""
    ciphers: dict[str, AESGCM] = {}
    roots: dict[str, bytes] = {}
    for number, entry in enumerate(entries, start=1):
        key_id, colon, encoded = entry.strip().partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ValueError(f"entry {number} is not <key id>:<base64 of {KEY_BYTES} bytes>")
        if key_id in ciphers:
            raise ValueError(f"key id {key_id!r} is listed twice")
        key = _decode(key_id, encoded)
        ciphers[key_id], roots[key_id] = AESGCM(key), _root(key)
    if not ciphers:
        raise ValueError("at least one key is needed")
    return KeyRing(newest=next(iter(ciphers)), ciphers=ciphers, roots=roots)


def is_weak(entry: str) -> bool:
    """Whether the key of an entry that parses is readable text, or repeats a few bytes: a person typed it."""
    key = base64.b64decode(entry.strip().partition(":")[2])
    return len(set(key)) < _FEWEST_BYTES or (key.isascii() and key.decode().isprintable())


def is_id(text: str) -> bool:
    """Whether the text is a valid key id."""
    return _KEY_ID.fullmatch(text) is not None


def ring() -> KeyRing:
    """The key ring of this deployment, proven by its check values. Raises SealBroken, each time, when a proof fails."""
    with _keys_inside:
        return _proven(tuple(settings.VAULT_KEYS))


def unproven() -> KeyRing:
    """The same ring without the proof, for the code that examines it."""
    with _keys_inside:
        return parse(settings.VAULT_KEYS)


def prove_with(proof: Callable[[KeyRing], None]) -> None:
    """Set the check that a ring has to pass before its first use.

    `VaultConfig.ready` calls this: settings import this module before models may be imported.
    """
    global _proof  # noqa: PLW0603 - set once a process
    _proof = proof
    _proven.cache_clear()


def _no_proof(_: KeyRing) -> None:
    """The check until Django is set up: without a database there is nothing to compare with."""


_proof: Callable[[KeyRing], None] = _no_proof


@lru_cache(maxsize=4)
def _proven(entries: tuple[str, ...]) -> KeyRing:
    """Exceptions are not cached: a ring that failed, or could not be proven, is checked again."""
    found = parse(entries)
    _proof(found)
    return found


def _root(key: bytes) -> bytes:
    """What other keys are derived from (RFC 5869). The key itself encrypts, and nothing else."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"hlapp: root of derived keys").derive(key)


def _decode(key_id: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"key {key_id!r} is not the base64 of {KEY_BYTES} bytes")
    return key
