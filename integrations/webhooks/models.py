"""The inbox: every event once, and one mailbox per tenant that is worked through in order."""

from __future__ import annotations

from django.db import models

from integrations.tenants.models import App


class Mailbox(models.Model):
    """One tenant's queue. The lease makes one worker at a time its reader; `due_at` says when there is work."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="mailboxes")
    tenant = models.CharField(max_length=80, help_text="location:<id>, company:<id> or app")
    due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "tenant"], name="one_mailbox_per_tenant")]
        verbose_name_plural = "mailboxes"

    def __str__(self) -> str:
        return f"{self.app} {self.tenant}"


class Event(models.Model):
    """One webhook as it was received and verified. `payload` is the signed JSON."""

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        DONE = "done", "done"
        IGNORED = "ignored", "no handler"
        POISONED = "poisoned", "stepped aside after its retries"

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="events")
    mailbox = models.ForeignKey(Mailbox, on_delete=models.PROTECT, related_name="events")
    webhook_id = models.CharField(max_length=100)
    type = models.CharField(max_length=80, db_index=True)
    occurred_at = models.DateTimeField(help_text="the vendor's timestamp, for ordering")
    received_at = models.DateTimeField(db_index=True)
    payload = models.JSONField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "webhook_id"], name="each_webhook_once")]
        indexes = [
            models.Index(
                fields=["mailbox", "occurred_at", "id"],
                condition=models.Q(status="pending"),
                name="event_pending",
            ),
            # What the pages ask: the oldest pending event, the poisoned ones, an app's latest.
            models.Index(
                fields=["status", "received_at"],
                condition=models.Q(status__in=["pending", "poisoned"]),
                name="event_unsettled",
            ),
            models.Index(fields=["app", "received_at"], name="event_latest_of_app"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.webhook_id}"
