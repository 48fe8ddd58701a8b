"""Model of the history of installations: one row per change, which is also what lifecycle hooks are called for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.db import models

from integrations.core import masking
from integrations.core.sql.known_values import known_values


class InstallationChange(models.Model):
    """One change of an installation: what, when, the value before and after, and the webhook that said so.

    The row is written in the transaction of the change. `due_at` is set while functions have to be called for it
    (`tenants.lifecycle_hooks`); `delivered` names those that were.
    """

    PERSONAL: ClassVar[Mapping[str, masking.Masker]] = {
        "old": masking.details,
        "new": masking.details,
        "error": masking.text,
    }

    class What(models.TextChoices):
        """What changed. The values are the names of the lifecycle events, for `on=` and `lifecycle_hooks.on`."""

        INSTALLED = "installed", "installed"
        CLAIMED = "claimed", "claimed"
        UPDATED = "updated", "app version"
        SCOPES = "scopes_changed", "scopes"
        DISCONNECTED = "disconnected", "disconnected"
        RECONNECTED = "reconnected", "reconnected"
        UNINSTALLED = "uninstalled", "uninstalled"
        SYNCED = "first_sync_complete", "first sync complete"
        PLAN = "plan_changed", "plan"
        TRIAL = "trial_changed", "trial"
        WHITE_LABEL = "white_label_changed", "white label"
        RENAMED = "renamed", "name"
        MOVED = "moved", "company"
        EXTERNAL_AUTH = "external_auth_connected", "external account connected"
        PAYMENT = "payment_status_changed", "payment status"
        CONSENT = "consent_asked", "answer to a consent link"

    installation = models.ForeignKey("tenants.Installation", on_delete=models.CASCADE, related_name="changes")
    generation = models.PositiveIntegerField(help_text="of the installation: a new install begins a new one")
    what = models.CharField(max_length=24, choices=What.choices)
    at = models.DateTimeField("when", help_text="the vendor's time of an event, ours of anything else")
    old = models.JSONField(null=True, blank=True)
    new = models.JSONField(null=True, blank=True)
    event_id = models.CharField("webhook id", max_length=100, blank=True, help_text="of the webhook that said so")
    recorded_at = models.DateTimeField("recorded")
    due_at = models.DateTimeField(
        "next call of its hooks", null=True, blank=True, help_text="while functions are to be called for it"
    )
    delivered = models.JSONField(default=list, help_text="the functions that were called for it")
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True, help_text="why a function failed")
    mac = models.BinaryField(null=True, editable=False)

    class Meta:
        constraints = known_values(
            what=[
                "installed",
                "claimed",
                "updated",
                "scopes_changed",
                "disconnected",
                "reconnected",
                "uninstalled",
                "first_sync_complete",
                "plan_changed",
                "trial_changed",
                "white_label_changed",
                "renamed",
                "moved",
                "external_auth_connected",
                "payment_status_changed",
                "consent_asked",
            ]
        )
        indexes = [
            models.Index(fields=["installation", "-id"], name="change_of_installation"),
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="change_due"),
            models.Index(fields=["installation"], condition=models.Q(due_at__isnull=False), name="change_waiting"),
        ]
        verbose_name = "change of an installation"
        verbose_name_plural = "changes of installations"

    def __str__(self) -> str:
        return f"{self.get_what_display()} of {self.installation}"

    @property
    def payload(self) -> dict[str, object]:
        """The change as a job sees it: flat, like a webhook."""
        row = self.installation
        return {
            "type": self.what,
            **row.tenant.request_fields,
            **({"companyId": row.company_id} if row.company_id else {}),
            "timestamp": self.at.isoformat(),
            "webhookId": self.event_id,
            "old": self.old,
            "new": self.new,
        }
