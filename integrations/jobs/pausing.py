"""Pauses a job after repeated crashes, or at an operator's request, and resumes it.

A crash is an exception in the job's code, a turn that hung, or a run whose workers died. `CRASHES` in a row, of
whatever tenants, pause the job: it starts no turn until an operator resumes it. Its runs, events and schedules wait
meanwhile. A complete run of any tenant resets the count.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction

from integrations.core import audit
from integrations.jobs.define import JOBS
from integrations.jobs.models import JobState

CRASHES = 5
_REASON = 300  # characters
log = structlog.get_logger(__name__)


def paused() -> set[str]:
    """The names of the paused jobs."""
    return set(JobState.objects.filter(paused_at__isnull=False).values_list("job", flat=True))


def make_states() -> None:
    """Create the missing rows of defined jobs, so that operators can pause a job that never crashed."""
    JobState.objects.bulk_create([JobState(job=name) for name in JOBS], ignore_conflicts=True)


def crashed(job: str, reason: str, now: datetime, *, is_first: bool) -> None:
    """Count a crash, in the transaction that fails the run. `is_first`: the turn made progress before it crashed."""
    JobState.objects.get_or_create(job=job)
    state = JobState.objects.select_for_update().get(job=job)
    state.crashes = 1 if is_first else state.crashes + 1
    if state.crashes >= CRASHES and state.paused_at is None:
        state.paused_at = now
        state.reason = f"crashed {state.crashes} times in a row; {reason}"[:_REASON]
        log.error("job.paused", job=job, reason=state.reason)
        audit.record("job.paused", actor="system", subject=f"job {job}", reason=state.reason)
    state.save()


def succeeded(job: str) -> None:
    """A run of the job is complete: reset the count of crashes."""
    JobState.objects.filter(job=job, crashes__gt=0).update(crashes=0)


def pause(job: str, now: datetime, *, by: str, reason: str = "paused by an operator") -> bool:
    """Pause the job at an operator's request. False when it is paused already."""
    with transaction.atomic():
        JobState.objects.get_or_create(job=job)
        running = JobState.objects.filter(job=job, paused_at__isnull=True)
        done = bool(running.update(paused_at=now, paused_by=by, reason=reason[:_REASON]))
        if done:
            audit.record("job.paused", actor=by, subject=f"job {job}")
    return done


def resume(job: str, *, by: str) -> bool:
    """Let the job go on: what is due starts within a second. False when it is not paused."""
    with transaction.atomic():
        waiting = JobState.objects.filter(job=job, paused_at__isnull=False)
        done = bool(waiting.update(paused_at=None, paused_by="", reason="", crashes=0))
        if done:
            audit.record("job.unpaused", actor=by, subject=f"job {job}")
    return done
