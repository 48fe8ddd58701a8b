"""The audit trail's rows. `core.audit` writes them; nothing else does, and nothing ever changes one."""

from __future__ import annotations

from django.db import models


class AuditEntry(models.Model):
    """Who did what to which tenant, when. `hash` covers the entry and the one before it."""

    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=100, db_index=True)
    subject = models.CharField(max_length=200, db_index=True)
    detail = models.JSONField(default=dict)
    previous = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32, unique=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.subject}"
