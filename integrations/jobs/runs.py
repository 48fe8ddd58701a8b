"""Job runs: one turn calls the job's function, and the error tree says what comes after (`core.runs.turn`).

What this room adds: a mistake in the job fails the run at once, with its kind and place in the row and all of it in the
log. An event that is at fault is set aside, so that the events after it have their turn.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from datetime import datetime

from django.db import InterfaceError, OperationalError
from django.db.models import Q

from integrations.core import dispatch
from integrations.core.errors import (
    BadRequest,
    InstallGone,
    IntegrationError,
    RequestRejected,
    StoreUnavailable,
    Untrusted,
)
from integrations.core.runs import turn
from integrations.core.runs.querysets import Fields, LeaseLost, problem
from integrations.jobs import installed
from integrations.jobs.define import JOBS, Job
from integrations.jobs.handle import Interrupted, JobRun
from integrations.jobs.models import Run, Trigger
from integrations.jobs.next_run import KEEP_RUNS, plan_next
from integrations.quota import usage
from integrations.quota.parking import queue
from integrations.quota.permits.lanes import Lane

# What one event may be at fault for: it is set aside, so that those after it have their turn (`replay` brings it back).
# A missing scope or a paused location is no event's fault: they all wait.
OF_THE_EVENT = (RequestRejected, BadRequest, Untrusted)
UNINSTALLED = "the app was uninstalled"


def advance(run_id: int) -> None:
    """Do one turn of a run, if it is due, no other worker has it, and this worker knows the job."""
    if Run.objects.filter(pk=run_id, schedule__job__in=JOBS).exists():
        turn.advance(Run, run_id, JobTurn)


def take_due(limit: int, now: datetime) -> list[int]:
    """Runs that wait for a worker, those of interactive jobs and of events before the others.

    Only of the jobs that this process knows: an older one leaves a newer one's jobs alone.
    """
    lost_at = now + dispatch.LOST_AFTER
    known = Run.objects.filter(schedule__job__in=JOBS)
    urgent = Q(schedule__job__in=[job.name for job in JOBS.values() if job.lane is not Lane.BULK])
    return known.take_due(limit, now, lost_at=lost_at, tenant="schedule__tenant_id", first=urgent)


def cancel(runs: Iterable[Run], now: datetime, *, code: str = "cancelled", reason: str) -> list[int]:
    """Stop runs, even while a worker is at them; the ids of those that had not ended. Their schedules wait for the
    next time."""
    chosen = Run.objects.filter(pk__in=[run.pk for run in runs])
    return [run.pk for run in chosen.cancel(now, code=code, reason=reason, put_off=JobTurn.put_off)]


class JobTurn(turn.Turn[Run]):
    """One turn of a job's run."""

    log_name = "job"
    keep_runs = KEEP_RUNS
    park_task = staticmethod(queue.park)

    def __init__(self, run: Run, owner: str) -> None:
        super().__init__(run, owner)
        self._job: Job = JOBS[run.schedule.job]
        self._handle: JobRun | None = None  # what the function is given, once it was called
        self._aside: Trigger | None = None  # the event that is at fault

    def work(self) -> bool:
        """Call the job's function. Raises StoreUnavailable when the database is away."""
        if not installed.here(self.run.schedule):
            raise InstallGone(UNINSTALLED)
        self._handle = JobRun(self.run, self.owner, self._job.lane)
        self.renew(turns=self.run.turns + 1)
        try:
            with usage.spent_by(self._job.name):
                self._job.function(self._handle)
        except Interrupted as interruption:
            if interruption.lost:
                raise LeaseLost from None
            return False
        return True

    def checkpoint(self) -> Fields:
        """What the next turn needs, the rest of the page in work included."""
        return self._handle.place() if self._handle else {}

    def result(self) -> Fields:
        """How far the run came."""
        return self._handle.standing() if self._handle else {}

    def finish(self, now: datetime) -> Fields:
        """A run that completes shows no earlier failure."""
        return {"trace_id": ""}

    def describe(self, error: IntegrationError) -> Fields:
        """With the vendor's own words, and the trace id that its support asks for."""
        said = error.vendor.message
        words = UNINSTALLED if isinstance(error, InstallGone) else f"{error}: {said}" if said else str(error)
        return {**problem(error.code, words), "trace_id": (error.vendor.trace_id or "")[:64]}

    def log_context(self) -> Fields:
        """The job and the run."""
        return {"job": self._job.name, "run": self.run.pk}

    def fail(self, trouble: Fields, error: Exception | None = None) -> None:
        """As every run's; the event that is at fault is not seen again by itself, and the next ones follow at once."""
        event = self._handle.event if self._handle else None
        if event is not None and _is_of_the_event(error):
            self._aside = event
            reason = f"{trouble['error']} (event {event.event.webhook_id} was put aside)"
            trouble = {**trouble, **problem(trouble["error_code"], reason)}
        super().fail(trouble, error)

    def plan_after_success(self, now: datetime) -> None:
        """The next run is `every` away, or now if events came meanwhile."""
        plan_next(self.run, now, self._job, at_once=True, since=self.run.started_at)

    def plan_after_failure(self, now: datetime, error: Exception | None) -> None:
        """The next run is `every` away, or now if only one event was at fault and others wait."""
        if self._aside is not None:
            Trigger.objects.filter(pk=self._aside.pk).delete()
        plan_next(self.run, now, self._job, at_once=self._aside is not None)

    def plan_after_uninstall(self, now: datetime) -> None:
        """None: a new install wakes the schedule."""

    @classmethod
    def put_off(cls, run: Run, now: datetime) -> None:
        """The schedule of a cancelled run waits for the next time."""
        if run.schedule.job in JOBS:
            plan_next(run, now, JOBS[run.schedule.job], at_once=False)

    def crashed(self, error: Exception) -> None:
        """A mistake in the job; or the database is away: then the lease runs out, and the next turn begins at the
        checkpoint."""
        if isinstance(error, OperationalError | InterfaceError):
            raise StoreUnavailable("the database is away", run=self.run.pk) from error
        self.log("error", "crashed", {"exc_info": error})
        reason = f"{type(error).__name__} {_place(error)}: a mistake in the job, see the log"
        self.fail(problem("unexpected", reason), error)


def _is_of_the_event(error: Exception | None) -> bool:
    """Whether one event can be at fault: for a refused request or a mistake in the job."""
    return isinstance(error, OF_THE_EVENT) or not (error is None or isinstance(error, IntegrationError))


def _place(error: Exception) -> str:
    """Where it was raised, without its text: that may hold a record's data."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if "/site-packages/" not in frame.filename), frames[-1])
    return f"in {last.name}, line {last.lineno} of {last.filename.rpartition('/')[2]}"
