"""Read-only queries on jobs for pages, commands and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F

from integrations.core.runs.models import NOT_COMPLETE
from integrations.core.runs.querysets import PlanQuerySet
from integrations.jobs.define import JOBS, Job
from integrations.jobs.models import Run, Schedule


@dataclass(frozen=True, slots=True)
class Standing:
    """A schedule and its latest run; the fields of the run are empty while there is none."""

    schedule: Schedule
    run: Run | None

    @property
    def status(self) -> str:
        """The status of the latest run."""
        return self.run.status if self.run else ""

    def as_json(self) -> dict[str, Any]:
        """The fields as commands print them in JSON."""
        run = self.run
        return {
            "job": self.schedule.job,
            "tenant": self.schedule.tenant_id,
            "run_id": run.pk if run else None,
            "status": self.status,
            "done": run.done if run else 0,
            "total": run.total if run else None,
            "counts": run.counts if run else {},
            "note": run.note if run else "",
            "error_code": run.error_code if run else "",
            "error": run.error if run else "",
            "trace_id": run.trace_id if run else "",
        }


def outcome(run: Run) -> str:
    """The result of a run in words: its counts and its note, such as "12 tagged; quiet day"."""
    counted = ", ".join(f"{number:,} {what}" for what, number in run.counts.items())
    return "; ".join(part for part in (counted, run.note) if part)


def standings(schedules: PlanQuerySet[Schedule]) -> list[Standing]:
    """Each schedule with its latest run, by job and tenant; two queries whatever their number."""
    found = list(schedules.select_related("app").order_by("job", "tenant_id"))
    latest = schedules.latest_runs()
    return [Standing(schedule, latest.get(schedule.pk)) for schedule in found]


def jobs() -> list[tuple[Job, int]]:
    """The defined jobs by name, each with the number of its schedules."""
    counted = dict(Schedule.objects.values_list("job").annotate(Count("pk")).order_by())
    return [(job, counted.get(name, 0)) for name, job in sorted(JOBS.items())]


def by_status() -> list[dict[str, Any]]:
    """Rows of job, status and count, for the metrics. Complete runs are not counted."""
    rows = Run.objects.filter(status__in=NOT_COMPLETE).values("status", job=F("schedule__job"))
    return [dict(row) for row in rows.annotate(found=Count("pk")).order_by("job", "status")]


def failed(limit: int, now: datetime, within: timedelta) -> list[Run]:
    """The latest failed runs."""
    rows = Run.objects.filter(status=Run.Status.FAILED, finished_at__gt=now - within).select_related("schedule")
    return list(rows.order_by("-finished_at")[:limit])
