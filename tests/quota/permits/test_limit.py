"""What headers say of the limit and its window: a smaller limit counts at once, all else when three answers agree."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

import pytest

from integrations.quota.permits import queries, timings
from integrations.sandbox.quota import WINDOWS
from tests.quota.bucket import SLACK, TTL, WINDOW, Bucket
from tests.quota.simulator import PROFILES, Simulation

SECOND = 1_000_000


def say(bucket: Bucket, answers: int = 3, **rate: int) -> None:
    for _ in range(answers):
        bucket.learn(**rate)


def worst(moments: list[float]) -> int:
    """The most calls in any window."""
    most, window = 0, deque[float]()
    for moment in sorted(moments):
        window.append(moment)
        while window[0] <= moment - WINDOW:
            window.popleft()
        most = max(most, len(window))
    return most


def test_a_higher_limit_opens_after_a_fence(bucket: Bucket) -> None:
    bucket.open(25)
    bucket.ask(want=24)
    say(bucket, max=100)
    assert bucket.slots() == 100
    bucket.now += WINDOW + SLACK - 0.01
    assert bucket.free() == 1, "the probe's"
    bucket.now += 0.02
    assert bucket.free() == 1 + 75


def test_a_higher_limit_said_twice_is_not_learned(bucket: Bucket) -> None:
    bucket.open(25)
    for _ in range(5):
        say(bucket, 2, max=100)
        say(bucket, 1, max=25)
    assert bucket.slots() == 25


@pytest.mark.parametrize("spent", [0, 10, 24, 25, 50, 99])
def test_a_lower_limit_counts_at_once_and_costs_no_rest(bucket: Bucket, spent: int) -> None:
    bucket.open(100)
    bucket.now += WINDOW + SLACK
    granted = bucket.ask(want=spent)
    bucket.learn(max=25)
    assert len(bucket.ask(want=100)) == max(0, 25 - spent)
    bucket.report(*granted, max=25)
    bucket.now += WINDOW + TTL + 0.1
    assert len(bucket.ask(want=100)) == 25


def test_slots_kept_of_a_larger_limit_are_not_shown_as_free(bucket: Bucket) -> None:
    seen = Bucket(bucket.client, name="app:resource")
    seen.open(100)
    seen.learn(max=25)
    found = queries.snapshot("app", "resource")
    assert (found.limit, found.free) == (25, 25)


def test_the_former_limit_is_back_without_a_rest(bucket: Bucket) -> None:
    bucket.open(100)
    bucket.now += WINDOW + SLACK
    assert len(bucket.ask(want=40)) == 40
    bucket.learn(max=10)
    say(bucket, 2, max=100)
    assert bucket.ask(want=100) == []
    bucket.learn(max=100)
    assert len(bucket.ask(want=100)) == 60


def test_a_limit_below_the_guess_leaves_no_slot_that_was_never_used(bucket: Bucket) -> None:
    bucket.open(10)
    assert bucket.slots() == 10


def test_what_is_promised_for_the_end_of_the_fence_is_kept_of_a_limit_below_the_guess(bucket: Bucket) -> None:
    (probe,) = bucket.ask()
    promised = bucket.ask(want=8, horizon=20.0)
    assert len(promised) == 8
    bucket.report(probe, max=10, remaining=9)
    assert len(bucket.ask(want=10)) == 1, "with those and the probe it is ten"


def test_a_window_that_only_one_answer_names_changes_nothing(bucket: Bucket) -> None:
    """A header of its own, or beside an endpoint's own limit: the calls of the last window are not forgotten."""
    bucket.open(100)
    bucket.now += WINDOW + SLACK
    counted = []
    for rate in ({"interval": SECOND}, {"interval": SECOND, "max": 100}, {"interval": SECOND, "max": 10}) * 3:
        granted = bucket.ask(want=100)
        counted += [permit.start for permit in granted]
        bucket.now += 0.1
        bucket.report(*granted, **rate)
        bucket.now += 1.2
    assert worst(counted) <= 100


