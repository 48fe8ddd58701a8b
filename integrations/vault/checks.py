"""System check of the vault: keys that a person typed instead of drawing them at random."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core import checks

from integrations.vault import keys

_HINT = "Add one made by `openssl rand -base64 32`, put it first, and run manage.py vault rotate."


@checks.register("hlapp", deploy=True)
def keys_are_random(**_: Any) -> list[checks.CheckMessage]:
    """Warns of keys that are not random. Production does not start while the newest one is weak (`hlapp.settings`)."""
    weak = [entry.partition(":")[0] for entry in settings.VAULT_KEYS if keys.is_weak(entry)]
    return [
        checks.Warning(f"Key {key_id!r} of VAULT_KEYS is not random.", hint=_HINT, id="vault.W001") for key_id in weak
    ]
