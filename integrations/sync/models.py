"""Models of the sync room: plans (which resource of which location), runs (one pass) and records (the copy)."""

from __future__ import annotations

from datetime import timedelta

from django.db import models

from integrations.core.runs.models import AbstractPlan, AbstractRun, run_constraints, run_indexes
from integrations.core.runs.querysets import PlanManager, RunManager
from integrations.tenants.models import App


class Plan(AbstractPlan):
    """The plan to keep one resource of one location synced."""

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="plans")
    location_id = models.CharField(max_length=64)
    resource = models.CharField(max_length=40)
    cursor_at = models.DateTimeField(null=True, blank=True, help_text="everything changed before this is here")
    full_due_at = models.DateTimeField(
        null=True, blank=True, help_text="from when on the next run walks through everything; empty: at once"
    )
    synced_at = models.DateTimeField(null=True, blank=True)

    objects = PlanManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["app", "location_id", "resource"], name="one_plan_per_resource")]

    def __str__(self) -> str:
        return f"{self.resource} of {self.location_id}"


class Run(AbstractRun):
    """One pass through a resource, page by page. `checkpoint` and the page's records are committed together."""

    class Kind(models.TextChoices):
        """A full run reads the whole resource, an incremental one what has changed since the last run."""

        FULL = "full", "full"
        INCREMENTAL = "incremental", "incremental"

    task = "sync.advance"
    lease_term = timedelta(seconds=30)
    plan_field = "plan"

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    checkpoint = models.JSONField(default=dict, help_text="what the next page's request is made from")
    pages = models.PositiveIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0, help_text="rows without a usable id")
    total = models.PositiveIntegerField(
        null=True, blank=True, help_text="the vendor's own count, the least any page told"
    )
    deleted = models.PositiveIntegerField(default=0)

    objects = RunManager()

    class Meta:
        constraints = run_constraints("plan")
        indexes = run_indexes("plan")

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
