"""Are workers and beat alive? Neither keeps a row of its own, so this asks the workers what they have counted.

Every worker counts the tasks it was given by name. Beat sends a sweep every two seconds, so a count that stands still
longer than that means that beat is gone; and work that is due for minutes means that nobody looks for it.
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
_ANSWER_WITHIN = 1.5


@dataclass(frozen=True, slots=True)
class Sweeps:
    """How many workers answered, and how many sweeps they have counted in all."""

    workers: int
    count: int


def sweeps() -> Sweeps:
    """Asks every worker; takes a second and a half. Raises what kombu raises when the broker is away."""
    stats: dict[str, Any] = current_app.control.inspect(timeout=_ANSWER_WITHIN).stats() or {}
    totals = (worker.get("total", {}) for worker in stats.values())
    count = sum(number for total in totals for task, number in total.items() if task.endswith(".sweep"))
    return Sweeps(workers=len(stats), count=count)


def overdue(now: datetime) -> dict[str, int]:
    """What was due more than two minutes ago and that nobody works on, by kind. What was asked for while its run is
    under way waits for that."""
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
