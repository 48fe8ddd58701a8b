"""Models of jobs: Schedule, Run, Trigger, Write, JobState.

Schedules (which job for which tenant, and when), runs, triggers (events that a job has to see), writes whose repetition
could do harm, and the state of each job (crashes, pause).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from integrations.core import masking
from integrations.core.runs.models import AbstractPlan, AbstractRun, run_constraints, run_indexes
from integrations.core.runs.querysets import PlanManager, RunManager
from integrations.core.sql.known_values import known_values
from integrations.core.tenant import Tenant, UserType
from integrations.jobs import run_mac
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App
from integrations.vault import row_macs
from integrations.webhooks.models import Event


class Schedule(AbstractPlan):
    """The plan to run one job for one tenant. It is written with its MACs (`jobs.macs`)."""

    not_due = {"due_at": None, "due_mac": None}

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="job_schedules")
    job = models.CharField(max_length=80)
    level = models.CharField("company or location", max_length=8, choices=UserType.choices)
    tenant_id = models.CharField("tenant", max_length=64, help_text="the location's or company's id")
    since = models.DateTimeField(null=True, blank=True, help_text="when the latest complete run was started")

    memory = models.JSONField(null=True, blank=True, help_text="what the job keeps between its runs")
    mac = models.BinaryField(null=True)
    due_mac = models.BinaryField(null=True)

    objects = PlanManager()

    class Meta:
        constraints = [
            *known_values(level=UserType.values),
            models.UniqueConstraint(
                fields=["app", "job", "level", "tenant_id"], name="one_schedule_per_job_and_tenant"
            ),
        ]
        verbose_name = "job schedule"

    def __str__(self) -> str:
        return f"{self.job} for {self.tenant_id}"

    @property
    def tenant(self) -> Tenant:
        """The tenant as a value."""
        return Tenant(UserType(self.level), self.tenant_id)


class Run(AbstractRun):
    """One execution of a job.

    The next turn continues at `checkpoint`; `page` is the rest of the page that the last turn was working on.
    """

    task = "jobs.advance"
    # A job's own code runs between two renewals, and one call with a token refresh before it may take 30 s.
    lease_term = timedelta(seconds=90)
    plan_field = "schedule"
    cleared_at_end = {"page": None}

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs")
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True)
    counts = models.JSONField(default=dict, help_text="what the job counted")
    note = models.CharField(max_length=300, blank=True, help_text="what the job has to say")
    checkpoint = models.JSONField(default=dict)
    page = models.JSONField(null=True, blank=True, help_text="emptied at the end")
    turns = models.PositiveIntegerField(default=0)
    # The database's default serves processes of the release before, which do not know the column.
    events = ArrayField(
        models.BigIntegerField(), default=list, db_default=[], help_text="keys of the latest webhooks that it saw"
    )
    mac = models.BinaryField(null=True)

    objects = RunManager()

    class Meta:
        constraints = run_constraints("schedule")
        indexes = [
            *run_indexes("schedule", prefix="job_"),
            models.Index(fields=["finished_at"], name="job_run_finished"),
            models.Index(fields=["schedule"], condition=models.Q(status="unknown"), name="job_run_unknown"),
        ]
        verbose_name = "job run"

    def __str__(self) -> str:
        return f"run {self.pk} of {self.schedule}"

    @cached_property
    def is_ours(self) -> bool:
        """Whether this application wrote what decides over the run, as it was when the row was read.

        Asked before the job's function sees the page: it may change what it gets of it.
        """
        self._page = run_mac.page_digest(self.page)
        return row_macs.fits(self.mac, self._mac_content(self.status, self.checkpoint))

    def with_mac(self, columns: dict[str, Any]) -> dict[str, Any]:
        """The columns with the MAC that goes with them. A run that is not ours gets none."""
        if not {"status", "checkpoint", "page"} & columns.keys() or not self.is_ours:
            return columns
        if "page" in columns:
            self._page = run_mac.page_digest(columns["page"])
        status, checkpoint = (columns.get(name, getattr(self, name)) for name in ("status", "checkpoint"))
        return {**columns, "mac": row_macs.mac(self._mac_content(status, checkpoint))}

    def _mac_content(self, status: str, checkpoint: Any) -> bytes:
        return run_mac.content(self.schedule_id, self.started_at, status, checkpoint, self._page)

    def keep(self, columns: dict[str, Any]) -> None:
        """Keep what was written: the next MAC covers it."""
        for name in {"status", "checkpoint"} & columns.keys():
            setattr(self, name, columns[name])


class TriggerQuerySet(models.QuerySet["Trigger"]):
    """Events of jobs: those that wait, and those that were set aside."""

    def waiting(self) -> TriggerQuerySet:
        """Events that a run is to see."""
        return self.filter(set_aside_at__isnull=True)

    def set_aside(self) -> TriggerQuerySet:
        """Events over which the job failed. No run sees them until an operator asks for it."""
        return self.filter(set_aside_at__isnull=False)


class Trigger(models.Model):
    """An event that a job has not seen: a webhook, or a change of the installation (`tenants.lifecycle_hooks`).

    Written together with the mark of the event; deleted once the job saw it.

    If the job fails over the event, it is set aside with the error: the job sees the events after it, and an operator
    lets the job see this one again. Other handlers of the event have nothing to do with it.
    """

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="triggers")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="+", null=True, blank=True)
    change = models.ForeignKey(InstallationChange, on_delete=models.CASCADE, related_name="+", null=True, blank=True)
    set_aside_at = models.DateTimeField("set aside", null=True, blank=True)
    # The database's defaults serve processes of the release before, which do not know the columns.
    error_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    error = models.CharField(max_length=300, blank=True, default="", db_default="")
    mac = models.BinaryField(null=True)

    objects = TriggerQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["schedule", "event"], name="each_event_once_per_schedule"),
            models.UniqueConstraint(fields=["schedule", "change"], name="each_change_once_per_schedule"),
            models.CheckConstraint(
                condition=models.Q(event__isnull=False, change__isnull=True)
                | models.Q(event__isnull=True, change__isnull=False),
                name="trigger_is_event_or_change",
            ),
            models.CheckConstraint(
                condition=models.Q(set_aside_at__isnull=False) | models.Q(error_code="", error=""),
                name="waiting_event_has_no_error",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-set_aside_at"], condition=models.Q(set_aside_at__isnull=False), name="job_event_set_aside"
            )
        ]
        verbose_name = "event of a job"
        verbose_name_plural = "events of jobs"

    def __str__(self) -> str:
        return f"event {self.reference} for schedule {self.schedule_id}"

    @property
    def type(self) -> str:
        """The webhook's type, or the name of the lifecycle event."""
        return self.event.type if self.event is not None else self._change.what

    @property
    def payload(self) -> dict[str, Any]:
        """What the job sees."""
        return self.event.payload if self.event is not None else self._change.payload

    @property
    def reference(self) -> str:
        """The webhookId, or the number of the change."""
        return self.event.webhook_id if self.event is not None else f"change {self._change.pk}"

    @property
    def received_at(self) -> datetime:
        """When the event came, or when the change was recorded."""
        return self.event.received_at if self.event is not None else self._change.recorded_at

    @property
    def _change(self) -> InstallationChange:
        assert self.change is not None, "a trigger has an event or a change"
        return self.change


