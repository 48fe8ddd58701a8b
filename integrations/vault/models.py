"""Model of key witnesses: for each key id that this database has met, a constant sealed by that key. It has no key."""

from __future__ import annotations

from django.db import models


class Witness(models.Model):
    """A constant sealed by the key whose id it has. `vault.witness` writes it once and never changes it."""

    key_id = models.CharField(primary_key=True, max_length=32)
    sealed = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "witnesses"

    def __str__(self) -> str:
        return self.key_id
