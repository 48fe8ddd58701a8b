"""Any order of asking, reporting, repeating, learning, losing and waiting keeps the one promise that the proof needs:

a slot goes out again only one window after the response to its last call, and no more than the limit lie out or rest.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from tests.quota.bucket import MARGIN, SLACK, START, TTL, WINDOW, Bucket, Granted

pytestmark = [pytest.mark.slow, pytest.mark.servers]

MICROSECOND = 2e-6  # twice: floats of this size round


class Permits(RuleBasedStateMachine):
    permits = Bundle("permits")

    @initialize()
    def begin(self) -> None:
        self.client = redis.Redis.from_url(os.environ["REDIS_URL"])
        self.bucket = Bucket(self.client)
        self.limit = START
        self.free_from: dict[int, float] = {}  # slot -> the moment before which it must not go out
        self.deadlines: dict[int, int] = {}  # slot -> the deadline of its permit, while that is out
        self.silent_until = 0.0

    def teardown(self) -> None:
        if hasattr(self, "client"):
            self.client.delete(*self.bucket.keys)
            self.client.close()

    @rule(
        target=permits,
        want=st.integers(1, 30),
        horizon=st.sampled_from([0.0, 0.25, 10.0]),
        credit=st.sampled_from([0, 8, 1000]),
        reserve=st.integers(0, 2),
        interactive=st.booleans(),
        spare=st.sampled_from([None, 1, 7]),
    )
    def ask(self, want: int, horizon: float, credit: int, reserve: int, interactive: bool, spare: int | None) -> object:
        granted = self.bucket.ask(
            want, horizon=horizon, credit=credit, reserve=reserve, interactive=interactive, spare=spare
        )
        assert len({permit.slot for permit in granted}) == len(granted) <= want + (spare or 0)
        assert all(permit.start == self.bucket.now for permit in granted[want:]), "spares start at once"
        for permit in granted:
            assert permit.slot >= 0
            assert permit.start >= self.free_from.get(permit.slot, 0.0) - MICROSECOND
            assert permit.start >= self.silent_until - MICROSECOND
            assert permit.start <= self.bucket.now + horizon + MICROSECOND
            self.free_from[permit.slot] = permit.start + WINDOW + TTL
            assert sum(free > permit.start + MICROSECOND for free in self.free_from.values()) <= self.limit
            self.deadlines[permit.slot] = permit.deadline
        if len(granted) < want:
            assert self.bucket.wait > 0
            assert self.bucket.reason == "burst"
        return multiple(*granted)

    @rule(permit=permits, ago=st.sampled_from([0.0, 0.1, 3.0, 9.0, 60.0]), with_headers=st.booleans())
    def answered(self, permit: Granted, ago: float, with_headers: bool) -> None:
        """Also repeats, and reports that come after the slot was given to another caller."""
        received = max(permit.start, self.bucket.now - ago)
        self.bucket.now = max(self.bucket.now, received)
        age = self.bucket.now - received
        rate: dict[str, Any] = {"max": self.limit, "remaining": 0} if with_headers else {}
        self.bucket.report(permit, age=age, **rate)
        self._given_back(permit, received + WINDOW + MARGIN)

    @rule(permit=permits)
    def never_sent(self, permit: Granted) -> None:
        self.bucket.now = max(self.bucket.now, permit.start)
        self.bucket.report(permit, age=None)
        self._given_back(permit, permit.start)

    @rule(limit=st.sampled_from([1, 10, 25, 30, 100]))
    def limit_changes(self, limit: int) -> None:
        if self.bucket.client.exists(self.bucket.keys[1]):
            for _ in range(3):
                self.bucket.learn(max=limit)
            self.limit = limit

    @rule(seconds=st.sampled_from([0.01, 1.0, 9.99, 10.01, 31.0, 3000.0]))
    def wait(self, seconds: float) -> None:
        self.bucket.now += seconds

    @rule()
    def everything_is_lost(self) -> None:
        if self.bucket.epoch and self.bucket.client.delete(*self.bucket.keys):
            self.bucket.now += 0.001
            self.bucket.ask()
            self.limit, self.free_from, self.deadlines = START, {}, {}
            self.silent_until = self.bucket.now + WINDOW + SLACK

    @invariant()
    def slots_are_at_least_as_many_as_the_limit(self) -> None:
        if hasattr(self, "bucket") and self.bucket.client.exists(self.bucket.keys[1]):
            assert self.bucket.slots() >= self.limit or self.bucket.slots() == 0

    def _given_back(self, permit: Granted, free_from: float) -> None:
        """What a report may do: only the permit that is out now frees its slot."""
        if permit.epoch == self.bucket.epoch and self.deadlines.get(permit.slot) == permit.deadline:
            self.free_from[permit.slot] = free_from
            del self.deadlines[permit.slot]


TestPermits = Permits.TestCase
TestPermits.settings = settings(max_examples=60, stateful_step_count=40)
