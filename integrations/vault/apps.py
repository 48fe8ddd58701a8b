from __future__ import annotations

from django.apps import AppConfig


class VaultConfig(AppConfig):
    name = "integrations.vault"
    label = "vault"

    def ready(self) -> None:
        from integrations.vault import keys, witness  # noqa: PLC0415 - models are not loaded before this

        keys.prove_with(witness.prove)
