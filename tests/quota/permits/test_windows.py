"""The proof, run: whatever window the vendor keeps, and whatever the network does to our calls, it never refuses one.

A small world on a clock of its own: workers ask the real script, their calls travel with any latency, are counted by
the sandbox's own windows, and come back, get lost, crash or never leave. Of lost calls it is only assumed that they are
counted at latest a second after they were given up, and of a lost state that what was in flight is counted within the
slack.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.sandbox.quota import WINDOWS, BurstWindow
from tests.quota.bucket import SLACK, TTL, WINDOW, Bucket, Granted

HTTP_TIMEOUT = TTL - 10.0


@dataclass(frozen=True)
class Ask:
    """After `after` seconds a worker asks; its calls take these ways, and this becomes of them."""

    after: float
    want: int
    stall: float
    forth: float
    back: float
    late: float
    fate: str


asks = st.builds(
    Ask,
    after=st.sampled_from([0.0, 0.0, 0.001, 0.1, 0.5, 2.0, 9.9, 10.0, 10.01, 30.0]),
    want=st.integers(1, 40),
    stall=st.sampled_from([0.0, 0.0, 0.05, 4.9]),
    forth=st.sampled_from([0.0, 0.001, 0.2, 1.0, 4.5]),
    back=st.sampled_from([0.0, 0.001, 0.3, 5.0]),
    late=st.sampled_from([0.0, 0.002, 1.0, 40.0]),
    fate=st.sampled_from(["answered"] * 5 + ["twice", "lost", "crashed", "unsent"]),
)


@dataclass
class World:
    bucket: Bucket
    window: BurstWindow
    limit: int
    phase: float
    refused: list[float] = field(default_factory=list)
    counted: int = 0
    first_report_at: float = math.inf
    _events: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def at(self, moment: float, act: Callable[[], object]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), act))

    def run(self) -> None:
        while self._events:
            self.bucket.now, _, act = heapq.heappop(self._events)
            act()

    def ask(self, way: Ask) -> None:
        for permit in self.bucket.ask(way.want, horizon=0.25, credit=20):
            self._send(permit, way)

    def _send(self, permit: Granted, way: Ask) -> None:
        sent = permit.start + way.stall
        if way.fate == "unsent":
            self.at(sent, lambda: self.bucket.report(permit, age=None))
            return
        counted = sent + way.forth
        received = counted + way.back
        if way.fate == "crashed":
            self.at(counted, self._count)
        elif way.fate == "lost":
            given_up = max(sent, counted - 1.0)
            self.at(counted, self._count)
            self.at(given_up + way.late, lambda: self.bucket.report(permit, age=way.late - 1.0))
        else:
            rate: dict[str, Any] = {}
            self.at(counted, lambda: rate.update(self._count()))
            times = 2 if way.fate == "twice" else 1
            for _ in range(times):
                self.at(received + way.late, lambda: self._report(permit, way.late, rate))

    def _report(self, permit: Granted, age: float, rate: dict[str, Any]) -> None:
        self.first_report_at = min(self.first_report_at, self.bucket.now)
        self.bucket.report(permit, age=age, **rate)

    def _count(self) -> dict[str, int]:
        now = self.bucket.now + self.phase
        if self.window.used(now) >= self.limit:
            self.refused.append(self.bucket.now)
        else:
            self.window.count(now)
            self.counted += 1
        return {"max": self.limit, "remaining": self.limit - self.window.used(now)}


def quick(way: Ask) -> Ask:
    """A way on which a call is counted within the slack, which is all that is asked of calls in flight."""
    return replace(way, stall=min(way.stall, 0.05), forth=min(way.forth, SLACK - 0.1))


def play(world: World, ways: list[Ask]) -> None:
    moment = world.bucket.now
    for way in ways:
        moment += way.after
        world.at(moment, partial(world.ask, way))
    world.run()


pytestmark = [pytest.mark.parametrize("kind", sorted(WINDOWS)), pytest.mark.slow]
real_server = settings(max_examples=60)


def make(bucket: Bucket, kind: str, limit: int, phase: float) -> World:
    fresh = Bucket(bucket.client)
    return World(fresh, WINDOWS[kind](WINDOW), limit, phase)


@pytest.mark.servers
@given(ways=st.lists(asks, min_size=2, max_size=25), limit=st.sampled_from([25, 30, 100]), phase=st.floats(0, WINDOW))
@real_server
def test_the_vendor_never_refuses(bucket: Bucket, kind: str, ways: list[Ask], limit: int, phase: float) -> None:
    world = make(bucket, kind, limit, phase)
    play(world, ways)
    assert world.refused == []


@given(ways=st.lists(asks, min_size=4, max_size=25), limit=st.sampled_from([1, 3, 10]), phase=st.floats(0, WINDOW))
@real_server
def test_a_limit_below_the_assumed_one_is_kept_once_it_is_reported(
    bucket: Bucket, kind: str, ways: list[Ask], limit: int, phase: float
) -> None:
    """When the probe is lost, 25 are assumed; what goes out before a header says otherwise may be refused."""
    world = make(bucket, kind, limit, phase)
    play(world, [quick(way) for way in ways])
    assert [moment for moment in world.refused if moment > world.first_report_at + WINDOW + SLACK] == []


@given(
    ways=st.lists(asks, min_size=4, max_size=25),
    lost=st.integers(1, 20),
    limit=st.sampled_from([25, 100]),
    phase=st.floats(0, WINDOW),
)
@real_server
def test_no_window_is_exceeded_when_the_store_loses_everything(
    bucket: Bucket, kind: str, ways: list[Ask], lost: int, limit: int, phase: float
) -> None:
    world = make(bucket, kind, limit, phase)
    when = world.bucket.now + sum(way.after for way in ways[:lost]) + 0.0005
    world.at(when, lambda: world.bucket.client.delete(*world.bucket.keys))
    play(world, [quick(way) for way in ways])
    assert world.refused == []


@given(
    ways=st.lists(asks, min_size=4, max_size=25),
    when=st.integers(1, 20),
    seconds=st.sampled_from([-86_400.0, -80.0, -60.0, -9.0, -1.0, -0.001]),
    limit=st.sampled_from([25, 100]),
    phase=st.floats(0, WINDOW),
)
@real_server
def test_no_window_is_exceeded_when_the_stores_clock_is_set_back(
    bucket: Bucket, kind: str, ways: list[Ask], when: int, seconds: float, limit: int, phase: float
) -> None:
    world = make(bucket, kind, limit, phase)
    set_clock(world, seconds, after=sum(way.after for way in ways[:when]))
    play(world, [quick(way) for way in ways])
    assert world.refused == []


@pytest.mark.parametrize("seconds", [4.0, 9.0, 20.0, 7200.0])
def test_no_window_is_exceeded_when_the_clock_is_set_forward_under_way(
    bucket: Bucket, kind: str, seconds: float
) -> None:
    world = make(bucket, kind, 100, 3.0)
    set_clock(world, seconds, after=32.0)
    play(world, [Ask(after=0.05, want=20, stall=0.0, forth=0.2, back=0.2, late=0.001, fate="answered")] * 1000)
    assert world.refused == []
    assert world.counted > 250


def set_clock(world: World, seconds: float, *, after: float) -> None:
    world.at(world.bucket.now + after + 0.0005, lambda: setattr(world.bucket, "skew", seconds))


def test_nearly_the_whole_quota_is_used(bucket: Bucket, kind: str) -> None:
    """A saturated minute at 50 ms there and 50 ms back: the cycle of a slot is the window and the round trip."""
    world = make(bucket, kind, 100, 3.0)
    way = Ask(after=0.05, want=20, stall=0.0, forth=0.05, back=0.05, late=0.001, fate="answered")
    play(world, [way] * 1200)
    assert world.refused == []
    assert world.counted >= 0.975 * 6 * 100
