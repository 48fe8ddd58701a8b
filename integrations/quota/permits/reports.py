"""Reports of finished calls, on their way to the store.

A report rides along with this process's next question about the same resource, so a call costs about one round trip;
a thread sends what found no question within `_PATIENCE`. Late is safe: a report carries its age, and a slot it frees
is free a window after the response, which is later than any report. A report that is lost with its process leaves the
slot to its deadline. While the store is away reports wait; told twice, they count once.
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

_PATIENCE = 0.05  # seconds
_PAUSE = 1.0  # seconds between tries while the store is away
_MOST = 10_000  # reports kept meanwhile
_MICRO = 1_000_000

Address = tuple[str, str]  # resource and epoch


@dataclass(frozen=True, slots=True)
class Report:
    """`received_at` is None for a request that never left; `start` is its permit's; `reading` is what its response's
    headers said."""

    slot: int
    deadline: int
    received_at: float | None
    sent_at: float
    start: int
    reading: dict[str, int] = field(default_factory=dict)
    refused: bool = False


class Outbox:
    """What waits to be sent. `send(address, reports)` is given by the governor and raises StoreUnavailable."""

    def __init__(self, send: Callable[[Address, list[Report]], None]) -> None:
        self._send = send
        self.forget()

    def forget(self) -> None:
        """Start anew, as a forked process does: what its parent has to report, its parent reports."""
        self._lock = threading.Lock()
        self._filled = threading.Event()
        self._waiting: dict[Address, list[Report]] = defaultdict(list)
        self._count = 0
        self._thread: threading.Thread | None = None

    def add(self, address: Address, report: Report) -> None:
        self.put_back(address, [report])
        self._filled.set()
        if self._thread is None or not self._thread.is_alive():
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._work, name="quota-reports", daemon=True)
                    self._thread.start()

    def take(self, address: Address) -> list[Report]:
        """What is to ride along with a question."""
        with self._lock:
            reports = self._waiting.pop(address, [])
            self._count -= len(reports)
            return reports

    def put_back(self, address: Address, reports: list[Report]) -> None:
        with self._lock:
            if self._count < _MOST:
                self._waiting[address] += reports
                self._count += len(reports)

    def flush(self) -> None:
        """Send everything now. Raises StoreUnavailable, and keeps what was not sent."""
        with self._lock:
            addresses = list(self._waiting)
        for address in addresses:
            self.flush_one(address)

    def flush_one(self, address: Address) -> None:
        reports = self.take(address)
        if not reports:
            return
        try:
            self._send(address, reports)
        except StoreUnavailable:
            self.put_back(address, reports)
            raise

    def _work(self) -> None:
        while True:
            self._filled.wait()
            self._filled.clear()
            clock.sleep(_PATIENCE)
            try:
                self.flush()
            except StoreUnavailable:
                clock.sleep(_PAUSE)
                self._filled.set()


def packed(reports: list[Report]) -> dict[str, Any]:
    """Reports as `permit.lua` takes them: one line each, and the reading that was received last."""
    now = clock.monotonic()

    def age(moment: float) -> int:
        return int((now - moment) * _MICRO)

    lines = [
        [r.slot, r.deadline, False if r.received_at is None else age(r.received_at), *([r.start] if r.start else [])]
        for r in reports
    ]
    told = [report for report in reports if report.reading or report.refused]
    if not told:
        return {"reports": lines, "rate": {}}
    last = max(told, key=lambda report: (report.refused, report.received_at or 0.0))
    rate: dict[str, Any] = {**last.reading, "since": age(last.sent_at), "refused": last.refused}
    rate |= {"age": age(last.received_at or now)} | ({"start": last.start} if last.start else {})
    return {"reports": lines, "rate": rate}


def kept(outbox: Outbox) -> Outbox:
    """The process's own: it survives forks and says its last words at the end."""

    def last_words() -> None:
        try:
            outbox.flush()
        except StoreUnavailable:
            return  # the slots come back by their deadlines

    os.register_at_fork(after_in_child=outbox.forget)
    atexit.register(last_words)
    return outbox
