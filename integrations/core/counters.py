"""Buffered counters: additions by key in this process, flushed to PostgreSQL together; for statistics, not decisions.

A statement per count would cost more than what is counted. So `add` only touches memory, and one statement writes the
sum of all additions: when a caller asks for it after `pause` seconds or when the buffer is half full, and at exit.

- While the database is unavailable the additions stay and are written later; then at most `most` keys are kept, and
  further new keys are dropped and counted in the log (or added under `overflow`'s key).
- Rows that the database refuses are dropped alone: the rest of their batch is written.
- A killed process loses what it has not written, a few seconds' worth. A forked one starts empty.
"""

from __future__ import annotations

import atexit
import math
import operator
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction

from integrations.core import clock

Key = TypeVar("Key", bound=Any)  # orderable
Value = TypeVar("Value")

PAUSE = 5.0  # seconds between two writes of a process
_only_adds: ContextVar[bool] = ContextVar("only_adds", default=False)
_counters: weakref.WeakSet[BufferedCounter[Any, Any]] = weakref.WeakSet()
log = structlog.get_logger(__name__)


class BufferedCounter(Generic[Key, Value]):
    """Thread-safe sums by key that `write` adds to a table.

    `write(rows)` gets `(key, value)` pairs in the keys' order, which is the same in every process so that two of them
    cannot deadlock. It runs in a transaction and is repeated, so it must do nothing but add to the table. `combine`
    adds a value to another one and returns the sum; it may change the first.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[tuple[Key, Value]]], None],
        *,
        most: int,
        combine: Callable[[Value, Value], Value] = operator.add,
        overflow: Callable[[Key], Key] | None = None,
    ) -> None:
        self.name, self.most, self.pause = name, most, PAUSE
        self.written_at = -math.inf  # on the monotonic clock
        self._write, self._combine, self._overflow = write, combine, overflow
        self._lock = threading.Lock()
        self._values: dict[Key, Value] = {}
        self._dropped, self._failed = 0, False
        _counters.add(self)

    def __len__(self) -> int:
        """The number of keys that are not written yet."""
        return len(self._values)

    def add(self, key: Key, value: Value) -> None:
        """Add `value` to the sum of `key`. Never waits for the database and never raises."""
        with self._lock:
            self._add(key, value)

    def is_due(self) -> bool:
        """Whether there are keys to write and either `pause` is over or the buffer is half full and the last write
        succeeded.
        """
        full = 2 * len(self._values) >= self.most and not self._failed
        return bool(self._values) and (full or clock.monotonic() - self.written_at >= self.pause)

    def flush_if_due(self) -> None:
        """Write the buffer if `is_due`. Not in a transaction, which may be rolled back, nor where `only_adding`."""
        if self.is_due() and not connection.in_atomic_block and not _only_adds.get():
            self.flush()

    def flush(self) -> None:
        """Write the buffer now. Keys stay in it while the database is unavailable. Never raises for that."""
        with self._lock:
            taken, self._values = self._values, {}
            dropped, self._dropped = self._dropped, 0
            self.written_at = clock.monotonic()
        if dropped:
            log.warning("counter.full", counter=self.name, dropped=dropped)
        if not taken:
            return
        try:
            self._failed = True
            self._write_or_split(sorted(taken.items(), key=_key))
            self._failed = False
        except _DatabaseAway as away:
            log.warning("counter.not_written", counter=self.name, reason=away.reason)
            with self._lock:
                newer, self._values = self._values, dict(away.rows)
                for key, value in newer.items():
                    self._add(key, value)

    def reset(self) -> None:
        """Empty the buffer without a write: after a fork it is the parent's."""
        self._lock = threading.Lock()  # the parent's lock may have been held at the fork
        self._values = {}
        self._dropped, self._failed = 0, False
        self.written_at = clock.monotonic()

    def _add(self, key: Key, value: Value) -> None:
        if key not in self._values and len(self._values) >= self.most:
            if self._overflow is None:
                self._dropped += 1
                return
            key = self._overflow(key)
        if key in self._values:
            value = self._combine(self._values[key], value)
        self._values[key] = value

    def _write_or_split(self, rows: Sequence[tuple[Key, Value]]) -> None:
        """Write the rows; halve them until the refused ones are alone. Raises _DatabaseAway with the unwritten rows."""
        try:
            with transaction.atomic():
                self._write(rows)
            return
        except (OperationalError, InterfaceError) as error:
            raise _DatabaseAway(rows, type(error).__name__) from error
        except (DatabaseError, ValueError) as error:  # ValueError: text that no database takes
            if len(rows) == 1:
                log.warning("counter.row_lost", counter=self.name, reason=type(error).__name__)
                return
        middle = len(rows) // 2
        try:
            self._write_or_split(rows[:middle])
        except _DatabaseAway as away:
            raise _DatabaseAway([*away.rows, *rows[middle:]], away.reason) from away
        self._write_or_split(rows[middle:])


class _DatabaseAway(Exception):
    """The database is unavailable; `rows` were not written."""

    def __init__(self, rows: Sequence[tuple[Any, Any]], reason: str) -> None:
        super().__init__(reason)
        self.rows, self.reason = rows, reason


@contextmanager
def only_adding() -> Iterator[None]:
    """A block in which `flush_if_due` writes nothing.

    It is for a thread that works for another one: that one may be in a transaction, and needs no second connection.
    """
    token = _only_adds.set(True)
    try:
        yield
    finally:
        _only_adds.reset(token)


def reset_all() -> None:
    """Empty the buffers of all counters in this process: after a fork they are the parent's."""
    for counter in list(_counters):
        counter.reset()


def _key(row: tuple[Any, Any]) -> Any:
    return row[0]


@atexit.register
def _at_exit() -> None:
    waiting = [counter for counter in list(_counters) if counter]
    for counter in waiting:
        counter.flush()
    if waiting:
        connection.close()


os.register_at_fork(after_in_child=reset_all)
