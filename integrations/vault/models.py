"""Models of the vault: check values of its keys, and the key of MACs over rows."""

from __future__ import annotations

from django.db import models
from django.db.models import Value


class KeyCheckValue(models.Model):
    """A constant sealed by the key whose id it has. `vault.key_checks` writes it once and never changes it."""

    key_id = models.CharField(primary_key=True, max_length=32)
    sealed = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "vault_witness"  # its name in earlier releases, which run beside this one during an upgrade

    def __str__(self) -> str:
        return self.key_id


class RowMacKey(models.Model):
    """The key of MACs over rows, sealed together with the end of the transition (`vault.row_macs`). One row.

    It notes as well what the last look at all rows found: how many do not fit, by table (`vault.signed_tables`).
    """

    sealed = models.BinaryField()
    created_at = models.DateTimeField()
    examined_at = models.DateTimeField(null=True)
    misfits = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))

    class Meta:
        verbose_name = "key of row MACs"
        verbose_name_plural = "keys of row MACs"

    def __str__(self) -> str:
        return "key of row MACs"