class WriteQuerySet(models.QuerySet["Write"]):
    """Writes of jobs. A transition is one conditional UPDATE, and returns how many writes it changed."""

    def unsettled(self) -> WriteQuerySet:
        """Writes that may have happened or not. Those that are only `sent` may be under way at this moment."""
        return self.exclude(state="confirmed")

    def sent(self) -> WriteQuerySet:
        """Writes whose intent is committed, and of which nothing else is known."""
        return self.filter(state="sent")

    def unknown(self) -> WriteQuerySet:
        """Writes that wait for a person, or for the look-up of their job."""
        return self.filter(state="unknown")

    def confirm(self, answer: dict[str, Any], mac: bytes, now: datetime) -> int:
        """Unsettled to confirmed, with the answer and the MAC that covers it. The request is emptied."""
        fields = {"answer": answer, "settled_at": now, "request": {}, "reason": "", "mac": mac}
        return self.unsettled().update(state="confirmed", **fields)

    def lose(self, reason: str, now: datetime) -> int:
        """Sent to unknown: no answer came."""
        return self.sent().update(state="unknown", reason=reason, settled_at=now)

    def doubt(self, reason: str, now: datetime) -> int:
        """Any state to unknown: the stored answer is not of this application, and is emptied."""
        return self.update(state="unknown", reason=reason, answer=None, settled_at=now, mac=None)


