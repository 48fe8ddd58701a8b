"""Models of the outbox: the outbox of a tenant, its entries (calls that the app wants made), and its runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q

from integrations.core import masking
from integrations.core.runs.models import AbstractPlan, AbstractRun, run_constraints, run_indexes
from integrations.core.runs.querysets import PlanManager, RunManager
from integrations.core.sql.known_values import known_values
from integrations.core.tenant import Tenant, UserType
from integrations.outbox.entry_queryset import EntryQuerySet
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App

LONGEST = 200  # characters of a key, and of an entity's name


class TenantOutbox(AbstractPlan):
    """The calls that wait for one tenant. `enabled` is false while an operator has paused it (`outbox_pauses`)."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="outboxes")
    level = models.CharField("company or location", max_length=8, choices=UserType.choices)
    tenant_id = models.CharField("tenant", max_length=64, help_text="the location's or company's id")
    mac = models.BinaryField(null=True, editable=False)

    objects = PlanManager()

    class Meta:
        constraints = [
            *known_values(level=UserType.values),
            models.UniqueConstraint(fields=["app", "level", "tenant_id"], name="one_outbox_per_tenant"),
        ]
        verbose_name = "outbox"
        verbose_name_plural = "outboxes"

    def __str__(self) -> str:
        return f"outbox of {self.tenant_id}"

    @property
    def tenant(self) -> Tenant:
        """The tenant as a value."""
        return Tenant(UserType(self.level), self.tenant_id)


class Run(AbstractRun):
    """One emptying of an outbox, as far as it can be emptied."""

    task = "outbox.advance"
    lease_term = timedelta(seconds=90)  # one call, with a token refresh before it, may take 30 s
    plan_field = "outbox"

    outbox = models.ForeignKey(TenantOutbox, on_delete=models.CASCADE, related_name="runs")
    done = models.PositiveIntegerField(default=0, help_text="entries that were sent")

    objects = RunManager()

    class Meta:
        constraints = run_constraints("outbox")
        indexes = run_indexes("outbox", prefix="outbox_")
        verbose_name = "outbox run"

    def __str__(self) -> str:
        return f"run {self.pk} of {self.outbox}"


class Entry(models.Model):
    """One call that the app wants made. Entries of one `entity` are sent in the order in which they were put.

    The row is also the intent: `sent` is committed before the request leaves. One whose fate is unknown, one that
    HighLevel rejected, and one whose record has changed hold the later entries of their entity until an operator
    decides.
    """

    PERSONAL: ClassVar[Mapping[str, masking.Masker]] = {
        "entity": masking.text,
        "key": masking.text,
        "params": masking.body,
        "body": masking.body,
        "answer": masking.body,
        "expected": masking.body,
        "found": masking.body,
        "error": masking.text,
        "vendor_answer": masking.body,
    }

    class State(models.TextChoices):
        """An entry waits, is sent, then is done, rejected or unknown. A conflict is never sent by itself: another entry
        has its key, or the record holds other values than were expected (`found`).
        """

        WAITING = "waiting", "waiting"
        SENT = "sent", "sent"
        DONE = "done", "done"
        UNKNOWN = "unknown", "unknown"
        REJECTED = "rejected", "rejected"
        CONFLICT = "conflict", "conflict"
        DISCARDED = "discarded", "discarded"

    outbox = models.ForeignKey(TenantOutbox, on_delete=models.CASCADE, related_name="entries")
    entity = models.CharField(max_length=LONGEST, help_text="what the call changes, such as a contact's id")
    key = models.CharField(max_length=LONGEST, help_text="the same key is sent once")
    operation = models.CharField(max_length=200)
    version = models.CharField(max_length=20, blank=True)
    lane = models.CharField(max_length=12, choices=[(lane.value, lane.value) for lane in Lane])
    params = models.JSONField(default=dict, help_text="emptied OUTBOX_REPLAY_DAYS after it is done")
    body = models.JSONField(null=True, blank=True, help_text="likewise")
    expected = models.JSONField(null=True, blank=True, help_text="fields of the record as the app knows them")
    found = models.JSONField(null=True, blank=True, help_text="the vendor's values of those that differ, if some do")
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of operation, version, parameters and body")
    sealed = models.BinaryField(null=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    answer = models.JSONField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.CharField(max_length=300, blank=True, help_text="why it was rejected, or why its fate is unknown")
    trace_id = models.CharField(max_length=64, blank=True)
    vendor_answer = models.JSONField(
        "HighLevel's answer", null=True, blank=True, help_text="what HighLevel answered, redacted"
    )
    # The database's default serves processes of the release before, which do not know the column.
    put_in = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text="the run or webhook whose work put it, if one did",
    )
    created_at = models.DateTimeField("put")
    sent_at = models.DateTimeField("sent", null=True, blank=True)
    settled_at = models.DateTimeField("settled", null=True, blank=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        constraints = [
            *known_values(
                lane=[lane.value for lane in Lane],
                state=["waiting", "sent", "done", "unknown", "rejected", "conflict", "discarded"],
            ),
            models.UniqueConstraint(
                fields=["outbox", "key"], condition=~Q(state="conflict"), name="one_entry_per_key_and_outbox"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "conflict", "discarded", "rejected", "done"])
                | Q(sent_at__isnull=False),
                name="sent_entry_has_its_moment",
            ),
        ]
        indexes = [
            models.Index(fields=["outbox", "id"], condition=Q(state="waiting"), name="outbox_entry_waiting"),
            models.Index(
                fields=["outbox", "entity", "id"],
                condition=Q(state__in=["sent", "unknown", "rejected"]),
                name="outbox_entry_holding",
            ),
            models.Index(
                fields=["outbox", "entity", "id"],
                condition=Q(state="conflict", found__isnull=False),
                name="outbox_entry_of_changed_record",
            ),
            models.Index(fields=["state", "id"], condition=~Q(state="done"), name="outbox_entry_open"),
            models.Index(fields=["settled_at"], name="outbox_entry_settled"),
            models.Index(
                fields=["settled_at"], condition=Q(state="done", sealed__isnull=False), name="outbox_entry_call_kept"
            ),
            models.Index(fields=["trace_id"], condition=~Q(trace_id=""), name="outbox_entry_by_trace_id"),
            models.Index(fields=["put_in"], condition=~Q(put_in=""), name="outbox_entry_by_put_in"),
        ]
        verbose_name = "outbox entry"
        verbose_name_plural = "outbox entries"

    def __str__(self) -> str:
        return f"{self.operation} ({self.key})"
