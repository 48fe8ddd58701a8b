"""`AdaptiveChoice`: a table of the sync, which `models` imports."""

from __future__ import annotations

from django.db import models

from integrations.tenants.models import App


class AdaptiveChoice(models.Model):
    """Whether an app's intervals adapt, the bounds of each interval, and the calls that all of them may cost in a day.

    `planned_calls` are those of the intervals that were set last. They are more than `calls_per_day` only where the
    longest intervals already cost more.
    """

    app = models.OneToOneField(App, on_delete=models.CASCADE, primary_key=True, related_name="adaptive_choice")
    enabled = models.BooleanField()
    shortest = models.DurationField()
    longest = models.DurationField()
    calls_per_day = models.PositiveBigIntegerField(help_text="of all locations together")
    due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    computed_at = models.DateTimeField(null=True, blank=True)
    planned_calls = models.PositiveBigIntegerField(null=True, blank=True)
    mac = models.BinaryField(null=True)

    def __str__(self) -> str:
        return f"adaptive intervals: {'on' if self.enabled else 'off'}"
