"""Are workers and beat alive? Neither has a row of its own, so this asks the workers for their task counts.

Every worker counts the tasks it received, by name. Beat sends a sweep every few seconds, so a count that does not grow
for longer means that beat is down. Work that has been due for minutes means that no worker looks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.db.models import Q

from integrations.jobs.define import JOBS
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule
from integrations.sync.models import Plan, Run
from integrations.tenants.models import Installation
from integrations.tokens.models import Credential
from integrations.webhooks.models import Mailbox

LATE = timedelta(minutes=2)
BEAT_PERIOD = 6.0  # seconds; longer than the slowest sweep's five
_ANSWER_WITHIN = 1.5  # seconds


@dataclass(frozen=True, slots=True)
class SweepCount:
    """How many workers answered, and how many sweeps all of them have received."""

    workers: int
    count: int


def count_sweeps() -> SweepCount:
    """Ask every worker; takes 1.5 seconds. Raises kombu's error when the broker cannot be reached."""
    stats: dict[str, Any] = current_app.control.inspect(timeout=_ANSWER_WITHIN).stats() or {}
    totals = (worker.get("total", {}) for worker in stats.values())
    count = sum(number for total in totals for task, number in total.items() if task.endswith(".sweep"))
    return SweepCount(workers=len(stats), count=count)


def overdue(now: datetime) -> dict[str, int]:
    """Number of rows, by kind, that have been due for more than two minutes while no worker has them leased.

    A plan or schedule that fell due during its own run is not counted: it waits for that run.
    """
    late = now - LATE
    idle = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    refreshes = Credential.objects.filter(idle, refresh_due_at__lt=late, app__halted_at__isnull=True)
    runs = Run.objects.filter(idle, status=Run.Status.RUNNING, due_at__lt=late)
    return {
        "refreshes": refreshes.filter(state=Credential.State.ACTIVE).count(),
        "installations": Installation.objects.filter(reconcile_due_at__lt=late).count(),
        "mailboxes": Mailbox.objects.filter(idle, due_at__lt=late).count(),
        "sync plans": Plan.objects.filter(enabled=True, due_at__lt=late)
        .exclude(runs__status=Run.Status.RUNNING)
        .count(),
        "sync runs": runs.count(),
        "jobs": Schedule.objects.filter(enabled=True, due_at__lt=late, job__in=JOBS)
        .exclude(runs__status=JobRun.Status.RUNNING)
        .count(),
        "job runs": JobRun.objects.filter(idle, status=JobRun.Status.RUNNING, due_at__lt=late).count(),
    }
