"""Are workers and beat alive, by the rows that they write? Worker processes report every few seconds.

Beat has no database connection of its own. It sends a message every ten seconds, and the worker that gets it renews a
lease in beat's name (`console.tasks.heartbeat`). So without a worker nothing is known of beat.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Max
from django.urls import reverse

from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock, dispatch
from integrations.core.ages import relative
from integrations.core.models import LeaderLease, WorkerProcess

BEAT = "beat"  # the name of its lease
BEAT_TERM = timedelta(seconds=45)
START_WORKER = "start one: manage.py serve worker-urgent worker"
START_BEAT = "start exactly one: manage.py serve beat; and let a worker read the queue urgent"


def worker_heartbeats() -> Iterator[Finding]:
    """How many worker processes reported lately."""
    now = clock.now()
    alive = WorkerProcess.objects.filter(seen_at__gt=now - dispatch.ALIVE).count()
    if alive:
        yield Finding("worker", Level.OK, f"{alive} process{'' if alive == 1 else 'es'} at work")
        return
    last = WorkerProcess.objects.aggregate(at=Max("seen_at"))["at"]
    seen = f"the last one reported {relative(last, now)}" if last else "none has reported"
    yield Finding("worker", Level.FAILED, f"no worker runs: {seen}", START_WORKER, workers_page())


def beat_heartbeat() -> Iterator[Finding]:
    """Whether a worker got beat's last messages."""
    now = clock.now()
    lease = LeaderLease.objects.filter(name=BEAT).first()
    if lease is not None and lease.until > now:
        yield Finding("beat", Level.OK, "its messages arrive")
    elif not WorkerProcess.objects.filter(seen_at__gt=now - dispatch.ALIVE).exists():
        yield Finding(
            "beat", Level.UNKNOWN, "not known: no worker runs that could get its messages", START_WORKER, workers_page()
        )
    else:
        since = f"since {relative(lease.until - BEAT_TERM, now)}" if lease else "yet"
        yield Finding("beat", Level.FAILED, f"no message of it has arrived {since}", START_BEAT, workers_page())


def workers_page() -> str:
    """The page that says which processes run and what is due."""
    return reverse("admin:core_workerprocess_changelist")


def heard_from_beat() -> None:
    """Note that a message of beat has arrived."""
    LeaderLease.objects.hold(BEAT, BEAT, BEAT_TERM, sent=0, unstarted=0, trouble="")
