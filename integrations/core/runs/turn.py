"""One turn of a durable run: claim it, do what fits into the turn, and let the error tree decide what comes after.

::

    the work is done               complete; the plan is set to its next run
    the turn is over               handed back: the run goes on at the end of the queue
    QuotaExhausted                 parked until there is a permit, however long that takes; likewise
    StoreUnavailable               while the store of permits is unavailable
    other Retryables               again after a while; failed after MOST_ATTEMPTS in a row at one checkpoint
    InstallGone                    cancelled: the app was uninstalled
    Halted                         unknown: it waits until an operator says whether a write happened
    other IntegrationErrors        failed, unless the room knows better (`refused`)
    anything else                  failed, with the place of the mistake, unless the room knows better (`crashed`)

When its worker is killed, the dispatcher sends the run again once the lease has expired, and the next turn begins at
the checkpoint. A process that dies counts as a failure, so a run whose checkpoint kills its workers ends too. While the
process lives, its guard keeps the lease of every turn that a thread is in (`core.process.activity`), and abandons a
turn whose thread hangs (`abandon`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, cast

import structlog
from django.db import InterfaceError, OperationalError, transaction

from integrations.core import clock
from integrations.core.celery_tasks import backoff
from integrations.core.errors import InstallGone, IntegrationError, QuotaExhausted, Retryable, StoreUnavailable
from integrations.core.lease_owner import new_owner
from integrations.core.observing import log_scope, spans
from integrations.core.process import activity, source_position, stopping
from integrations.core.runs import current_run
from integrations.core.runs.models import AbstractRun
from integrations.core.runs.querysets import Fields, LeaseLost, R, RunQuerySet, columns_of, error_columns

log = structlog.get_logger(__name__)

MOST_ATTEMPTS = (
    10  # failures in a row at one checkpoint; with the waits below a vendor may be unavailable for half an hour
)
_LONGEST_WAIT = 600.0
HUNG = "silent"  # error code of a run whose thread hung; stored rows and operators' alerts have this word
HUNG_AFTER = timedelta(minutes=5)
_DECLINE_WAIT = timedelta(seconds=1)
_NO_ERROR: Fields = {"attempts": 0, **error_columns("", "")}


def advance(model: type[R], run_id: int, begin: Callable[[R, str], Turn[R]]) -> None:
    """Do one turn of a run, if it is due and no other worker has it. `begin` makes the turn of the claimed run."""
    if stopping.is_requested():
        decline(model, run_id)
        return
    owner = new_owner()
    run = _objects(model).claim(run_id, owner)
    if run is None:
        return
    turn = begin(run, owner)
    context = turn.log_context()
    with log_scope.scope(**context), spans.span(f"turn {turn.kind}", **context):
        _take(turn, run)


def _take(turn: Turn[R], run: R) -> None:
    try:
        if run.attempts >= MOST_ATTEMPTS:
            turn.fail(error_columns("worker_lost", "workers died at this checkpoint, one after the other"))
        else:
            with activity.turn(turn, turn.kind), current_run.working_on(run):
                turn.take()
    except LeaseLost:
        turn.log("info", "lease_lost")


def decline(model: type[R], run_id: int) -> None:
    """Refuse the message of a run because this process is ending; the dispatcher sends it again."""
    _objects(model).release_queued([run_id], wait=_DECLINE_WAIT)


class Halted(Exception):
    """The fate of a write is unknown, so the run must not go on by itself. `columns` say which write."""

    def __init__(self, columns: Fields) -> None:
        super().__init__(columns["error"])
        self.columns = columns


class HungTurn(Exception):
    """The thread of a turn hung: it wrote nothing for `hung_after`. The text says where the thread was."""


class Turn(ABC, Generic[R]):
    """A run that one worker has claimed. Every method that writes raises LeaseLost once another worker has the run."""

    log_name: ClassVar[str]  # the first part of the names of log events
    crash_hint: ClassVar[str] = ""  # what operators read after the place of a mistake in the code

    @staticmethod
    @abstractmethod
    def keep_runs() -> timedelta:
        """How long ended runs are history for operators."""

    def __init__(self, run: R, owner: str) -> None:
        self.run = run
        self.owner = owner
        self._runs = _objects(type(run))

    # --- what a room defines ---

    @abstractmethod
    def work(self) -> bool:
        """Do what fits into the turn. True: the run is complete. False: there is more to do."""

    @staticmethod
    @abstractmethod
    def park_task(task: str, kwargs: dict[str, Any], error: Retryable) -> bool:
        """Let the task wait for the permit that `error` names; False when it names none."""

    @abstractmethod
    def plan_after_success(self, now: datetime) -> None:
        """Set the plan to its next run, in the transaction that completes this one."""

    @classmethod
    @abstractmethod
    def plan_after_incomplete(cls, run: R, now: datetime) -> None:
        """Set the plan's next run after this one failed or was cancelled, in the transaction that ends it."""

    def crashed(self, error: Exception) -> None:
        """Fail the run for an exception that is not of the error tree: a mistake in our code or in the job's.

        If the database is unavailable, write nothing: the lease expires, and the next turn begins at the checkpoint.
        """
        if isinstance(error, OperationalError | InterfaceError):
            raise StoreUnavailable("the database is unavailable", run=self.run.pk) from error
        self.log("error", "crashed", {"exc_info": error})
        reason = f"{type(error).__name__} {source_position.of_error(error)}{self.crash_hint}"
        self.fail(error_columns("unexpected", reason), error)

    def plan_after_failure(self, now: datetime, error: Exception | None) -> None:
        """As `plan_after_incomplete`, for a run that failed with `error`, or with None because its workers died."""
        self.plan_after_incomplete(self.run, now)

    def plan_after_uninstall(self, now: datetime) -> None:
        """As `plan_after_incomplete`, for a run that was cancelled because the app was uninstalled."""
        self.plan_after_incomplete(self.run, now)

    def checkpoint(self) -> Fields:
        """Columns to write when the run is handed back."""
        return {}

    def result(self) -> Fields:
        """Columns to write when the run ends."""
        return {}

    def finish(self, now: datetime) -> Fields:
        """Do what belongs into the transaction that completes the run; columns to write with it."""
        return {}

    def describe(self, error: IntegrationError) -> Fields:
        """Columns that say what went wrong."""
        return columns_of(error)

    @property
    def hung_after(self) -> timedelta:
        """How long the turn may write nothing; then it counts as hung."""
        return HUNG_AFTER

    @property
    def kind(self) -> str:
        """What all runs like this one have in common, such as the name of the job."""
        return self.log_name

    @property
    def title(self) -> str:
        """What this turn works on, for operators."""
        return f"{self.kind} (run {self.run.pk})"

    def log_context(self) -> Fields:
        """Fields that every log event of this turn has."""
        return {"run": self.run.pk}

    # --- the engine ---

    def take(self) -> None:
        """Work for one turn, and write its result."""
        try:
            self.complete() if self.work() else self.hand_back()
        except LeaseLost:
            raise
        except (QuotaExhausted, StoreUnavailable) as error:
            self.park(error)
        except Retryable as error:
            self.retry_or_fail(self.describe(error), error.retry_after, error)
        except InstallGone as error:
            self.uninstalled(error)
        except IntegrationError as error:
            self.refused(error)
        except Halted as stop:
            self.halt(stop)
        except Exception as error:
            self.crashed(error)

    def renew(self, **fields: Any) -> None:
        """Write columns and renew the lease."""
        self._runs.renew(self.run, self.owner, **fields)

    def hand_back(self) -> None:
        """The turn is over: let the run go on at the end of the queue."""
        self._runs.hand_back(self.run, self.owner, **self.checkpoint())

    def park(self, error: Retryable) -> None:
        """Release the run until there is a permit and a worker for it. This does not count as a failure."""
        run, wait = self.run, error.retry_after or 0.0
        if checkpoint := self.checkpoint():
            self.renew(**checkpoint)

        def park_task() -> bool:
            return self.park_task(run.task, {"run_id": run.pk}, error)

        if not self._runs.park(run, self.owner, wait=wait, park_task=park_task):
            self._runs.hand_back(run, self.owner, wait=wait or backoff(run.attempts))

    def retry_or_fail(self, columns: Fields, retry_after: float | None, error: Exception) -> None:
        """Count one more failure in a row at this checkpoint: retry later, or fail the run.

        `columns` are those of the error (`error_columns`).
        """
        attempts = self._failures() + 1
        if attempts >= MOST_ATTEMPTS:
            reason = f"{columns['error']} ({attempts} times in a row)"
            self.fail({**columns, "error": error_columns("", reason)["error"]}, error)
            return
        wait = backoff(attempts, cap=_LONGEST_WAIT) if retry_after is None else retry_after
        fields = {**self.checkpoint(), **columns, "attempts": attempts}
        self._runs.hand_back(self.run, self.owner, wait=wait, **fields)

    def complete(self) -> None:
        """The work is done: end the run, set the plan to its next one, and delete old runs."""
        now = clock.now()
        with transaction.atomic():
            fields = {**self.result(), **_NO_ERROR, **self.finish(now)}
            self._end(AbstractRun.Status.COMPLETE, now, fields)
            self.plan_after_success(now)
            old = {self.run.plan_field: self.run.plan_key, "finished_at__lt": now - self.keep_runs()}
            self._runs.filter(**old).exclude(status=AbstractRun.Status.UNKNOWN).delete()

    def fail(self, columns: Fields, error: Exception | None = None) -> None:
        """Fail the run, with the columns of its error; its plan comes due again later."""
        now = clock.now()
        with transaction.atomic():
            self._end(AbstractRun.Status.FAILED, now, {**self.result(), **columns})
            self.plan_after_failure(now, error)

    def halt(self, stop: Halted) -> None:
        """Stop the run until an operator has decided. Its plan gets no due time: the run goes on first."""
        self.log("error", "halted", {"error": str(stop)})
        self._end(AbstractRun.Status.UNKNOWN, clock.now(), {**self.result(), **stop.columns})

    def uninstalled(self, error: InstallGone) -> None:
        """The app is no longer installed on the run's tenant: cancel the run."""
        now = clock.now()
        with transaction.atomic():
            self._end(AbstractRun.Status.CANCELLED, now, {**self.result(), **self.describe(error)})
            self.plan_after_uninstall(now)

    def refused(self, error: IntegrationError) -> None:
        """Fail the run for an error that no retry can cure."""
        self.log("warning", "failed", {**error.context, "code": error.code, "error": str(error)})
        self.fail(self.describe(error), error)

    def keep_lease(self) -> None:
        """Extend the lease. The guard calls this for as long as a thread is in the turn."""
        self._runs.keep_lease(self.run.pk, self.owner)

    def abandon(self, position: str) -> None:
        """Fail or retry the run, whose thread hangs at `position`. The guard calls this before the process ends."""
        self.retry_or_fail(error_columns(HUNG, f"silent for too long {position}"), None, HungTurn(position))

    def release(self, *, is_failure: bool) -> None:
        """Hand the run back although its thread is still in the turn, because the process ends.

        The next turn begins at the checkpoint as it was last written. `is_failure` counts it as a failure.
        """
        attempts = {"attempts": self._failures() + 1} if is_failure else {}
        self._runs.hand_back(self.run, self.owner, **attempts)

    def log(self, level: str, event: str, context: Fields | None = None) -> None:
        """Log an event of this turn, such as "sync.failed"."""
        getattr(log, level)(f"{self.log_name}.{event}", **{**(context or {}), **self.log_context()})

    def _end(self, status: str, now: datetime, fields: Fields) -> None:
        self._runs.renew(self.run, self.owner, **{**fields, **self._runs.ended(status, now)})

    def _failures(self) -> int:
        """The count as the row has it now: progress in this turn has reset it."""
        return int(self._runs.values_list("attempts", flat=True).get(pk=self.run.pk))


def _objects(model: type[R]) -> RunQuerySet[R]:
    return cast("RunQuerySet[R]", model._default_manager.all())  # noqa: SLF001 - Django's documented name
