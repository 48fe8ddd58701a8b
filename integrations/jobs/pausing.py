"""Pauses a job after repeated crashes, or at an operator's request, and resumes it.

A crash is an exception in the job's code, a turn that hung, or a run whose workers died. `CRASHES` in a row, of
whatever tenants, pause the job: it starts no turn until an operator resumes it. Its runs, events and schedules wait
meanwhile. A complete run of any tenant resets the count.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from integrations.core import audit
from integrations.core.models import AuditEntry
from integrations.jobs import macs
from integrations.jobs.define import JOBS
from integrations.jobs.models import JobState

CRASHES = 5
_REASON = 300  # characters
_PAUSED_AGAIN: dict[str, Any] = {"paused_by": "system", "reason": "its pause was deleted in the database"}
log = structlog.get_logger(__name__)


def paused() -> set[str]:
    """The names of the paused jobs.

    A job whose row another program wrote counts as paused. So does one without a row whose pause is the last that the
    audit trail says of it.
    """
    rows = list(JobState.objects.all())
    held = {row.job for row in rows if row.paused_at is not None or not macs.state_fits(row)}
    missing = JOBS.keys() - {row.job for row in rows}
    return held.union(_paused_in_trail(missing)) if missing else held


def make_states() -> None:
    """Create the missing rows of defined jobs, so that operators can pause a job that never crashed.

    One whose pause was deleted in the database is paused again.
    """
    missing = JOBS.keys() - set(JobState.objects.values_list("job", flat=True))
    if missing:
        before = _paused_in_trail(missing)
        rows = [JobState(job=name) for name in sorted(missing - before.keys())]
        rows += [JobState(job=name, paused_at=at, **_PAUSED_AGAIN) for name, at in before.items()]
        JobState.objects.bulk_create([macs.signed_state(row) for row in rows], ignore_conflicts=True)


def crashed(job: str, reason: str, now: datetime, *, is_first: bool) -> None:
    """Count a crash, in the transaction that fails the run. `is_first`: the turn made progress before it crashed."""
    state = _locked(job)
    state.crashes = 1 if is_first else state.crashes + 1
    if state.crashes >= CRASHES and state.paused_at is None:
        state.paused_at = now
        state.reason = f"crashed {state.crashes} times in a row; {reason}"[:_REASON]
        log.error("job.paused", job=job, reason=state.reason)
        macs.signed_state(state)
        audit.record("job.paused", actor="system", subject=_subject(job), reason=state.reason)
    state.save()


def succeeded(job: str) -> None:
    """A run of the job is complete: reset the count of crashes."""
    JobState.objects.filter(job=job, crashes__gt=0).update(crashes=0)


def pause(job: str, now: datetime, *, by: str, reason: str = "paused by an operator") -> bool:
    """Pause the job at an operator's request. False when it is paused already."""
    with transaction.atomic():
        state = _locked(job)
        if state.paused_at is not None and macs.state_fits(state):
            return False
        state.paused_at, state.paused_by, state.reason = now, by, reason[:_REASON]
        macs.signed_state(state).save()
        audit.record("job.paused", actor=by, subject=_subject(job))
    return True


def resume(job: str, *, by: str) -> bool:
    """Let the job go on: what is due starts within a second. False when it is not paused."""
    with transaction.atomic():
        if job not in paused():
            return False
        state = _locked(job)
        state.paused_at, state.paused_by, state.reason, state.crashes = None, "", "", 0
        macs.signed_state(state).save()
        audit.record("job.unpaused", actor=by, subject=_subject(job))
    return True


def _locked(job: str) -> JobState:
    """The job's row, made if it is missing, locked until the transaction ends."""
    JobState.objects.bulk_create([macs.signed_state(JobState(job=job))], ignore_conflicts=True)
    return JobState.objects.select_for_update().get(job=job)


def _paused_in_trail(jobs: Iterable[str]) -> dict[str, datetime]:
    """Those of the jobs whose pause is the last that the audit trail says of them, with its moment."""
    said = AuditEntry.objects.filter(action__in=("job.paused", "job.unpaused"))
    found = {job: audit.still_holds("job.paused", said.filter(subject=_subject(job))) for job in jobs}
    return {job: entry.at for job, entry in found.items() if entry is not None}


def _subject(job: str) -> str:
    return f"job {job}"
