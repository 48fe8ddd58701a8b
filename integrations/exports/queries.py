"""Reads for the pages of exports, and the removal of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Max, QuerySet, Sum
from django.template.defaultfilters import filesizeformat

from integrations.core.ages import relative
from integrations.core.runs import run_progress
from integrations.exports import export_files
from integrations.exports.models import Export, ExportPart, Run
from integrations.sync.models import FeedPosition

LATEST = 20


@dataclass(frozen=True, slots=True)
class ShownFile:
    """What can be downloaded of one resource: in one file, or by numbers where the format cannot be joined."""

    resource: str
    rows: int
    size: str
    numbers: list[int]

    @property
    def title(self) -> str:
        """The resource's name for people."""
        return self.resource.replace("_", " ")


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run with its files, and until when they can be downloaded.

    `pace` is the rate, the time that is left and what it waits for, while it is under way.
    """

    run: Run
    age: str
    pace: str
    percent: int | None
    files: list[ShownFile]
    until: datetime | None


def latest_runs(export: Export, now: datetime) -> list[ShownRun]:
    """The latest runs, newest first."""
    return [_shown(export, run, now) for run in Run.objects.filter(export=export).order_by("-pk")[:LATEST]]


def remove(exports: QuerySet[Export]) -> None:
    """Delete exports with all that belongs to them. A worker at one of them loses its run."""
    with transaction.atomic():
        consumers = [export.consumer for export in exports.select_for_update()]
        FeedPosition.objects.filter(consumer__in=consumers).delete()
        ExportPart.objects.filter(run__export__in=exports.values("pk")).delete()
        exports.delete()


def _shown(export: Export, run: Run, now: datetime) -> ShownRun:
    parts = export_files.available(run, now)
    rows = parts.order_by("resource").values_list("resource").annotate(Sum("rows"), Sum("size"), Count("pk"))
    joined = export.form != Export.Form.PARQUET
    found = [
        ShownFile(name, rows, filesizeformat(size), [] if joined else list(range(1, count + 1)))
        for name, rows, size, count in rows
    ]
    percent = min(100, round(100 * run.rows / run.total)) if run.total else None
    until = parts.aggregate(until=Max("expires_at"))["until"]
    pace = run_progress.words(run, run.rows, run.total, now)
    return ShownRun(run, relative(run.started_at, now), pace, percent, found, until)
