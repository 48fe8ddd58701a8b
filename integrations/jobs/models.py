"""Schedules (which job for whom, and when next), runs (one execution, over as many turns as it takes) and triggers."""

from __future__ import annotations

from django.db import models

from integrations.core.leases import NOT_COMPLETE
from integrations.tenants.models import App, UserType
from integrations.webhooks.models import Event


class Schedule(models.Model):
    """One job of one tenant. `due_at`: when the next run starts; empty while nothing is planned or one is under way."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="job_schedules")
    job = models.CharField(max_length=80)
    level = models.CharField(max_length=8, choices=UserType.choices)
    tenant_id = models.CharField("tenant", max_length=64, help_text="the location's or company's id")
    enabled = models.BooleanField(default=True)
    due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    since = models.DateTimeField(null=True, blank=True, help_text="when the latest complete run was started")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app", "job", "level", "tenant_id"], name="one_schedule_per_job_and_tenant")
        ]
        verbose_name = "job schedule"

    def __str__(self) -> str:
        return f"{self.job} for {self.tenant_id}"


class Run(models.Model):
    """One execution. `checkpoint` is where the next turn goes on, `page` what the last one left of a page in hand."""

    class Status(models.TextChoices):
        RUNNING = "running", "running"
        COMPLETE = "complete", "complete"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True)
    counts = models.JSONField(default=dict, help_text="what the job counted")
    note = models.CharField(max_length=300, blank=True, help_text="what the job has to say")
    checkpoint = models.JSONField(default=dict)
    page = models.JSONField(null=True, blank=True, help_text="emptied at the end")
    turns = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(help_text="when the next turn may begin")
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="failures in a row at this place")
    error_code = models.CharField(max_length=40, blank=True)
    error = models.CharField(max_length=300, blank=True)
    trace_id = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["schedule"], condition=models.Q(status="running"), name="one_running_run_per_schedule"
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(status="running"), name="job_run_due"),
            models.Index(fields=["finished_at"], name="job_run_finished"),
            models.Index(fields=["schedule", "-id"], name="job_run_latest"),
            models.Index(
                fields=["status", "finished_at"],
                condition=models.Q(status__in=NOT_COMPLETE),
                name="job_run_not_complete",
            ),
            models.Index(fields=["error_code", "id"], name="job_run_by_error"),
        ]
        verbose_name = "job run"

    def __str__(self) -> str:
        return f"run {self.pk} of {self.schedule}"


class Trigger(models.Model):
    """An event that a job has yet to see. Written with the event's own mark, deleted when the job has seen it."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="triggers")
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["schedule", "event"], name="each_event_once_per_schedule")]

    def __str__(self) -> str:
        return f"event {self.event_id} for schedule {self.schedule_id}"
