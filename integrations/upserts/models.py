"""Models of bulk upserts: the upsert with its price, its runs, and one row for each record that it writes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from integrations.core import masking
from integrations.core.runs.models import AbstractPlan, AbstractRun, run_constraints, run_indexes
from integrations.core.runs.querysets import PlanManager, RunManager
from integrations.core.sql.known_values import known_values
from integrations.core.tenant import Tenant, UserType
from integrations.tenants.models import App
from integrations.upserts.row_queryset import UpsertRowQuerySet


class UpsertManager(PlanManager["Upsert"]):
    """Manager of upserts. Their phase changes together with the seal of their key (`upsert_key.move`)."""

    def save_phase(self, upsert: Upsert) -> None:
        """Store the phase of a locked upsert, its seal and what belongs to it."""
        upsert.save(update_fields=["phase", "sealed", "due_at", "started_at", "stopped_because"])

    def stop_without_key(self, ids: Collection[int], reason: str) -> None:
        """Stop upserts whose key is lost."""
        fields = {"phase": Upsert.Phase.STOPPED, "stopped_because": reason, "due_at": None}
        self.filter(pk__in=ids).update(sealed=None, **fields)


class Upsert(AbstractPlan):
    """Many records of one tenant that are written by one operation, each in a call of its own.

    Its rows are encrypted under its data key, which is sealed for its phase (`upsert_key`).
    """

    PERSONAL: ClassVar[Mapping[str, masking.Masker]] = {"name": masking.text}

    class Phase(models.TextChoices):
        """A draft is priced, then started. A stopped one sends nothing until it is resumed."""

        DRAFT = "draft", "not started"
        STARTED = "started", "started"
        STOPPED = "stopped", "stopped"

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="upserts")
    level = models.CharField("company or location", max_length=8, choices=UserType.choices)
    tenant_id = models.CharField("tenant", max_length=64, help_text="the location's or company's id")
    operation = models.CharField(max_length=200)
    version = models.CharField(max_length=20, blank=True)
    fields = ArrayField(models.CharField(max_length=200), default=list, help_text="the fields that the rows set")
    name = models.CharField(max_length=100, blank=True, help_text="what people call it, such as the file's name")
    sealed = models.BinaryField(null=True, editable=False)
    phase = models.CharField(max_length=8, choices=Phase.choices, default=Phase.DRAFT)
    price = models.JSONField(null=True, blank=True)
    priced_at = models.DateTimeField("priced", null=True, blank=True)
    started_at = models.DateTimeField("started", null=True, blank=True)
    stopped_because = models.CharField(max_length=200, blank=True)
    made_by = models.CharField(max_length=160)
    # The database's default serves processes of the release before, which do not know the column.
    made_in = models.CharField(
        "prepared in", max_length=40, blank=True, default="", db_default="", help_text="the run of the job that did it"
    )

    objects = UpsertManager()

    class Meta:
        """The permission to have the result files, and indexes by tenant and by the run that prepared it."""

        constraints = known_values(level=UserType.values, phase=["draft", "started", "stopped"])
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="upsert_of_tenant"),
            models.Index(fields=["made_in"], condition=~models.Q(made_in=""), name="upsert_by_run"),
        ]
        permissions = [("download_upsert", "May download the results of bulk upserts")]
        verbose_name = "bulk upsert"

    def __str__(self) -> str:
        return f"upsert {self.pk}"

    @property
    def tenant(self) -> Tenant:
        """The tenant as a value."""
        return Tenant(UserType(self.level), self.tenant_id)


class Run(AbstractRun):
    """One execution of an upsert, up to its last row or to what stopped it."""

    task = "upserts.advance"
    lease_term = timedelta(seconds=90)  # one call, with a token refresh before it, may take 30 s
    plan_field = "upsert"

    upsert = models.ForeignKey(Upsert, on_delete=models.CASCADE, related_name="runs")
    done = models.PositiveIntegerField(default=0, help_text="rows that this run wrote or found unchanged")

    objects = RunManager()

    class Meta:
        """The constraints and indexes of the engine."""

        constraints = run_constraints("upsert")
        indexes = run_indexes("upsert", prefix="upsert_")
        verbose_name = "run of a bulk upsert"
        verbose_name_plural = "runs of bulk upserts"

    def __str__(self) -> str:
        return f"run {self.pk} of {self.upsert}"


class UpsertRow(models.Model):
    """One record that is to be written, and what became of it. The row is also the intent: `sent` is committed before
    the request leaves. What it says is encrypted in `body` until it is settled, and then gone.
    """

    PERSONAL: ClassVar[Mapping[str, masking.Masker]] = {
        "error": masking.text,
        "vendor_message": masking.text,
        "vendor_answer": masking.body,
    }

    class State(models.TextChoices):
        """A row waits, is sent, then is done, refused or unknown. Unchanged and invalid ones are never sent."""

        WAITING = "waiting", "waiting"
        SENT = "sent", "sent"
        DONE = "done", "done"
        UNCHANGED = "unchanged", "unchanged"
        INVALID = "invalid", "invalid"
        REFUSED = "refused", "refused"
        UNKNOWN = "unknown", "unknown"

    upsert = models.ForeignKey(Upsert, on_delete=models.CASCADE, related_name="rows", db_index=False)
    number = models.PositiveIntegerField("row", help_text="in the file, from 1, without the line of names")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    body = models.TextField(blank=True, editable=False, help_text="parameters and body, encrypted")
    record_id = models.CharField(max_length=64, blank=True)
    created = models.BooleanField(
        "made a new record", null=True, help_text="whether HighLevel made a new one; empty: it did not say"
    )
    status = models.PositiveIntegerField("HTTP status", null=True, help_text="of the vendor's answer")
    error_code = models.CharField(max_length=40, blank=True)
    error = models.CharField(max_length=300, blank=True, help_text="why it was not written, or is unknown")
    vendor_message = models.CharField(max_length=300, blank=True, help_text="the vendor's own words")
    trace_id = models.CharField(max_length=64, blank=True)
    vendor_answer = models.JSONField(
        "HighLevel's answer", null=True, blank=True, help_text="what HighLevel answered, redacted"
    )
    times_sent = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField("sent", null=True, blank=True)
    looked_up_at = models.DateTimeField("looked up", null=True, blank=True)
    settled_at = models.DateTimeField("settled", null=True, blank=True)

    objects = UpsertRowQuerySet.as_manager()

    class Meta:
        """Each row once; a row that was sent has its moment, and a settled one has no content."""

        constraints = [
            *known_values(state=["waiting", "sent", "done", "unchanged", "invalid", "refused", "unknown"]),
            models.UniqueConstraint(fields=["upsert", "number"], name="each_upsert_row_once"),
            models.CheckConstraint(
                condition=~models.Q(state__in=["sent", "unknown"]) | models.Q(sent_at__isnull=False),
                name="sent_upsert_row_has_its_moment",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["waiting", "sent", "unknown"]) | models.Q(body=""),
                name="settled_upsert_row_is_empty",
            ),
        ]
        indexes = [
            models.Index(fields=["upsert", "state", "number"], name="upsert_row_by_state"),
            models.Index(fields=["settled_at"], condition=models.Q(state="unknown"), name="upsert_row_unknown"),
            models.Index(fields=["trace_id"], condition=~models.Q(trace_id=""), name="upsert_row_by_trace_id"),
            models.Index(fields=["record_id"], condition=~models.Q(record_id=""), name="upsert_row_by_record"),
        ]
        verbose_name = "row of a bulk upsert"
        verbose_name_plural = "rows of bulk upserts"

    def __str__(self) -> str:
        return f"row {self.number} of upsert {self.upsert_id}"
