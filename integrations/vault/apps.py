"""Django app of the vault: seals secrets, and proves its keys before their first use."""

from __future__ import annotations

from django.apps import AppConfig


class VaultConfig(AppConfig):
    """App config of the room `vault`."""

    name = "integrations.vault"
    label = "vault"

    def ready(self) -> None:
        """Make the key ring prove itself by its witnesses."""
        from integrations.vault import keys, witness  # noqa: PLC0415 - models are not loaded before this

        keys.prove_with(witness.prove)
