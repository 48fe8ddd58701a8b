"""Models of the jobs room: schedules (which job for which tenant, and when), runs, triggers (events that a job has to
see) and the state of each job (crashes, pause).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models

from integrations.core.runs.models import AbstractPlan, AbstractRun, run_constraints, run_indexes
from integrations.core.runs.querysets import PlanManager, RunManager
from integrations.core.tenant import UserType
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App
from integrations.webhooks.models import Event


class Schedule(AbstractPlan):
    """The plan to run one job for one tenant."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="job_schedules")
    job = models.CharField(max_length=80)
    level = models.CharField(max_length=8, choices=UserType.choices)
    tenant_id = models.CharField("tenant", max_length=64, help_text="the location's or company's id")
    since = models.DateTimeField(null=True, blank=True, help_text="when the latest complete run was started")

    objects = PlanManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app", "job", "level", "tenant_id"], name="one_schedule_per_job_and_tenant")
        ]
        verbose_name = "job schedule"

    def __str__(self) -> str:
        return f"{self.job} for {self.tenant_id}"


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

    objects = RunManager()

    class Meta:
        constraints = run_constraints("schedule")
        indexes = [
            *run_indexes("schedule", prefix="job_"),
            models.Index(fields=["finished_at"], name="job_run_finished"),
        ]
        verbose_name = "job run"

    def __str__(self) -> str:
        return f"run {self.pk} of {self.schedule}"


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
    set_aside_at = models.DateTimeField(null=True, blank=True)
    # The database's defaults serve processes of the release before, which do not know the columns.
    error_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    error = models.CharField(max_length=300, blank=True, default="", db_default="")

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


class JobState(models.Model):
    """One job over all tenants: its crashes in a row, and whether it is paused. A paused job starts no turn."""

    job = models.CharField(max_length=80, primary_key=True)
    crashes = models.PositiveIntegerField(default=0, help_text="crashed runs in a row, of any tenant")
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.CharField(max_length=200, blank=True, help_text="empty: paused by itself after crashes")
    reason = models.CharField(max_length=300, blank=True)

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
