"""Guard: a thread of every worker process that looks after the process's own threads and ends it in order.

Each second it keeps the leases of turns whose threads have written nothing for a while. A thread cannot be stopped
from outside, so when one hangs, or when the process has grown too large, the process *replaces itself*: its turns hand
their runs back, it fetches nothing but urgent messages until they have, then nothing at all. The turns of hung threads
are abandoned, messages that no thread has begun go back to the broker (`worker.fetching`), and the process restarts
by `exec` under its own id, so no supervisor is needed. Of several processes with hung threads one restarts after the
other, so that one is always there for urgent work.

On SIGTERM Celery waits for its threads without end. The guard gives them `TASKS_END_SECONDS`, releases the runs of the
threads that are still busy, so that another worker begins at once, and ends the process. Container platforms kill
after 30 s.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NoReturn, Protocol

import structlog
from django.db import DatabaseError, connection, transaction

from integrations.core import clock
from integrations.core.models import WorkerProcess
from integrations.core.process import activity, memory, stopping
from integrations.core.process.activity import Activity
from integrations.core.runs.querysets import LeaseLost
from integrations.core.worker import fetching

CHECK_SECONDS = 1.0  # seconds between two checks
KEEP_AFTER = 5.0  # seconds after which a turn that wrote nothing has its lease kept
TASKS_END_SECONDS = 18.0  # for running tasks after SIGTERM
EXIT_SECONDS = 23.0  # after SIGTERM, then the process ends whatever still runs
HAND_BACK_SECONDS = 60.0  # for turns to hand their runs back before the process replaces itself
URGENT_SECONDS = 20.0  # then for urgent tasks to end
QUIET_SECONDS = 1.5  # without a task, and without a fetch under way (kombu: BRPOP, one second)
OTHERS_SEEN = timedelta(seconds=5)  # a process that reported within this time is alive
OTHERS_RETURN = 60.0  # seconds in which another process that replaces itself should be back
LONGEST_WAIT_FOR_OTHERS = 90.0  # seconds after which a process replaces itself whatever the others do
LOCK_TIMEOUT = "2s"  # a hung thread may hold the lock of its run's row
_STEP = 0.1
log = structlog.get_logger(__name__)


class Thread(Protocol):
    """A thread beside the worker's own: the leaders, the spool and so on."""

    def stop(self) -> None:
        """Release what it holds, and end."""


class NamedThread(Thread, Protocol):
    """The dispatcher: its name is that of the process among the worker processes."""

    owner: str