def test_a_window_without_a_limit_beside_it_is_not_believed(bucket: Bucket) -> None:
    bucket.open(10)
    say(bucket, interval=SECOND)
    bucket.report(*bucket.ask(want=9))
    bucket.now += 1.1
    assert bucket.free() == 0


def test_a_shorter_window_is_learned_from_three_answers_and_all_rest_for_the_old_one(bucket: Bucket) -> None:
    bucket.open(10)
    bucket.report(*bucket.ask(want=9))
    say(bucket, max=10, interval=SECOND)
    bucket.now += WINDOW + SLACK - 0.01
    assert bucket.free() == 0
    bucket.now += 0.02
    granted = bucket.ask(want=10)
    assert len(granted) == 10
    bucket.report(*granted)
    bucket.now += 1.01
    assert bucket.free() == 10


def test_a_longer_window_is_learned_from_three_answers_and_all_rest_for_it(bucket: Bucket) -> None:
    bucket.open(10)
    say(bucket, 2, max=10, interval=30 * SECOND)
    assert bucket.free() == 9
    bucket.learn(max=10, interval=30 * SECOND)
    bucket.now += 30 + SLACK - 0.01
    assert bucket.free() == 0
    bucket.now += 0.02
    assert bucket.free() == 10


@dataclass
class Mixed(Simulation):
    """Some answers speak of another limit, some say nonsense about what is left."""

    another: float = 0.0
    nonsense: float = 0.0

    def _receive(self, process: Any, report: list[Any], reading: dict[str, Any]) -> None:
        if reading and not reading["refused"]:
            if self.chance.random() < self.another:
                reading = reading | {"max": 10, "remaining": 9}
            if self.chance.random() < self.nonsense:
                reading = reading | {"remaining": self.chance.choice([0, 50, 99, 99, 99])}
        super()._receive(process, report, reading)


def mixed(bucket: Bucket, window: str, seed: int, **share: float) -> Mixed:
    profile = next(iter(PROFILES.values()))
    terms = {"learn": True, "horizon": 0.9, "credit": 20}
    return Mixed(Bucket(bucket.client), WINDOWS[window](WINDOW), profile, random.Random(seed), terms, **share)


@pytest.mark.slow
def test_another_limit_now_and_then_costs_next_to_nothing(bucket: Bucket) -> None:
    world = mixed(bucket, "sliding", 3, another=0.001)
    assert world.run(6000) > 0.95
    assert world.refused == 0


@pytest.mark.slow
@pytest.mark.parametrize("window", sorted(WINDOWS))
@pytest.mark.parametrize("nonsense", [0.003, 0.01])
def test_nonsense_now_and_then_is_never_followed(bucket: Bucket, window: str, nonsense: float) -> None:
    """With a belief in fixed windows that it feeds, a sliding one refused a call in two thousand."""
    for seed in range(3):
        world = mixed(bucket, window, seed, nonsense=nonsense)
        assert world.run(2000) > 0.6
        assert world.refused == 0


@pytest.mark.parametrize("lost", ["everything", "the latest"])
def test_calls_as_late_as_they_may_be_are_counted_before_the_fence_ends(bucket: Bucket, lost: str) -> None:
    """The store is emptied, or back with an older copy, while ten threads stand still as long as a permit lets them."""
    bucket.open(100)
    bucket.now += WINDOW + SLACK
    copies = [(key, bucket.client.dump(key)) for key in bucket.keys]
    stalled = bucket.ask(want=10)
    counted = [bucket.now + timings.RECHECK_AFTER + timings.SEND_WITHIN + timings.COUNTED_WITHIN] * len(stalled)
    bucket.client.delete(*bucket.keys)
    if lost == "the latest":
        for key, copy in copies:
            bucket.client.restore(key, 0, copy)
        bucket.server = "another run"
    while bucket.now < counted[0] + 2 * WINDOW:
        bucket.now += 0.25
        counted += [permit.start for permit in bucket.ask(want=100)]
    assert len(counted) > 30
    assert worst(counted) <= (100 if lost == "the latest" else 25)
