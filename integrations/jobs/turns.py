"""One turn of a run: the job's function is called, and the error tree says what comes after.

::

    it returns                     complete; the schedule's next run is `every` away, or now if events came meanwhile
    the turn is over               the run goes on at the end of the queue
    QuotaExhausted                 parked until there is a permit (quota.parking), whatever that takes; likewise
    StoreUnavailable               while the store of permits is away
    other Retryables               again after a while; given up after MOST_ATTEMPTS in a row at one place
    InstallGone                    cancelled: the app was uninstalled
    other IntegrationErrors        failed
    anything else                  failed: a mistake in the job; the row gets its kind and place, the log all of it

Killed anywhere, the run is found by the sweep when its lease runs out, and goes on at its checkpoint.
"""

from __future__ import annotations

import traceback
from datetime import datetime

import structlog
from django.db import InterfaceError, OperationalError

from integrations.core import clock
from integrations.core.errors import (
    BadRequest,
    InstallGone,
    IntegrationError,
    QuotaExhausted,
    RequestRejected,
    Retryable,
    StoreUnavailable,
    Untrusted,
)
from integrations.core.jobs import backoff
from integrations.core.leases import LeaseLost, new_owner
from integrations.jobs import endings, installed
from integrations.jobs.define import JOBS, Job
from integrations.jobs.handle import Interrupted, JobRun
from integrations.jobs.leases import RUNS, TASK
from integrations.jobs.models import Run
from integrations.quota import usage
from integrations.quota.parking import queue

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = 10  # failures in a row at one place; with the waits below a vendor may be away for half an hour
_LONGEST_WAIT = 600.0
# What one event may be at fault for: it steps aside, so that those after it have their turn (`replay` brings it back).
# A missing scope or a paused location is no event's fault: they all wait.
OF_THE_EVENT = (RequestRejected, BadRequest, Untrusted)


def advance(run_id: int) -> None:
    """One turn of a run, if it is due, nobody else is at it, and this worker knows the job."""
    if not Run.objects.filter(pk=run_id, schedule__job__in=JOBS).exists():
        return
    owner = new_owner()
    row = RUNS.claim(run_id, owner, clock.now())
    if row is None:
        return
    job = JOBS[row.schedule.job]
    try:
        if row.attempts >= MOST_ATTEMPTS:  # claims count workers that died here: a place that kills them must end
            reason = "workers died at this place, one after the other"
            endings.fail(row, owner, clock.now(), job, code="worker_lost", reason=reason)
        elif not installed.here(row.schedule):
            endings.gone(row, owner, clock.now())
        else:
            _turn(row, owner, job)
    except LeaseLost:
        log.info("job.lease_lost", job=job.name, run=run_id)


def _turn(row: Run, owner: str, job: Job) -> None:
    run = JobRun(row, owner, job.lane)
    RUNS.keep(row, owner, clock.now(), turns=row.turns + 1)
    try:
        with usage.spent_by(job.name):
            job.function(run)
    except Interrupted as interruption:
        if not interruption.lost:
            RUNS.hand_back(row, owner, clock.now(), **run.place())
    except (QuotaExhausted, StoreUnavailable) as error:
        _park(row, owner, run, error)
    except (OperationalError, InterfaceError) as error:  # the lease runs out; the next turn begins at the checkpoint
        raise StoreUnavailable("the database is away", run=row.pk) from error
    except LeaseLost:
        raise
    except Exception as error:
        _stopped(row, owner, job, run, error)
    else:
        endings.complete(row, owner, clock.now(), job, **run.standing())


def _stopped(row: Run, owner: str, job: Job, run: JobRun, error: Exception) -> None:
    """The function raised: later, never, or a mistake."""
    if isinstance(error, Retryable):
        _stumble(row, owner, job, run, error)
    elif isinstance(error, InstallGone):
        endings.gone(row, owner, clock.now(), **run.standing())
    elif isinstance(error, IntegrationError):
        log.warning("job.failed", **{**error.context, "job": job.name, "run": row.pk, "code": error.code})
        _fail(row, owner, job, run, error)
    else:
        log.error("job.crashed", job=job.name, run=row.pk, exc_info=error)
        reason = f"{type(error).__name__} {_place(error)}: a mistake in the job, see the log"
        endings.fail(row, owner, clock.now(), job, code="unexpected", reason=reason, aside=run.event, **run.standing())


def _park(row: Run, owner: str, run: JobRun, error: Retryable) -> None:
    now = clock.now()
    RUNS.keep(row, owner, now, **run.place())
    wait = error.retry_after or 0.0
    if not RUNS.park(row, owner, now, wait=wait, into=lambda: queue.park(TASK, {"run_id": row.pk}, error)):
        RUNS.hand_back(row, owner, now, wait=wait or backoff(row.attempts))


def _stumble(row: Run, owner: str, job: Job, run: JobRun, error: Retryable) -> None:
    """One more failure in a row at this place: come back later, or give the run up."""
    attempts, now = _failures(row) + 1, clock.now()
    if attempts >= MOST_ATTEMPTS:
        _fail(row, owner, job, run, error, times=attempts)
        return
    wait = backoff(attempts, cap=_LONGEST_WAIT) if error.retry_after is None else error.retry_after
    RUNS.hand_back(row, owner, now, wait=wait, attempts=attempts, **_said(error), **run.place())


def _fail(row: Run, owner: str, job: Job, run: JobRun, error: IntegrationError, *, times: int = 1) -> None:
    said = _said(error)
    reason = said["error"] + (f" ({times} times in a row)" if times > 1 else "")
    fields = {**run.standing(), "trace_id": said["trace_id"]}
    aside = run.event if isinstance(error, OF_THE_EVENT) else None
    endings.fail(row, owner, clock.now(), job, code=error.code, reason=reason, aside=aside, **fields)


def _failures(row: Run) -> int:
    """As the row has it now: progress in this turn has begun a new count."""
    return Run.objects.values_list("attempts", flat=True).get(pk=row.pk)


def _said(error: IntegrationError) -> dict[str, str]:
    vendor = error.context.get("vendor_message")
    words = f"{error}: {vendor}" if vendor else str(error)
    trace_id = str(error.context.get("trace_id") or "")
    return {"error_code": error.code[:40], "error": words[:300], "trace_id": trace_id[:64]}


def _place(error: Exception) -> str:
    """Where it was raised, without its text: that may hold a record's data."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if "/site-packages/" not in frame.filename), frames[-1])
    return f"in {last.name}, line {last.lineno} of {last.filename.rpartition('/')[2]}"


def due(now: datetime) -> list[int]:
    """Runs that wait for a worker, of the jobs this one knows: an older one leaves a newer one's alone."""
    return RUNS.due(now, endings.known(JOBS))