class Guard:
    """The thread of one worker process. `controller` is Celery's, `others` are threads to stop before the end.

    `memory_limit` is in bytes; 0 is none.
    """

    def __init__(
        self, controller: Any, dispatcher: NamedThread, *, others: Sequence[Thread], memory_limit: int
    ) -> None:
        self._controller, self._dispatcher, self._others = controller, dispatcher, others
        # Never so low that a process that has just started would replace itself again and again.
        self._memory_limit = max(memory_limit, 3 * memory.resident() // 2) if memory_limit else 0
        self._terminated_at: float | None = None
        self._kept_at = 0.0
        self._wanted_at = 0.0  # since when there is a reason to replace the process
        self._others_at = 0.0  # when another process was last seen
        self._thread = threading.Thread(target=self._run, name="worker-guard", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def terminate(self) -> None:
        """The process got SIGTERM. Called in a signal handler, so it takes no lock."""
        self._terminated_at = clock.monotonic()

    def _run(self) -> None:
        while True:
            self._keep_leases()
            if self._terminated_at is not None:
                self._drain(self._terminated_at)
            if not (reason := self._reason_to_replace()):
                self._wanted_at = 0.0
            elif self._may_replace_now():
                self._replace(reason)
            connection.close()
            self._wait(lambda: self._terminated_at is not None, CHECK_SECONDS)

    def _keep_leases(self) -> None:
        if clock.monotonic() - self._kept_at < CHECK_SECONDS:
            return
        self._kept_at = clock.monotonic()
        for one in activity.running():
            if one.turn is not None and one.idle_seconds > KEEP_AFTER:
                _guarded(one.turn.keep_lease)

    def _reason_to_replace(self) -> str:
        if hung := activity.hung():
            return f"hung: {', '.join(one.title for one in hung)}"
        used = memory.resident()
        if self._memory_limit and used > self._memory_limit:
            return f"memory: {used // 2**20} MB, of which most came with {activity.memory_growth() or 'unknown work'}"
        return ""

    def _may_replace_now(self) -> bool:
        """Whether another process is there for urgent work, and none with hung threads restarts before this one."""
        now = clock.monotonic()
        self._wanted_at = self._wanted_at or now
        try:
            others = WorkerProcess.objects.hung_by_process(clock.now() - OTHERS_SEEN)
        except DatabaseError:
            others = {}
        others.pop(self._dispatcher.owner, None)
        if others:
            self._others_at = now
        if now - self._wanted_at > LONGEST_WAIT_FOR_OTHERS:
            return True
        if not others:
            return not self._others_at or now - self._others_at > OTHERS_RETURN
        return all(self._dispatcher.owner < name for name, hung in others.items() if hung)

    def _replace(self, reason: str) -> NoReturn:
        """Restart this process without losing what its other threads do."""
        log.error("worker.replaced", reason=reason, working_on=[one.describe() for one in activity.running()])
        stopping.request(urgent_too=False)
        self._wait(lambda: not _working(turns_only=True), HAND_BACK_SECONDS)
        stopping.request(urgent_too=True)
        self._wait_until_idle()
        if self._terminated_at is not None:
            self._drain(self._terminated_at)
        _end_turns(are_failures=True)
        self._leave()
        _give_messages_back()
        try:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this process's own command
        except OSError as error:
            log.error("worker.not_replaced", reason=str(error))  # noqa: TRY400 - the supervisor starts another one
            os._exit(1)

    def _drain(self, began: float) -> NoReturn:
        """Let running tasks end, then end the process. If all of them end, Celery ends it before this does."""
        stopping.request(urgent_too=True)
        self._stop(self._dispatcher)  # it would send the runs that are handed back to this process
        self._wait(lambda: not activity.running(), began + TASKS_END_SECONDS - clock.monotonic())
        if left := activity.running():
            log.warning("worker.drained", interrupted=[one.describe() for one in left])
            _end_turns(are_failures=False)
            self._leave()
            _give_messages_back()
        else:
            self._wait(lambda: False, began + EXIT_SECONDS - clock.monotonic())
        os._exit(0)

    def _wait(self, condition: Callable[[], bool], seconds: float) -> None:
        until = clock.monotonic() + seconds
        while not condition() and clock.monotonic() < until:
            self._keep_leases()
            clock.sleep(_STEP)

    def _wait_until_idle(self) -> None:
        """Until neither a task runs nor a fetch is under way that may bring one more."""
        until = clock.monotonic() + URGENT_SECONDS
        busy_at = clock.monotonic()
        while clock.monotonic() < min(until, busy_at + QUIET_SECONDS):
            if fetching.is_under_way() or _working(turns_only=False):
                busy_at = clock.monotonic()
            self._wait(lambda: False, _STEP)

    def _leave(self) -> None:
        """Release the leases of the other threads, so that another process leads at once, and the pid file."""
        stops = threading.Thread(target=self._stop_others, daemon=True)
        stops.start()
        stops.join(EXIT_SECONDS - TASKS_END_SECONDS - 2 * CHECK_SECONDS)
        if lock := getattr(self._controller, "pidlock", None):
            lock.release()

    def _stop_others(self) -> None:
        for one in (self._dispatcher, *self._others):
            self._stop(one)

    def _stop(self, thread: Thread) -> None:
        try:
            thread.stop()
        except Exception:
            log.exception("worker.guard_failed")


def _working(*, turns_only: bool) -> list[Activity]:
    """Running tasks whose threads do not hang."""
    return [one for one in activity.running() if not one.is_hung and (one.turn is not None or not turns_only)]


def _end_turns(*, are_failures: bool) -> None:
    """End the turns that threads are still in. Their threads can write nothing from now on."""
    for one in activity.running():
        if one.turn is None:
            continue
        if one.is_hung:
            log.error("worker.turn_abandoned", **one.describe())
            _guarded(lambda turn=one.turn, at=one.position: turn.abandon(at))  # type: ignore[misc]
        else:
            _guarded(lambda turn=one.turn: turn.release(is_failure=are_failures))  # type: ignore[misc]


def _give_messages_back() -> None:
    try:
        if number := fetching.give_back():
            log.info("worker.messages_given_back", messages=number)
    except Exception:
        log.exception("worker.guard_failed")


def _guarded(act: Callable[[], object]) -> None:
    """Do it in a transaction that does not wait for locks; a failure is logged, because the guard must go on."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            act()
    except LeaseLost:
        pass  # the turn has ended meanwhile
    except DatabaseError as error:
        log.warning("worker.guard_database_away", reason=type(error).__name__)
    except Exception:
        log.exception("worker.guard_failed")
    finally:
        connection.close()
