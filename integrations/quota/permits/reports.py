"""Buffer of reports: sends Redis how calls ended, together with the next request for the same resource.

So a call costs about one round trip; a thread sends the reports that found no such request within `_LONGEST_DELAY`, and
before that returns the permits that were not used. A late report is safe: it carries its age, and a slot it frees is
free a window after the response, which is later than any report. A report that is lost with its process leaves the slot
to its deadline. While Redis is unavailable reports wait. A report that is sent twice counts once.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from integrations.core import clock
from integrations.core.errors import StoreUnavailable

_LONGEST_DELAY = 0.5  # seconds; longer than calls of one process that follow each other usually take
_PAUSE = 1.0  # seconds between tries while the store is unavailable
_MOST = 10_000  # reports kept meanwhile
_MICRO = 1_000_000

StateKey = tuple[str, str]  # resource key and epoch of its state


@dataclass(frozen=True, slots=True)
class Report:
    """How one call ended.

    `received_at` is the monotonic moment of its response, None for a request that never left. `start` is its permit's.
    `reading` are the numbers of its rate headers.
    """

    slot: int
    deadline: int
    received_at: float | None
    sent_at: float
    start: int
    reading: dict[str, int] = field(default_factory=dict)
    refused: bool = False


class ReportBuffer:
    """Reports to send. The governor supplies `send(state_key, reports)`, which raises StoreUnavailable.

    It also supplies `before_flush`, which may add reports and returns whether the thread should soon ask again.
    """

    def __init__(
        self, send: Callable[[StateKey, list[Report]], None], *, before_flush: Callable[[], bool] = lambda: False
    ) -> None:
        self._send, self._before_flush = send, before_flush
        self.forget()

    def forget(self) -> None:
        """Empty the buffer in a forked process: the parent sends its own reports."""
        self._lock = threading.Lock()
        self._filled = threading.Event()
        self._waiting: dict[StateKey, list[Report]] = defaultdict(list)
        self._count = 0
        self._thread: threading.Thread | None = None

    def add(self, state_key: StateKey, report: Report) -> None:
        """Add a report, and start the thread if it does not run."""
        self.put_back(state_key, [report])
        self._filled.set()
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._work, name="quota-reports", daemon=True)
                    self._thread.start()

    def take(self, state_key: StateKey) -> list[Report]:
        """Remove and return the reports that go with a request."""
        with self._lock:
            reports = self._waiting.pop(state_key, [])
            self._count -= len(reports)
            return reports

    def put_back(self, state_key: StateKey, reports: list[Report]) -> None:
        """Keep reports that could not be sent, as far as there is room."""
        with self._lock:
            if self._count < _MOST:
                self._waiting[state_key] += reports
                self._count += len(reports)

    def flush(self) -> None:
        """Send everything now. Raises StoreUnavailable, and keeps what was not sent."""
        with self._lock:
            state_keys = list(self._waiting)
        for state_key in state_keys:
            self.flush_one(state_key)

    def flush_one(self, state_key: StateKey) -> None:
        """Send the reports of one state. Raises StoreUnavailable, and keeps them then."""
        reports = self.take(state_key)
        if not reports:
            return
        try:
            self._send(state_key, reports)
        except StoreUnavailable:
            self.put_back(state_key, reports)
            raise

    def _work(self) -> None:
        while True:
            self._filled.wait()
            self._filled.clear()
            clock.sleep(_LONGEST_DELAY)
            if self._before_flush():
                self._filled.set()
            try:
                self.flush()
            except StoreUnavailable:
                clock.sleep(_PAUSE)
                self._filled.set()


def packed(reports: list[Report]) -> dict[str, Any]:
    """Reports as `permit.lua` takes them: a list for each, and the reading that was received last."""
    now = clock.monotonic()

    def age(moment: float) -> int:
        return int((now - moment) * _MICRO)

    items = [
        [r.slot, r.deadline, False if r.received_at is None else age(r.received_at), *([r.start] if r.start else [])]
        for r in reports
    ]
    with_news = [report for report in reports if report.reading or report.refused]
    if not with_news:
        return {"reports": items, "rate": {}}
    last = max(with_news, key=lambda report: (report.refused, report.received_at or 0.0))
    rate: dict[str, Any] = {**last.reading, "since": age(last.sent_at), "refused": last.refused}
    rate |= {"age": age(last.received_at or now)} | ({"start": last.start} if last.start else {})
    return {"reports": items, "rate": rate}


def kept(buffer: ReportBuffer) -> ReportBuffer:
    """Register the buffer of this process: it is emptied in forks and flushed at exit."""

    def flush_at_exit() -> None:
        try:
            buffer.flush()  # spares that were not used are free at their deadlines
        except StoreUnavailable:
            return  # the slots become free at their deadlines

    os.register_at_fork(after_in_child=buffer.forget)
    atexit.register(flush_at_exit)
    return buffer
