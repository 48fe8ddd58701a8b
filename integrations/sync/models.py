"""Plans (what is kept in step), runs (one walk through a resource) and records (the synced copy)."""

from __future__ import annotations

from django.db import models

from integrations.core.leases import NOT_COMPLETE
from integrations.tenants.models import App


class Plan(models.Model):
    """One resource of one location kept in step. `due_at`: when the next run starts; empty while one is on its way."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="plans")
    location_id = models.CharField(max_length=64)
    resource = models.CharField(max_length=40)
    enabled = models.BooleanField(default=True)
    due_at = models.DateTimeField(null=True, blank=True, db_index=True)
    cursor_at = models.DateTimeField(null=True, blank=True, help_text="everything changed before this is here")
    full_due_at = models.DateTimeField(
        null=True, blank=True, help_text="from when on the next run walks through everything; empty: at once"
    )
    synced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "location_id", "resource"], name="one_plan_per_resource")]

    def __str__(self) -> str:
        return f"{self.resource} of {self.location_id}"


class Run(models.Model):
    """One walk through a resource. `checkpoint` and the page's records are committed together."""

    class Kind(models.TextChoices):
        FULL = "full", "full"
        INCREMENTAL = "incremental", "incremental"

    class Status(models.TextChoices):
        RUNNING = "running", "running"
        COMPLETE = "complete", "complete"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    checkpoint = models.JSONField(default=dict, help_text="what the next page's request is made from")
    pages = models.PositiveIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0, help_text="rows without a usable id")
    total = models.PositiveIntegerField(
        null=True, blank=True, help_text="the vendor's own count, the least any page told"
    )
    deleted = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(help_text="when the next page may be asked for")
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0, help_text="failures in a row at this page")
    error_code = models.CharField(max_length=40, blank=True)
    error = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["plan"], condition=models.Q(status="running"), name="one_running_run_per_plan"
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(status="running"), name="run_due"),
            models.Index(fields=["plan", "-id"], name="run_latest"),
            models.Index(
                fields=["status", "finished_at"],
                condition=models.Q(status__in=NOT_COMPLETE),
                name="run_not_complete",
            ),
            models.Index(fields=["error_code", "id"], name="run_by_error"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} run {self.pk} of {self.plan}"


class Record(models.Model):
    """One object of the vendor as we last saw it. `version_at` is the vendor's own moment of change."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="records")
    location_id = models.CharField(max_length=64)
    resource = models.CharField(max_length=40)
    record_id = models.CharField(max_length=64)
    payload = models.JSONField()
    version_at = models.DateTimeField()
    seen_run = models.BigIntegerField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app", "location_id", "resource", "record_id"], name="each_record_once")
        ]

    def __str__(self) -> str:
        return f"{self.resource} {self.record_id}"
