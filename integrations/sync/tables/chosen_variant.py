"""`ChosenVariant`: a further listing of a resource that an operator chose, with filters and an interval of its own."""

from __future__ import annotations

from django.db import models
from django.db.models import Value

from integrations.tenants.models import App


class ChosenVariant(models.Model):
    """A variant of a resource: in all tenants of an app, or in one of them, whose choice then counts there.

    `location_id` is empty for all, else the id of the location or company. Of a variant that is not `enabled` there is
    no plan. Each tenant has a plan for each variant (`Plan.variant`), so one waits for no other.
    """

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="chosen_variants")
    location_id = models.CharField("tenant id", max_length=64, blank=True)
    resource = models.CharField(max_length=40)
    name = models.CharField(max_length=40)
    enabled = models.BooleanField(default=True, db_default=True)
    every = models.DurationField(null=True, blank=True, help_text="the wait between two runs; empty: the resource's")
    filters = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    mac = models.BinaryField(null=True)

    class Meta:
        """One choice per variant, of the app and of each tenant."""

        constraints = [
            models.UniqueConstraint(fields=["app", "location_id", "resource", "name"], name="one_choice_per_variant")
        ]

    def __str__(self) -> str:
        return f"{self.resource} ({self.name})"