class Write(models.Model):
    """A call of a job that changes something at the vendor, and whose repetition could do harm.

    The row is the intent: it is committed before the request leaves. Its answer confirms it; a refusal deletes it. The
    row of a plain call serves until the run's next checkpoint. That of `JobRun.once` has a `key` and no run, and stays.
    """

    PERSONAL: ClassVar[Mapping[str, masking.Masker]] = {
        "request": masking.body,
        "answer": masking.body,
        "key": masking.text,
        "reason": masking.text,
    }

    class State(models.TextChoices):
        """A write is sent until its answer is there."""

        SENT = "sent", "sent"
        CONFIRMED = "confirmed", "confirmed"
        UNKNOWN = "unknown", "unknown"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="writes")
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, related_name="writes", null=True, blank=True)
    trigger = models.ForeignKey(Trigger, on_delete=models.SET_NULL, related_name="writes", null=True, blank=True)
    key = models.CharField(max_length=200, blank=True, help_text="chosen by the job for what is sent once")
    operation = models.CharField(max_length=120)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of operation, parameters and body")
    number = models.PositiveIntegerField(default=0, help_text="in the order of the run")
    in_page = models.BooleanField(default=False, help_text="sent for a page of a listing or an item of it")
    request = models.JSONField(default=dict, help_text="parameters and body; emptied with the answer")
    state = models.CharField(max_length=10, choices=State.choices, default=State.SENT)
    reason = models.CharField(max_length=300, blank=True, help_text="why it is unknown")
    answer = models.JSONField(null=True, blank=True, help_text="status, json and trace id")
    sent_at = models.DateTimeField("sent")
    settled_at = models.DateTimeField("settled", null=True, blank=True)
    mac = models.BinaryField(null=True, help_text="of a confirmed write")

    objects = WriteQuerySet.as_manager()

    class Meta:
        constraints = [
            *known_values(state=["sent", "confirmed", "unknown"]),
            models.UniqueConstraint(
                fields=["schedule", "key"], condition=~models.Q(key=""), name="one_write_per_key_and_schedule"
            ),
            models.CheckConstraint(
                condition=models.Q(state="confirmed", answer__isnull=False, settled_at__isnull=False)
                | models.Q(state__in=["sent", "unknown"], answer__isnull=True),
                name="confirmed_write_has_answer",
            ),
        ]
        indexes = [
            models.Index(
                fields=["schedule"],
                condition=models.Q(key="") | ~models.Q(state="confirmed"),
                name="job_write_of_schedule",
            ),
            models.Index(fields=["-sent_at"], condition=~models.Q(state="confirmed"), name="job_write_unsettled"),
            models.Index(fields=["settled_at"], name="job_write_settled"),
        ]
        verbose_name = "write of a job"
        verbose_name_plural = "writes of jobs"

    def __str__(self) -> str:
        return f"{self.operation} {self.key}".strip()


class JobState(models.Model):
    """One job over all tenants: its crashes in a row, and whether it is paused. A paused job starts no turn."""

    job = models.CharField(max_length=80, primary_key=True)
    crashes = models.PositiveIntegerField(default=0, help_text="crashed runs in a row, of any tenant")
    paused_at = models.DateTimeField("paused", null=True, blank=True)
    paused_by = models.CharField(max_length=200, blank=True, help_text="empty: paused by itself after crashes")
    reason = models.CharField(max_length=300, blank=True)
    mac = models.BinaryField(null=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(paused_at__isnull=False) | models.Q(paused_by="", reason=""),
                name="reason_only_while_paused",
            )
        ]
        verbose_name = "job"

    def __str__(self) -> str:
        return self.job
