"""Registry of what the threads of this process work on: Celery tasks, and turns of durable runs.

A thread is *hung* when its turn has written nothing to its run for longer than `hung_after`. Threads cannot be stopped
from outside, so a hung thread is lost until its process ends. The guard (`core.worker.guard`) keeps the leases of the
registered turns, those of hung threads too, so no second thread gets a run that a thread still works on.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from integrations.core import clock
from integrations.core.process import memory, source_position

LONGEST_TASK = timedelta(minutes=30)  # the thread of a task without a run that takes longer counts as hung


class RegisteredTurn(Protocol):
    """What the guard needs of a turn. The methods run in the guard's thread, concurrently with the turn's own."""

    @property
    def title(self) -> str:
        """What the turn works on, for operators."""

    @property
    def hung_after(self) -> timedelta:
        """How long it may write nothing; then its thread counts as hung."""

    def keep_lease(self) -> None:
        """Extend its lease."""

    def abandon(self, position: str) -> None:
        """Fail or retry its run, because the thread hangs at `position`."""

    def release(self, *, is_failure: bool) -> None:
        """Hand its run back, because the process ends."""


@dataclass(eq=False)
class Activity:
    """What one thread works on. Times are of the monotonic clock."""

    task: str
    queue: str
    thread: int = field(default_factory=threading.get_ident)
    started_at: float = field(default_factory=clock.monotonic)
    wrote_at: float = field(default_factory=clock.monotonic)  # when the turn last wrote to its run
    turn: RegisteredTurn | None = None
    kind: str = ""  # of the turn: what its memory is counted for
    resident_before: int = 0  # bytes of the process when the turn began

    @property
    def title(self) -> str:
        """The job, sync or task, for operators."""
        return self.turn.title if self.turn else f"task {self.task}"

    @property
    def idle_seconds(self) -> float:
        """Seconds since the turn last wrote to its run; for a task without a run, since it began."""
        return clock.monotonic() - (self.wrote_at if self.turn else self.started_at)

    @property
    def _most_idle_seconds(self) -> float:
        return (self.turn.hung_after if self.turn else LONGEST_TASK).total_seconds()

    @property
    def is_hung(self) -> bool:
        """Whether the thread counts as hung."""
        return self.idle_seconds > self._most_idle_seconds

    @property
    def is_nearly_hung(self) -> bool:
        """Whether half of the time until then is over: pages show it from now on."""
        return self.idle_seconds > self._most_idle_seconds / 2

    @property
    def position(self) -> str:
        """File and line where the thread is now."""
        return source_position.of_thread(self.thread)

    def describe(self) -> dict[str, Any]:
        """The fields that logs, rows and pages show: work, seconds, position."""
        return {"work": self.title, "seconds": round(self.idle_seconds), "position": self.position}

    def summary(self) -> dict[str, Any]:
        """What the page of workers shows of every thread at work: the work, its queue, and for how many seconds."""
        return {"work": self.title, "queue": self.queue, "seconds": round(clock.monotonic() - self.started_at)}


_lock = threading.Lock()
_running: dict[int, Activity] = {}  # by thread
_growth: Counter[str] = Counter()  # bytes that the process grew by during ended turns, by their kinds
_slots: Counter[str] = Counter()
_capacity: dict[str, int] = {}  # threads by queue; empty in a process that is no worker


@contextmanager
def task(name: str, queue: str) -> Iterator[None]:
    """Register a task for as long as it runs in this thread."""
    activity = Activity(name, queue)
    with _lock:
        _running[activity.thread] = activity
    try:
        yield
    finally:
        with _lock:
            _running.pop(activity.thread, None)


@contextmanager
def turn(turn: RegisteredTurn, kind: str) -> Iterator[None]:
    """Register a turn of a run for as long as this thread works on it. `kind` is what memory is counted for."""
    thread, before = threading.get_ident(), memory.resident()
    with _lock:
        outer = _running.get(thread)
        task, queue = (outer.task, outer.queue) if outer else (kind, "")
        _running[thread] = Activity(task, queue, turn=turn, kind=kind, resident_before=before)
    try:
        yield
    finally:
        with _lock:
            _growth[kind] += memory.resident() - before
            if outer is None:
                _running.pop(thread, None)
            else:
                _running[thread] = outer


@contextmanager
def slot(kind: str, share: float) -> Iterator[bool]:
    """A slot among the threads of this process: False when `kind` has its share of the threads of all queues already.

    In a process that is no worker there is always one.
    """
    threads = min(_capacity.values(), default=0)
    with _lock:
        admitted = not threads or _slots[kind] < max(1, int(threads * share))
        _slots[kind] += admitted
    try:
        yield admitted
    finally:
        with _lock:
            _slots[kind] -= admitted


def report_progress() -> None:
    """Note that this thread has written to the run of its turn."""
    if (activity := _running.get(threading.get_ident())) is not None:
        activity.wrote_at = clock.monotonic()


def set_capacity(threads: Mapping[str, int]) -> None:
    """Set the number of threads by queue that this worker process has."""
    _capacity.clear()
    _capacity.update(threads)


def reset() -> None:
    """Forget all of it: after a fork these are the parent's threads."""
    global _lock  # noqa: PLW0603 - one per process
    _lock = threading.Lock()  # a thread of the parent may have held it at the fork
    for registered in (_running, _growth, _slots, _capacity):
        registered.clear()


os.register_at_fork(after_in_child=reset)


def running() -> list[Activity]:
    """The registered tasks and turns, the longest running first."""
    with _lock:
        return sorted(_running.values(), key=lambda activity: activity.started_at)


def hung() -> list[Activity]:
    """The registered tasks and turns whose threads count as hung."""
    return [activity for activity in running() if activity.is_hung]


def memory_growth() -> str:
    """The kind of turn during which this process grew most, and by how much; empty when it did not grow."""
    now = memory.resident()
    with _lock:
        growth = _growth.copy()
        for one in _running.values():
            if one.turn is not None:
                growth[one.kind] += now - one.resident_before
    most = growth.most_common(1)
    return f"{most[0][0]} (+{most[0][1] // 2**20} MB)" if most and most[0][1] > 0 else ""
