"""Job schedules: created for installed tenants, made due on request, started when due, suspended after an uninstall.

A job with an interval has a schedule for every tenant of its level; others get theirs when an event comes or an
operator starts them. An uninstall ends the runs within seconds and leaves the schedule without a due time; a new
installation sets one.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from integrations.jobs import installed, macs, next_run, pausing, run_mac, runs
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
        if job.is_scheduled:
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
    return macs.make_due(_named(schedules.exclude(installed.lacks_scopes())), now)


def switch(schedules: QuerySet[Schedule], *, enabled: bool) -> list[int]:
    """Enable or disable schedules; their ids. One that another program wrote is not enabled.

    A disabled one starts no run and notes no event. A run under way continues to its end.
    """
    ids = []
    with transaction.atomic():
        for schedule in schedules.order_by("pk").select_for_update(of=("self",)):
            if enabled and not macs.schedule_fits(schedule):
                continue
            columns = macs.schedule_columns(schedule, enabled=enabled, **({} if enabled else {"due_at": None}))
            Schedule.objects.filter(pk=schedule.pk).update(**columns)
            ids.append(schedule.pk)
    return ids


def start_due(now: datetime) -> list[int]:
    """Start a run for every due schedule that has none; their ids. Safe to call from many processes at once.

    Schedules of paused jobs stay due.
    """
    _skip_late(now)
    wanted = Schedule.objects.filter(installed.may_run(), job__in=JOBS.keys() - pausing.paused())
    wanted = wanted.exclude(installed.lacks_scopes())

    def columns(schedule: Schedule) -> dict[str, Any]:
        return {"mac": run_mac.of_new(schedule.pk, now)}

    return [run.pk for run in wanted.start_due(now, limit=BATCH, columns=columns, refusal=macs.refusal)]


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
    without.filter(due_at__isnull=False).update(**Schedule.not_due)
    Trigger.objects.filter(schedule__in=without).delete()


def _create_missing_for(job: Job, now: datetime) -> int:
    schedules = Schedule.objects.filter(job=job.name, level=job.level)
    of_tenant = schedules.filter(app=OuterRef("app"), tenant_id=OuterRef("resource_id"))
    missing = installed.installations(job.level).filter(~Exists(of_tenant)).select_related("app")[: BATCH * 5]
    made = [_schedule(job, tenant, now) for tenant in missing]
    for schedule in made:
        schedule.due_at = _first(job, now, schedule)
        macs.signed_schedule(schedule)
    Schedule.objects.bulk_create(made, ignore_conflicts=True)
    idle = schedules.without_run().filter(installed.may_run(), due_at=None, enabled=True)
    if job.times is None:
        return len(made) + len(macs.make_due(_named(idle), now))
    return len(made) + sum(_plan(job, now, schedule) for schedule in idle[:BATCH])


def _plan(job: Job, now: datetime, schedule: Schedule) -> int:
    """Set the next time of a job with times on the wall clock, unless something else has changed the due time."""
    unchanged = Schedule.objects.filter(pk=schedule.pk, due_at=schedule.due_at)
    return unchanged.update(**macs.schedule_columns(schedule, due_at=next_run.next_due(job, now, schedule)))


def _skip_late(now: datetime) -> None:
    """Leave out the times that were missed for longer than their job wants to catch up. Events are never left out."""
    waiting = Trigger.objects.waiting().filter(schedule=OuterRef("pk"))
    for job in JOBS.values():
        if job.times is not None and job.catch_up is not None:
            late = Schedule.objects.filter(job=job.name, level=job.level, due_at__lt=now - job.catch_up)
            for schedule in late.without_run().exclude(Exists(waiting))[:BATCH]:
                _plan(job, now, schedule)


def _first(job: Job, now: datetime, schedule: Schedule) -> datetime:
    if job.times is not None:
        return next_run.next_due(job, now, schedule) or now
    return now + min(job.every or _FIRST_WITHIN, _FIRST_WITHIN) * random.random()  # noqa: S311 - spreads load


def _schedule(job: Job, tenant: Installation, now: datetime, due_at: datetime | None = None) -> Schedule:
    return macs.signed_schedule(
        Schedule(
            app=tenant.app, job=job.name, level=job.level, tenant_id=tenant.resource_id, due_at=due_at, created_at=now
        )
    )


def _named(schedules: QuerySet[Schedule]) -> QuerySet[Schedule]:
    """Only the columns that say who they are for."""
    return schedules.order_by("pk").only("pk", "app_id", "job", "level", "tenant_id")
