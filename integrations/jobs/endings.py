"""How a run ends, and what that means for its schedule. Every ending is one transaction behind the lease's fence."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from integrations.core.jobs import enqueue
from integrations.jobs.define import JOBS, Job
from integrations.jobs.leases import RUNS
from integrations.jobs.models import Run, Schedule, Trigger

AFTER_FAILURE = timedelta(hours=1)  # of a job that only events start: the events are still there
KEEP_RUNS = timedelta(days=30)
_SPREAD = 0.1  # tenants whose runs began together drift apart by up to this part of `every`
_OVER: dict[str, Any] = {"lease_owner": "", "lease_until": None, "page": None}
_STEADY = {"attempts": 0, "error_code": "", "error": "", "trace_id": ""}


def complete(run: Run, owner: str, now: datetime, job: Job, **fields: Any) -> None:
    """The function came to its end. Raises LeaseLost."""
    with transaction.atomic():
        ended = {**fields, **_STEADY, **_OVER, "status": Run.Status.COMPLETE, "finished_at": now}
        RUNS.keep(run, owner, now, **ended)
        _again(run, now, job, at_once=True, since=run.started_at)
        Run.objects.filter(schedule=run.schedule_id, finished_at__lt=now - KEEP_RUNS).delete()


def fail(  # noqa: PLR0913 - who failed, why, and what was in hand
    run: Run,
    owner: str,
    now: datetime,
    job: Job,
    *,
    code: str,
    reason: str,
    aside: Trigger | None = None,
    **fields: Any,
) -> None:
    """Give the run up; its place is kept for who would resume it. Raises LeaseLost.

    `aside`: the event that is at fault. It is not seen again by itself, and the next ones have their turn at once.
    """
    if aside is not None:
        reason = f"{reason} (event {aside.event.webhook_id} was put aside)"
    with transaction.atomic():
        RUNS.keep(run, owner, now, **{**fields, **_ended(Run.Status.FAILED, now, code, reason)})
        if aside is not None:
            Trigger.objects.filter(pk=aside.pk).delete()
        _again(run, now, job, at_once=aside is not None)


def gone(run: Run, owner: str, now: datetime, **fields: Any) -> None:
    """The app is not installed there any more. Raises LeaseLost."""
    reason = "the app was uninstalled"
    RUNS.keep(run, owner, now, **{**fields, **_ended(Run.Status.CANCELLED, now, "install_gone", reason)})


def cancel(runs: Iterable[Run], now: datetime, *, code: str = "cancelled", reason: str) -> list[int]:
    """Stop runs, whoever works on them; the ids of those that had not ended. Their schedules wait for the next time."""
    ids = [run.pk for run in runs]
    with transaction.atomic():
        running = Run.objects.filter(pk__in=ids, status=Run.Status.RUNNING).select_related("schedule")
        stopped = list(running.select_for_update(of=("self",)).order_by("pk"))
        Run.objects.filter(pk__in=[run.pk for run in stopped]).update(**_ended(Run.Status.CANCELLED, now, code, reason))
        for run in stopped:
            if run.schedule.job in JOBS:
                _again(run, now, JOBS[run.schedule.job], at_once=False)
    return [run.pk for run in stopped]


def known(names: Iterable[str]) -> Q:
    """Runs of these jobs."""
    return Q(schedule__job__in=list(names))


def next_due(job: Job, now: datetime) -> datetime | None:
    """When a job that runs by the clock runs next."""
    if job.every is None:
        return None
    return now + job.every * random.uniform(1.0 - _SPREAD, 1.0)  # noqa: S311 - spreads load, guards nothing


def _ended(status: Run.Status, now: datetime, code: str, reason: str) -> dict[str, Any]:
    return {**_OVER, "status": status, "finished_at": now, "error_code": code[:40], "error": reason[:300]}


def _again(run: Run, now: datetime, job: Job, *, at_once: bool, **fields: Any) -> None:
    """The schedule's next due time, unless somebody asked for a sooner one while the run was on its way."""
    schedule = Schedule.objects.select_for_update().get(pk=run.schedule_id)  # holds off events that come right now
    times = [] if (later := next_due(job, now)) is None else [later]
    if schedule.triggers.exists():
        times.append(now if at_once else now + AFTER_FAILURE)
    if not schedule.enabled:
        times = []
    if times:
        fields["due_at"] = Coalesce("due_at", Value(min(times)))
    if fields:
        Schedule.objects.filter(pk=schedule.pk).update(**fields)
    if now in times:
        enqueue("jobs.start", schedule_id=schedule.pk)
