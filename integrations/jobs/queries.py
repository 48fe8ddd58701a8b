"""Read-only queries on jobs for pages, commands and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, Q

from integrations.core import dispatch
from integrations.core.models import WorkerProcess
from integrations.core.runs.models import NOT_COMPLETE
from integrations.core.runs.querysets import QUEUED, PlanQuerySet
from integrations.core.runs.turn import HUNG
from integrations.gateway.support.refused_call import RefusedCall, of_row
from integrations.jobs.define import JOBS, Job
from integrations.jobs.models import JobState, Run, Schedule, Trigger, TriggerQuerySet, Write, WriteQuerySet

_MOST = 1_000  # hung runs that are looked at


@dataclass(frozen=True, slots=True)
class ScheduleWithRun:
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
            "vendor_answer": run.vendor_answer if run else None,
        }


def outcome(run: Run) -> str:
    """The result of a run in words: its counts and its note, such as "12 tagged; quiet day"."""
    counted = ", ".join(f"{number:,} {what}" for what, number in run.counts.items())
    return "; ".join(part for part in (counted, run.note) if part)


def with_latest_runs(schedules: PlanQuerySet[Schedule]) -> list[ScheduleWithRun]:
    """Each schedule with its latest run, by job and tenant; two queries whatever their number."""
    found = list(schedules.select_related("app").order_by("job", "tenant_id"))
    latest = schedules.latest_runs()
    return [ScheduleWithRun(schedule, latest.get(schedule.pk)) for schedule in found]


def jobs() -> list[tuple[Job, int]]:
    """The defined jobs by name, each with the number of its schedules."""
    counted = dict(Schedule.objects.values_list("job").annotate(Count("pk")).order_by())
    return [(job, counted.get(name, 0)) for name, job in sorted(JOBS.items())]


def by_status() -> list[dict[str, Any]]:
    """Rows of job, status and count, for the metrics. Complete runs are not counted."""
    found = []
    for chosen in (Q(status__in=NOT_COMPLETE), Q(status="unknown")):  # an index for each
        rows = Run.objects.filter(chosen).values("status", job=F("schedule__job"))
        found += [dict(row) for row in rows.annotate(found=Count("pk")).order_by("job", "status")]
    return found


def unknown_writes(run: Run) -> list[Write]:
    """The writes over which a run may have stopped, the oldest first."""
    return list(Write.objects.unknown().filter(schedule=run.schedule_id).order_by("sent_at"))


def all_unknown_writes(job: str = "") -> WriteQuerySet:
    """Writes that may have happened or not, of one job or of all, the latest first."""
    found = Write.objects.unknown().select_related("schedule__app").order_by("-sent_at")
    return found.filter(schedule__job=job) if job else found


def unknown_counts() -> list[tuple[str, int]]:
    """How many writes of unknown fate each job has, the most first; jobs without one are left out."""
    counted = Write.objects.unknown().values_list("schedule__job").annotate(found=Count("pk"))
    return [(job, found) for job, found in counted.order_by("-found", "schedule__job")]


def failed(limit: int, now: datetime, within: timedelta) -> list[Run]:
    """The latest failed runs."""
    rows = Run.objects.filter(status=Run.Status.FAILED, finished_at__gt=now - within).select_related("schedule")
    return list(rows.order_by("-finished_at")[:limit])


def states() -> dict[str, JobState]:
    """The states of jobs that crashed or were paused at some time, by name."""
    return {state.job: state for state in JobState.objects.all()}


def running_count() -> int:
    """How many runs are under way."""
    return Run.objects.running().count()


def paused() -> list[JobState]:
    """The paused jobs, the longest paused first."""
    return list(JobState.objects.filter(paused_at__isnull=False).order_by("paused_at"))


def set_aside(job: str = "") -> TriggerQuerySet:
    """Events on which a job failed, of one job or of all, the latest first."""
    found = (
        Trigger.objects.set_aside()
        .select_related("event", "change__installation", "schedule__app")
        .order_by("-set_aside_at")
    )
    return found.filter(schedule__job=job) if job else found


def set_aside_counts() -> list[tuple[str, int]]:
    """How many events each job has set aside, the most first; jobs without one are left out."""
    counted = Trigger.objects.set_aside().values_list("schedule__job").annotate(found=Count("pk"))
    return [(job, found) for job, found in counted.order_by("-found", "schedule__job")]


def hung_now(now: datetime) -> list[dict[str, Any]]:
    """What the hung threads of living workers work on: rows of process, work, seconds and position."""
    return WorkerProcess.objects.hung(now - dispatch.ALIVE)


@dataclass(frozen=True, slots=True)
class HungJob:
    """A job that hung lately: how often, and what the latest run says."""

    job: str
    runs: int
    error: str


def hung_lately(now: datetime, within: timedelta) -> list[HungJob]:
    """The jobs with runs that were abandoned because their threads hung, the most frequent first."""
    failed = Run.objects.filter(status=Run.Status.FAILED, error_code=HUNG, finished_at__gt=now - within)
    found: dict[str, list[str]] = {}
    for job, error in failed.order_by("-finished_at").values_list("schedule__job", "error")[:_MOST]:
        found.setdefault(job, []).append(error)
    hung = [HungJob(job, len(errors), errors[0]) for job, errors in found.items()]
    return sorted(hung, key=lambda one: one.runs, reverse=True)


@dataclass(frozen=True, slots=True)
class Delay:
    """How long a tenant's longest waiting run of a job has been due, in seconds, and how many of its runs wait."""

    tenant_id: str
    job: str
    seconds: float
    waiting: int


def delays(now: datetime, limit: int) -> list[Delay]:
    """The tenants whose runs have waited longest for a worker, the worst first. Runs of paused jobs are left out."""
    resting = [state.job for state in paused()]
    idle = Run.objects.running().filter(due_at__lte=now).exclude(lease_until__gte=now, lease_owner__gt="")
    queued = Run.objects.running().filter(
        due_at__lte=now, lease_owner=QUEUED, lease_until__range=(now, now + dispatch.LOST_AFTER)
    )
    rows = (
        (idle | queued)
        .exclude(schedule__job__in=resting)
        .values_list("schedule__tenant_id", "schedule__job")
        .annotate(oldest=Min("due_at"), waiting=Count("pk"))
        .order_by("oldest")[:limit]
    )
    return [Delay(tenant, job, (now - oldest).total_seconds(), waiting) for tenant, job, oldest, waiting in rows]


def refused_call(run: Run) -> RefusedCall:
    """The call that failed the run, for the vendor's support. The run needs its schedule and app."""
    schedule = run.schedule
    tenant = schedule.tenant
    return of_row(run, app=schedule.app, tenant=tenant, at=run.finished_at, source=f"job {schedule.job}")
