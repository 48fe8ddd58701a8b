"""Models of the exports room: what is exported and when, its runs, and the files that they wrote."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models

from integrations.core.runs.models import AbstractPlan, AbstractRun, run_constraints, run_indexes
from integrations.core.runs.querysets import PlanManager, RunManager
from integrations.core.sql.known_values import known_values
from integrations.tenants.models import App


class Export(AbstractPlan):
    """What is exported, once or by schedule. `locations` is empty for all of the app's.

    An export that is made once has all records that are not deleted. One with `times` has them in its first run, and
    then what changed since the run before, each change in one file (`sync.feed`).
    """

    class Form(models.TextChoices):
        """The format of its files."""

        CSV = "csv", "CSV"
        JSON_LINES = "jsonl", "JSON Lines"
        PARQUET = "parquet", "Parquet"

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="exports")
    resources = ArrayField(models.CharField(max_length=40))
    locations = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    form = models.CharField("format", max_length=8, choices=Form.choices)
    times = models.CharField(max_length=40, blank=True, help_text="cron, in UTC; empty: once")
    made_by = models.CharField(max_length=160)

    objects = PlanManager()

    class Meta:
        """The permission to have the files."""

        constraints = known_values(form=["csv", "jsonl", "parquet"])
        permissions = [("download_export", "May download the files of exports")]

    def __str__(self) -> str:
        return f"export {self.pk}"

    @property
    def consumer(self) -> str:
        """Its name in the change feeds."""
        return f"export {self.pk}"


class Run(AbstractRun):
    """One execution of an export."""

    task = "exports.advance"
    lease_term = timedelta(seconds=60)  # one file of a turn, its commit included
    plan_field = "export"

    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="runs")
    checkpoint = models.JSONField(default=dict, help_text="the resource, and where the next file begins")
    rows = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(null=True, blank=True, help_text="expected, from the last listings")

    objects = RunManager()

    class Meta:
        """The constraints and indexes of the engine."""

        constraints = run_constraints("export")
        indexes = run_indexes("export", prefix="export_")

    def __str__(self) -> str:
        return f"run {self.pk} of {self.export}"


class ExportPart(models.Model):
    """One file of a run. Its bytes are in chunks; both are deleted when it expires."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="parts")
    resource = models.CharField(max_length=40)
    number = models.PositiveIntegerField(help_text="in the run, from 1, for each resource")
    rows = models.PositiveIntegerField()
    size = models.PositiveBigIntegerField(help_text="bytes")
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        """Each part once."""

        constraints = [models.UniqueConstraint(fields=["run", "resource", "number"], name="each_export_part_once")]

    def __str__(self) -> str:
        return f"{self.resource} {self.number} of run {self.run_id}"


class ExportChunk(models.Model):
    """Up to a megabyte of a file, so that no process has a whole one in its memory."""

    part = models.ForeignKey(ExportPart, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        """Each chunk once, and the order of them."""

        constraints = [models.UniqueConstraint(fields=["part", "number"], name="each_export_chunk_once")]

    def __str__(self) -> str:
        return f"chunk {self.number} of part {self.part_id}"
