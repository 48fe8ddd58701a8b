"""Job runs: one turn calls the job's function, and the error tree says what comes after (`core.runs.turn`).

What this room adds: an exception in the job's code fails the run at once. The row gets its type and source position,
the log the whole traceback. An event that causes a failure is set aside, so that the job can see the events after it.
A job that crashes again and again is paused (`pausing`). One job and one tenant get a share of the threads only, so a
job that hangs leaves threads to the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from integrations.core import dispatch
from integrations.core.celery_tasks import DEFAULT, RESERVED, URGENT
from integrations.core.errors import (
    BadRequest,
    InstallGone,
    IntegrationError,
    RequestRejected,
    SealBroken,
    Untrusted,
)
from integrations.core.models import WorkerProcess
from integrations.core.process import activity
from integrations.core.runs import turn
from integrations.core.runs.querysets import Fields, LeaseLost, error_columns
from integrations.core.runs.shares import ThreadShare
from integrations.jobs import installed, macs, pausing, write_memory, writes
from integrations.jobs.define import JOBS, Job
from integrations.jobs.job_run import Interrupted, JobRun
from integrations.jobs.models import Run, Trigger
from integrations.jobs.next_run import keep_runs, plan_next
from integrations.jobs.sending import LookUpLater, UnknownFate
from integrations.quota import usage
from integrations.quota.parking import queue
from integrations.quota.permits.lanes import Lane

# Errors that one event can cause: it is set aside, so that the job sees those after it (`replay` brings it back).
# No event causes a missing scope or a paused location: all events wait then.
OF_THE_EVENT = (RequestRejected, BadRequest, Untrusted)
UNINSTALLED = "the app was uninstalled"
JOB_SHARE = 0.5  # of the threads for jobs and sync: the most that one job has at a time
TENANT_SHARE = 0.25  # likewise, the most that the jobs of one tenant have
# Interactive jobs run on the threads that are kept for urgent work. So one of them may have even fewer.
INTERACTIVE_SHARE = JOB_SHARE / (RESERVED - 1)


def advance(run_id: int) -> None:
    """Do one turn of a run, if it is due, no other worker has it, and this worker knows the job.

    If the job is paused, or has its share of this process's threads already, the run is left to the dispatcher.
    """
    job = Run.objects.filter(pk=run_id, schedule__job__in=JOBS).values_list("schedule__job", flat=True).first()
    if job is None:
        return
    share = INTERACTIVE_SHARE if JOBS[job].lane is Lane.INTERACTIVE else JOB_SHARE
    with activity.slot(job, share) as admitted:
        if admitted and job not in pausing.paused():
            turn.advance(Run, run_id, JobTurn)
        else:
            turn.decline(Run, run_id)


def take_due(limit: int, now: datetime) -> list[int]:
    """Ids of due runs that wait for a worker, for the dispatcher: those of events first. Interactive ones have a source
    of their own (`take_interactive`).

    Only jobs that this process knows: an older process leaves the jobs of a newer release alone.
    """
    lanes = {job.name: job.lane for job in JOBS.values() if job.lane is not Lane.INTERACTIVE}
    first = Q(schedule__job__in=[name for name, lane in lanes.items() if lane is Lane.EVENTS])
    threads = WorkerProcess.objects.threads(now - dispatch.ALIVE).get(DEFAULT, 0)
    return _take(lanes.keys(), limit, threads=threads, first=first)


def take_interactive(limit: int, now: datetime) -> list[int]:
    """Ids of due runs of interactive jobs, likewise. Their messages go to the urgent queue."""
    names = {job.name for job in JOBS.values() if job.lane is Lane.INTERACTIVE}
    if not names:
        return []
    threads = WorkerProcess.objects.threads(now - dispatch.ALIVE)
    reserved = max(0, threads.get(URGENT, 0) - threads.get(DEFAULT, 0))
    return _take(names, limit, threads=reserved)


def _take(names: AbstractSet[str], limit: int, *, threads: int, first: Q | None = None) -> list[int]:
    shares = [
        ThreadShare.of("schedule__job", JOB_SHARE, threads),
        ThreadShare.of("schedule__tenant_id", TENANT_SHARE, threads, least=2),  # a job that hangs leaves one
    ]
    due = Run.objects.filter(schedule__job__in=names - pausing.paused())
    tenant = "schedule__tenant_id"
    return due.take_due(limit, tenant=tenant, first=first, shares=shares if threads else ())


def cancel(runs: Iterable[Run], now: datetime, *, code: str = "cancelled", reason: str) -> list[int]:
    """Cancel runs, even while a worker is at them; the ids of those that had not ended.

    Their schedules come due at their next regular time.
    """
    chosen = Run.objects.filter(pk__in=[run.pk for run in runs])
    return [run.pk for run in chosen.cancel(now, code=code, reason=reason, set_plan=JobTurn.plan_after_incomplete)]


class JobTurn(turn.Turn[Run]):
    """One turn of a job's run."""

    log_name = "job"
    crash_hint = ": a bug in the job, see the log"
    keep_runs = staticmethod(keep_runs)
    park_task = staticmethod(queue.park)

    def __init__(self, run: Run, owner: str) -> None:
        super().__init__(run, owner)
        self._job: Job = JOBS[run.schedule.job]
        self._job_run: JobRun | None = None  # the function's argument, once it was called
        self._failed_event: Trigger | None = None  # the event that caused the failure
        self._event_error: Fields = {}  # the error columns of the event that was set aside
        self._reason = ""  # of the failure
        self._rest = 0.0  # seconds before the next turn

    def work(self) -> bool:
        """Call the job's function.

        Raises StoreUnavailable when the database is unavailable, and SealBroken for a run or schedule that this
        application did not write.
        """
        self._prove()
        if not self._job.runs_after_uninstall and not installed.is_installed(self.run.schedule):
            raise InstallGone(UNINSTALLED)
        self._job_run = JobRun(self.run, self.owner, self._job.lane)
        self.renew(turns=self.run.turns + 1)
        try:
            with usage.spent_by(self._job.name):
                self._job_run.begin()
                self._job.function(self._job_run)
                if self._job_run.writes.stop is not None:  # the function caught what ended its turn
                    raise self._job_run.writes.stop
        except Interrupted as interruption:
            if interruption.lost:
                raise LeaseLost from None
            return False
        except UnknownFate as unknown:
            raise turn.Halted(writes.halting_columns(unknown.write)) from unknown
        except LookUpLater as later:
            self._rest = later.wait
            return False
        return True

    def _prove(self) -> None:
        if not self.run.is_ours:
            raise SealBroken(f"this run, or its checkpoint, is not of this application: {macs.NOT_OURS}")
        if not macs.schedule_fits(self.run.schedule):
            raise SealBroken(f"the run's schedule is not of this application: {macs.NOT_OURS}")

    def hand_back(self) -> None:
        """The turn is over; the next one comes at once, unless it is to look up a write."""
        self._runs.hand_back(self.run, self.owner, wait=self._rest, **self.checkpoint())

    def finish(self, now: datetime) -> Fields:
        """A complete run repeats nothing: forget its writes."""
        write_memory.forget_run(self.run.pk)
        return {}

    def checkpoint(self) -> Fields:
        """What the next turn needs, with the rest of the current page."""
        return self._job_run.checkpoint_columns() if self._job_run else {}

    def result(self) -> Fields:
        """The progress that the run made."""
        return self._job_run.progress_columns() if self._job_run else {}

    def describe(self, error: IntegrationError) -> Fields:
        """Columns of the error; an uninstall has words of its own."""
        columns = super().describe(error)
        return {**columns, "error": UNINSTALLED} if isinstance(error, InstallGone) else columns

    @property
    def hung_after(self) -> timedelta:
        """How long a job may make no call and report nothing (JOB_SILENT_SECONDS)."""
        return timedelta(seconds=settings.JOB_SILENT_SECONDS)

    @property
    def kind(self) -> str:
        """The job's name."""
        return self._job.name

    @property
    def title(self) -> str:
        """The job with its tenant and run."""
        return f"job {self._job.name} for {self.run.schedule.tenant_id} (run {self.run.pk})"

    def log_context(self) -> Fields:
        """The job, the id of the run and the tenant."""
        return {"job": self._job.name, "run": self.run.pk, "tenant": self.run.schedule.tenant.mailbox_key}

    def fail(self, columns: Fields, error: Exception | None = None) -> None:
        """Fail the run. The event that caused it is not seen again by itself, and the next events follow at once."""
        self._reason = columns["error"]
        event = self._job_run.event if self._job_run else None
        if event is not None and _caused_by_event(error):
            self._failed_event = event
            self._event_error = {name: columns[name] for name in ("error_code", "error")}
            reason = f"{columns['error']} (event {event.reference} was set aside)"
            columns = {**columns, "error": error_columns("", reason)["error"]}
        super().fail(columns, error)

    def plan_after_success(self, now: datetime) -> None:
        """Due again after `every`, or now if events came meanwhile."""
        pausing.succeeded(self._job.name)
        plan_next(self.run, now, self._job, at_once=True, since=self.run.started_at)

    def plan_after_failure(self, now: datetime, error: Exception | None) -> None:
        """Due again after `every`, or now if one event caused the failure and others wait."""
        if self._failed_event is not None:
            mac = macs.trigger_mac(self._failed_event, set_aside=True)
            columns = {"set_aside_at": now, "mac": mac, **self._event_error}
            Trigger.objects.filter(pk=self._failed_event.pk).update(**columns)
        plan_next(self.run, now, self._job, at_once=self._failed_event is not None)
        if not isinstance(error, IntegrationError):
            progressed = self._job_run is not None and self._job_run.has_progressed
            pausing.crashed(self._job.name, self._reason, now, is_first=progressed)

    def plan_after_uninstall(self, now: datetime) -> None:
        """Set no due time: a new installation does."""

    @classmethod
    def plan_after_incomplete(cls, run: Run, now: datetime) -> None:
        """The schedule of a cancelled run comes due at its next regular time."""
        if run.schedule.job in JOBS:
            plan_next(run, now, JOBS[run.schedule.job], at_once=False)

    def abandon(self, position: str) -> None:
        """Fail a run whose thread hangs, as for an exception in the job's code."""
        reason = f"silent for more than {settings.JOB_SILENT_SECONDS} s {position}"
        self.fail(error_columns(turn.HUNG, reason), turn.HungTurn(position))


def _caused_by_event(error: Exception | None) -> bool:
    """Whether one event can cause this failure: a refused request or an exception in the job."""
    return isinstance(error, OF_THE_EVENT) or not (error is None or isinstance(error, IntegrationError))
