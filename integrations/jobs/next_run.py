"""Next due time of a job schedule after a run."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from integrations.jobs import macs
from integrations.jobs.define import Job
from integrations.jobs.models import Run, Schedule
from integrations.tenants import time_zones

AFTER_FAILURE = timedelta(hours=1)  # of a job that only events start: the events are still there
_SPREAD = 0.1  # tenants whose runs began together drift apart by up to this part of `every`


def keep_runs() -> timedelta:
    """How long ended runs are history for operators."""
    return timedelta(days=settings.JOB_RUN_RETENTION_DAYS)


def next_due(job: Job, now: datetime, schedule: Schedule) -> datetime | None:
    """The next due time of a job that time starts; None for another job."""
    if job.times is not None:
        tenant = schedule.tenant
        return job.times.next_after(now, time_zones.zone_of(schedule.app_id, tenant))
    if job.every is None:
        return None
    return now + job.every * random.uniform(1.0 - _SPREAD, 1.0)  # noqa: S311 - spreads load, guards nothing


def plan_next(run: Run, now: datetime, job: Job, *, at_once: bool, **fields: Any) -> None:
    """Set the schedule's next due time after a run, unless a sooner run was asked for while it was under way.

    `at_once`: events that wait start the next run now, else after AFTER_FAILURE. `fields` are written with it.
    """
    schedule = Schedule.objects.select_for_update().get(pk=run.schedule_id)  # events that come now wait for this lock
    times = [] if (later := next_due(job, now, schedule)) is None else [later]
    if schedule.triggers.waiting().exists():
        times.append(now if at_once else now + AFTER_FAILURE)
    if not schedule.enabled:
        times = []
    if times and schedule.due_at is None:
        fields["due_at"] = min(times)
    if fields:
        Schedule.objects.filter(pk=schedule.pk).update(**macs.schedule_columns(schedule, **fields))
