"""System check of the vault: keys that a person typed instead of drawing them at random."""

from __future__ import annotations

import base64
from typing import Any

from django.conf import settings
from django.core import checks

# A random key of 32 bytes has about 30 different ones; fewer than 16 happen once in 10**15 keys.
_FEWEST_BYTES = 16
_HINT = "Add one made by `openssl rand -base64 32`, put it first, and run manage.py vault rotate."


@checks.register("hlapp", deploy=True)
def keys_are_random(**_: Any) -> list[checks.CheckMessage]:
    """Warns of keys that are readable text or repeat a few bytes. Their form is checked when settings are read."""
    parted = (entry.partition(":") for entry in settings.VAULT_KEYS)
    weak = [key_id for key_id, _colon, encoded in parted if _is_weak(base64.b64decode(encoded))]
    return [
        checks.Warning(f"Key {key_id!r} of VAULT_KEYS is not random.", hint=_HINT, id="vault.W001") for key_id in weak
    ]


def _is_weak(key: bytes) -> bool:
    return len(set(key)) < _FEWEST_BYTES or (key.isascii() and key.decode().isprintable())
