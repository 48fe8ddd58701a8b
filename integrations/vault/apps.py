"""Django app of the vault: seals secrets, and proves its keys before their first use."""

from __future__ import annotations

from django.apps import AppConfig

from integrations.core import audit_seals


class VaultConfig(AppConfig):
    """App config of the room `vault`."""

    name = "integrations.vault"
    label = "vault"
    verbose_name = "Vault"

    def ready(self) -> None:
        """Make the key ring prove itself by its check values. Supply the audit trail and the MACs of rows with keys."""
        from integrations.vault import derived_keys, key_checks, keys, row_macs  # noqa: PLC0415 - models are not loaded yet

        keys.prove_with(key_checks.prove)
        audit_seals.set_sealer(derived_keys.AuditSealer())
        row_macs.register()
