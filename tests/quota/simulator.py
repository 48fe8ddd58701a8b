"""The real `permit.lua` on a clock of its own, against each kind of window: hours of traffic in a minute.

Every way has its latency there and back, drawn anew; one call in a hundred stalls for up to two seconds between its
permit and its sending, one in two thousand is counted and never answered, another dies with its worker.
Processes report as `quota.permits.reports` does. `bench.bench_proof` runs as many as wanted.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from integrations.sandbox.quota import WINDOWS, BurstWindow
from tests.quota.bucket import MICRO, TTL, Bucket

LIMIT, WINDOW = 100, 10.0
REPORT_DELAY = 0.05  # seconds a report waits for a request that takes it along
TIMEOUT = TTL - 10.0  # of a call


@dataclass(frozen=True)
class Profile:
    """Seconds: the spans of a call's way there and back."""

    forth: tuple[float, float]
    back: tuple[float, float]
    stalls: float = 0.01
    lost: float = 0.0005
    killed: float = 0.0005


PROFILES = {
    "10-200 ms each way": Profile((0.010, 0.200), (0.010, 0.200)),
    "5-45 ms there, 15-355 ms back": Profile((0.005, 0.045), (0.015, 0.355)),
}


@dataclass
class Process:
    """One worker process: what it knows of the store's state, and what it has yet to report."""

    epoch: str = ""
    answered: tuple[float, int] | None = None  # when, and what the store's clock showed
    reports: list[list[Any]] = field(default_factory=list)  # slot, deadline, received, start
    reading: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Caller:
    """Somebody in a process who calls: again and again, or once if it `came` at a moment."""

    process: Process
    terms: dict[str, Any]
    came: float | None = None


@dataclass
class Simulation:
    bucket: Bucket
    window: BurstWindow
    profile: Profile
    chance: random.Random
    terms: dict[str, Any]
    counted: int = 0
    refused: int = 0
    questions: int = 0
    limit: int = LIMIT
    waits: list[float] = field(default_factory=list)  # of each visit, in seconds
    opened_at: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def run(self, requests: int, *, processes: int = 4, threads: int = 4) -> float:
        """Saturate the resource; the part of the limit that was used after the first minute."""
        begun = self.bucket.now
        for _ in range(processes):
            process = Process()
            for _ in range(threads):
                self._at(begun + self.chance.uniform(0, 0.1), partial(self._ask, Caller(process, self.terms)))
        skipped: tuple[int, float] | None = None
        while self.counted + self.refused < requests:
            self.bucket.now, _, act = heapq.heappop(self._events)
            if skipped is None and self.bucket.now > begun + 60:
                skipped = self.counted, self.bucket.now
            act()
        assert skipped is not None, "too few requests for a minute"
        return (self.counted - skipped[0]) / (self.limit * (self.bucket.now - skipped[1]) / WINDOW)

    def visits(self, every: float, terms: dict[str, Any]) -> None:
        """Beside what saturates the resource, a call under other terms every so many seconds on average."""
        process = Process()

        def visit() -> None:
            self._ask(Caller(process, terms, self.bucket.now))
            self._at(self.bucket.now + self.chance.expovariate(1 / every), visit)

        self._at(self.bucket.now + every, visit)

    def _at(self, moment: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), act))

    def _ask(self, caller: Caller) -> None:
        process = caller.process
        answer = self._say(process, want=1, **caller.terms)
        process.epoch, process.answered = answer["epoch"], (self.bucket.now, int(answer["now"]))
        self.opened_at = int(process.epoch) / MICRO
        if not answer["grants"]:
            self._at(self.bucket.now + min(answer["wait"] / MICRO, WINDOW), lambda: self._ask(caller))
            return
        slot, deadline, delay = answer["grants"][0]
        taken = self.bucket.now + delay / MICRO
        if caller.came is not None:
            self.waits.append(taken - caller.came)
        stall = self.chance.uniform(0.2, 2.0) if self.chance.random() < self.profile.stalls else 0.0
        self._at(
            taken + stall + self.chance.uniform(*self.profile.forth),
            lambda: self._count(caller, slot, deadline, taken),
        )

    def _count(self, caller: Caller, slot: int, deadline: str, taken: float) -> None:
        now = self.bucket.now
        over = self.window.used(now) >= self.limit
        if over:
            self.refused += 1
        else:
            self.window.count(now)
            self.counted += 1
        reading = {
            "max": self.limit,
            "remaining": self.limit - self.window.used(now),
            "refused": over,
            "taken": taken,
            "start": self._start(taken),
        }
        received = now + self.chance.uniform(*self.profile.back)
        fate = self.chance.random()
        if fate < self.profile.killed:
            self._at(received, lambda: self._again(caller))
            return
        if fate < self.profile.killed + self.profile.lost:
            given_up = taken + TIMEOUT
            self._at(
                given_up, lambda: self._receive(caller, [slot, int(deadline), given_up + 1.0, self._start(taken)], {})
            )
            return
        self._at(received, lambda: self._receive(caller, [slot, int(deadline), received, self._start(taken)], reading))

    def _receive(self, caller: Caller, report: list[Any], reading: dict[str, Any]) -> None:
        process = caller.process
        process.reports.append(report)
        if reading:
            process.reading = reading | {"received": report[2]}
        self._at(self.bucket.now + REPORT_DELAY, lambda: self._flush(process))
        self._again(caller)

    def _again(self, caller: Caller) -> None:
        if caller.came is None:
            self._ask(caller)

    def _start(self, taken: float) -> int:
        """The permit's start as the store counts: since the birth of its state."""
        return round((taken - self.opened_at) * MICRO)

    def _flush(self, process: Process) -> None:
        if process.reports:
            self._say(process, learn=self.terms.get("learn", False))

    def _say(self, process: Process, **question: Any) -> dict[str, Any]:
        self.questions += 1
        now, rate = self.bucket.now, dict(process.reading)
        if rate:
            rate["since"], rate["age"] = (int((now - rate.pop(name)) * MICRO) for name in ("taken", "received"))
        reports = [
            [slot, deadline, int((now - received) * MICRO), start]
            for slot, deadline, received, start in process.reports
        ]
        process.reports, process.reading = [], {}
        if process.answered is not None:
            question["expected_now"] = process.answered[1] + round((now - process.answered[0]) * MICRO)
        return self.bucket.run(epoch=process.epoch, reports=reports, rate=rate, **question)


def simulation(bucket: Bucket, window: str, profile: str, terms: dict[str, Any], seed: int = 1) -> Simulation:
    return Simulation(bucket, WINDOWS[window](WINDOW), PROFILES[profile], random.Random(seed), terms)
