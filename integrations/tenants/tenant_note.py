"""Model of the notes that operators write about a company or a location."""

from __future__ import annotations

from django.db import models

from integrations.core.sql.known_values import known_values
from integrations.core.tenant import Tenant, UserType

LONGEST = 2_000  # characters


class TenantNote(models.Model):
    """What an operator wants others to know of a tenant. It goes with the tenant's data when that is purged."""

    level = models.CharField("company or location", max_length=8, choices=UserType.choices)
    tenant_id = models.CharField("tenant", max_length=64, help_text="the location's or company's id")
    text = models.CharField("note", max_length=LONGEST)
    made_by = models.CharField("written by", max_length=160)
    created_at = models.DateTimeField("written")

    class Meta:
        constraints = known_values(level=UserType.values)
        indexes = [models.Index(fields=["tenant_id", "-id"], name="note_of_tenant")]
        verbose_name = "note on a tenant"
        verbose_name_plural = "notes on tenants"

    def __str__(self) -> str:
        return f"note {self.pk} on {self.tenant}"

    @property
    def tenant(self) -> Tenant:
        """The tenant as a value."""
        return Tenant(UserType(self.level), self.tenant_id)
