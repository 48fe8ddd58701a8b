"""Model of key check values: for each key id that this database has met, a constant sealed by that key."""

from __future__ import annotations

from django.db import models


class KeyCheckValue(models.Model):
    """A constant sealed by the key whose id it has. `vault.key_checks` writes it once and never changes it."""

    key_id = models.CharField(primary_key=True, max_length=32)
    sealed = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "vault_witness"  # its name in earlier releases, which run beside this one during an upgrade

    def __str__(self) -> str:
        return self.key_id
