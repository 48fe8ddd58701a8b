"""Job schedules: created for installed tenants, made due on request, started when due, suspended after an uninstall.

A job with an interval has a schedule for every tenant of its level; others get theirs when an event comes or an
operator starts them. An uninstall ends the runs within seconds and leaves the schedule without a due time; a new
installation sets one.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import Exists, OuterRef, QuerySet

from integrations.jobs import installed, pausing, runs
from integrations.jobs.define import JOBS, Job
from integrations.jobs.models import Run, Schedule, Trigger
from integrations.tenants.models import Installation

BATCH = 200
# A bulk install brings a thousand tenants at once: their first runs begin over this time, or over `every` if shorter.
_FIRST_WITHIN = timedelta(minutes=10)


def create_missing(now: datetime) -> int:
    """Create the missing schedules, and set due times where the app was installed again. Returns how many."""
    created = 0
    for job in JOBS.values():
        if job.every is not None:
            created += _create_missing_for(job, now)
    return created


def request_runs(job: Job, tenants: Iterable[Installation], now: datetime) -> list[int]:
    """Make the job due now for these tenants; the ids of the schedules. After a run under way another one follows."""
    wanted = [_schedule(job, tenant, now) for tenant in tenants]
    Schedule.objects.bulk_create(wanted, ignore_conflicts=True)
    keys = {(schedule.app_id, schedule.tenant_id) for schedule in wanted}
    found = Schedule.objects.filter(job=job.name, level=job.level, tenant_id__in=[tenant_id for _, tenant_id in keys])
    ids = [pk for pk, *key in found.values_list("pk", "app_id", "tenant_id") if tuple(key) in keys]
    return run_now(found.filter(pk__in=ids), now)


def run_now(schedules: QuerySet[Schedule], now: datetime) -> list[int]:
    """Make schedules due at once, disabled ones too, because an operator wants it. Returns their ids.

    Tenants whose grant lacks a scope of the job are left out.
    """
    ids = list(schedules.exclude(installed.lacks_scopes()).order_by("pk").values_list("pk", flat=True))
    Schedule.objects.filter(pk__in=ids).update(due_at=now)
    return ids


def switch(schedules: QuerySet[Schedule], *, enabled: bool) -> list[int]:
    """Enable or disable schedules; their ids.

    A disabled one starts no run and notes no event. A run under way continues to its end.
    """
    ids = list(schedules.order_by("pk").values_list("pk", flat=True))
    Schedule.objects.filter(pk__in=ids).update(enabled=enabled, **({} if enabled else {"due_at": None}))
    return ids


def start_due(now: datetime) -> list[int]:
    """Start a run for every due schedule that has none; their ids. Safe to call from many processes at once.

    Schedules of paused jobs stay due.
    """
    wanted = Schedule.objects.filter(installed.may_run(), job__in=JOBS.keys() - pausing.paused())
    wanted = wanted.exclude(installed.lacks_scopes())
    return [run.pk for run in wanted.start_due(now, limit=BATCH)]


def resume(run: Run, now: datetime) -> bool:
    """Let a failed or cancelled run continue at its checkpoint. False when it is complete or its schedule has a run."""
    try:
        return Run.objects.resume(run, now)
    except IntegrityError:
        return False


def end_uninstalled(now: datetime) -> list[int]:
    """Cancel the runs of uninstalled tenants. Cheap, because few runs are under way at a time."""
    running = Run.objects.running().filter(~installed.may_run("schedule__"))
    return runs.cancel(running[:BATCH], now, code="install_gone", reason=runs.UNINSTALLED)


def suspend_uninstalled() -> None:
    """Clear the due time of schedules without an installation, and delete their triggers."""
    without = Schedule.objects.filter(~installed.may_run())
    without.filter(due_at__isnull=False).update(due_at=None)
    Trigger.objects.filter(schedule__in=without).delete()


def _create_missing_for(job: Job, now: datetime) -> int:
    schedules = Schedule.objects.filter(job=job.name, level=job.level)
    of_tenant = schedules.filter(app=OuterRef("app"), tenant_id=OuterRef("resource_id"))
    missing = installed.installations(job.level).filter(~Exists(of_tenant)).select_related("app")[: BATCH * 5]
    made = [_schedule(job, tenant, now, due_at=_first(job, now)) for tenant in missing]
    Schedule.objects.bulk_create(made, ignore_conflicts=True)
    idle = schedules.without_run().filter(installed.may_run(), due_at=None, enabled=True)
    return len(made) + idle.update(due_at=now)


def _first(job: Job, now: datetime) -> datetime:
    return now + min(job.every or _FIRST_WITHIN, _FIRST_WITHIN) * random.random()  # noqa: S311 - spreads load


def _schedule(job: Job, tenant: Installation, now: datetime, due_at: datetime | None = None) -> Schedule:
    return Schedule(
        app=tenant.app, job=job.name, level=job.level, tenant_id=tenant.resource_id, due_at=due_at, created_at=now
    )
