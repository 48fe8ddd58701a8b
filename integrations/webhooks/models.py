"""Models of the webhook inbox: events, each stored once, with their failed attempts; one mailbox per tenant; counts of
the responses.
"""

from __future__ import annotations

from datetime import datetime

from django.db import models

from integrations.core.sql.known_values import known_values
from integrations.tenants.models import App


class Mailbox(models.Model):
    """One tenant's queue of events. The lease lets one worker at a time drain it; `due_at` says when there is work."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="mailboxes")
    tenant = models.CharField(max_length=80, help_text="location:<id>, company:<id> or app")
    due_at = models.DateTimeField("next turn", null=True, blank=True, db_index=True)
    lease_owner = models.CharField("leased by", max_length=64, blank=True)
    lease_until = models.DateTimeField("leased until", null=True, blank=True)
    # After a worker died over it (`webhooks.settle.worker_died`).
    alone = models.PositiveSmallIntegerField(
        "events handled one at a time",
        default=0,
        db_default=0,
        help_text="how many of the next events are handled one at a time",
    )
    in_hand = models.BigIntegerField(
        "event handled now", null=True, blank=True, help_text="the event that a worker handles alone"
    )
    deaths = models.PositiveSmallIntegerField(
        "workers that died on it",
        default=0,
        db_default=0,
        help_text="workers that died while they handled that event alone",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "tenant"], name="one_mailbox_per_tenant")]
        verbose_name_plural = "mailboxes"

    def __str__(self) -> str:
        return f"{self.app} {self.tenant}"


class EventQuerySet(models.QuerySet["Event"]):
    """Changes of the status of events. Handled ones are marked by one statement (`webhooks.settle`)."""

    def replay(self, now: datetime) -> int:
        """Any status to pending, as they were received."""
        fields = {"attempts": 0, "due_at": now, "processed_at": None, "error_code": "", "error": ""}
        return self.update(status="pending", **fields)

    def try_later(self, attempts: int, error_code: str, error: str, *, due_at: datetime) -> int:
        """They stay pending: the attempt failed, and the next one is at `due_at`."""
        return self.update(attempts=attempts, error_code=error_code, error=error, due_at=due_at)

    def poison(self, attempts: int, error_code: str, error: str, *, now: datetime) -> int:
        """Pending to poisoned: the last attempt failed, too."""
        return self.update(status="poisoned", attempts=attempts, error_code=error_code, error=error, processed_at=now)

    def ignore_unhandled(self) -> int:
        """Pending and poisoned ones are never handled."""
        return self.filter(status__in=("pending", "poisoned")).update(status="ignored")


class Event(models.Model):
    """One webhook as it was received and verified. `payload` is the signed JSON.

    Every index is written twice per event, when it is stored and when it is settled, so there is no index more than
    needed.
    """

    class Status(models.TextChoices):
        """The processing status of an event."""

        PENDING = "pending", "pending"
        DONE = "done", "done"
        IGNORED = "ignored", "no handler"
        POISONED = "poisoned", "stepped aside after its retries"

    # The mailbox belongs to the same app and has the constraint. A second one here would lock the app's row for every
    # event.
    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="events", db_index=False, db_constraint=False)
    mailbox = models.ForeignKey(Mailbox, on_delete=models.PROTECT, related_name="events", db_index=False)
    webhook_id = models.CharField(max_length=100)
    type = models.CharField(max_length=80)
    occurred_at = models.DateTimeField("sent by HighLevel", help_text="the vendor's timestamp, for ordering")
    received_at = models.DateTimeField("received", db_index=True)
    payload = models.JSONField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField("next try")
    processed_at = models.DateTimeField("processed", null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.CharField(max_length=300, blank=True)
    # So that what handles the event belongs to the same trace (`core.observing.spans`).
    trace_parent = models.CharField(max_length=55, blank=True, default="", db_default="", editable=False)
    mac = models.BinaryField(null=True, editable=False)

    objects = EventQuerySet.as_manager()

    is_ours = False  # set by the mailbox, which reads what the MAC covers (`webhooks.event_mac`)

    class Meta:
        constraints = [
            *known_values(status=["pending", "done", "ignored", "poisoned"]),
            models.UniqueConstraint(fields=["app", "webhook_id"], name="each_webhook_once"),
        ]
        indexes = [
            models.Index(
                fields=["mailbox", "occurred_at", "id"],
                condition=models.Q(status="pending"),
                name="event_pending",
            ),
            # Queries of the pages: the oldest pending event, the poisoned ones, the latest of an app, tenant or type.
            models.Index(
                fields=["status", "received_at"],
                condition=models.Q(status__in=["pending", "poisoned"]),
                name="event_unsettled",
            ),
            models.Index(fields=["app", "received_at"], name="event_latest_of_app"),
            models.Index(fields=["mailbox", "received_at"], name="event_latest_of_tenant"),
            models.Index(fields=["type", "received_at"], name="event_latest_of_type"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.webhook_id}"


class FailedAttempt(models.Model):
    """One attempt to handle an event that failed: when, why, and when the next one is due. Attempts that succeed leave
    no row; the event itself says when it was handled.
    """

    # No constraint: processes of the release before delete events and do not know this table.
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="failed_attempts", db_constraint=False)
    number = models.PositiveIntegerField(help_text="counts from 1, and again from 1 when the event is processed again")
    at = models.DateTimeField("when", db_index=True)
    error_code = models.CharField(max_length=40)
    error = models.CharField(max_length=300, blank=True)
    # The database's default serves processes of the release before, which do not know the column.
    trace_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    vendor_answer = models.JSONField(
        "HighLevel's answer", null=True, blank=True, help_text="what HighLevel answered, redacted"
    )
    next_at = models.DateTimeField("next try", null=True, blank=True, help_text="empty: the event stepped aside")

    class Meta:
        indexes = [
            models.Index(fields=["trace_id"], condition=~models.Q(trace_id=""), name="failed_attempt_by_trace_id")
        ]
        verbose_name = "failed attempt of an event"
        verbose_name_plural = "failed attempts of events"

    def __str__(self) -> str:
        return f"attempt {self.number} of event {self.event_id}"


class Answers(models.Model):
    """Counts of one app's webhook responses on one day (UTC): a column per kind of response.

    The vendor judges a URL by its share of 2xx responses (FACTS 3.2); these are our own counts. `app` is empty for
    events of apps that are not here, and for refused requests to a URL that names no app of ours.
    """

    app = models.ForeignKey(App, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    day = models.DateField()
    stored = models.PositiveBigIntegerField(default=0)
    duplicate = models.PositiveBigIntegerField(default=0)
    not_here = models.PositiveBigIntegerField("200, for an app that is not here", default=0, db_default=0)
    unsigned = models.PositiveBigIntegerField("401, not signed by the vendor", default=0)
    malformed = models.PositiveBigIntegerField("400, malformed", default=0)
    too_large = models.PositiveBigIntegerField("413, too large", default=0)
    not_stored = models.PositiveBigIntegerField("429, could not be stored", default=0)
    failed = models.PositiveBigIntegerField("500, a fault of ours", default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "app"], name="one_line_of_answers_a_day", nulls_distinct=False)
        ]
        verbose_name = verbose_name_plural = "answers"

    def __str__(self) -> str:
        return f"{self.app or 'no app'} on {self.day}"
