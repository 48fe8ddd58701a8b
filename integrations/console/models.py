"""Model `OperatorAlert`: a finding, and whether operators were alerted."""

from __future__ import annotations

from django.db import models


class OperatorAlert(models.Model):
    """A finding of the live checks for as long as it lasts, or is muted (`console.alerts`).

    `told_at` is when it was last sent to operators, None if it was not yet. `telling_until` is when another worker may
    tell it, because the one that does ended. A muted alert is sent to no channel until `muted_until`.
    """

    key = models.CharField(max_length=300, unique=True, help_text="the check and its page")
    level = models.CharField(max_length=10)
    found = models.CharField(max_length=500)
    fix = models.CharField(max_length=500, blank=True)
    link = models.CharField(max_length=300, blank=True)
    since = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)
    telling_until = models.DateTimeField(null=True, blank=True)
    muted_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["since", "pk"]

    def __str__(self) -> str:
        return f"{self.level}: {self.found}"
