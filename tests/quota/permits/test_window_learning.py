"""Hours of saturated traffic on the real script: where windows are fixed they are learned, and nothing is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.quota.permits.lanes import Lane
from tests.quota.bucket import Bucket, Granted, terms
from tests.quota.simulator import PROFILES, Simulation, simulation

pytestmark = pytest.mark.slow

BULK = {"horizon": 2.0, "credit": Lane.BULK.terms.credit}
SLOW = next(iter(PROFILES))


def play(bucket: Bucket, window: str, *, mishaps: float = 0.0, **terms: Any) -> tuple[Simulation, float]:
    world = simulation(bucket, window, SLOW, BULK | terms)
    world.profile = replace(world.profile, lost=mishaps, killed=mishaps)
    return world, world.run(2500)


def report(bucket: Bucket, permit: Granted, remaining: int, start: int) -> None:
    """The answer to a call that was sent a tenth of a second ago."""
    rate = {"max": 10, "remaining": remaining, "start": start, "since": 100_000, "age": 0}
    bucket.run(reports=[[permit.slot, permit.deadline, 0, start]], rate=rate, learn=True)


def proofs(bucket: Bucket) -> int:
    return int(bucket.client.hget(bucket.keys[1], "lp") or 0)


@pytest.mark.servers
@pytest.mark.parametrize("window", ["fixed", "first"])
def test_a_fixed_window_is_used_as_a_whole(bucket: Bucket, window: str) -> None:
    world, used = play(bucket, window, learn=True)
    assert world.refused == 0
    assert proofs(bucket) >= 3
    assert used > 0.988


@pytest.mark.parametrize("window", ["fixed", "first", "sliding"])
def test_without_learning_a_slot_rests_a_window_after_its_response(bucket: Bucket, window: str) -> None:
    world, used = play(bucket, window)
    assert world.refused == 0
    assert used == pytest.approx(10 / 10.21, abs=0.004)


def test_a_sliding_window_is_never_taken_for_a_fixed_one(bucket: Bucket) -> None:
    world, used = play(bucket, "sliding", learn=True)
    assert world.refused == 0
    assert proofs(bucket) == 0
    assert used == pytest.approx(10 / 10.21, abs=0.004)


@pytest.mark.parametrize("window", ["fixed", "first", "sliding"])
def test_calls_that_are_lost_or_die_cost_slots_and_nothing_else(bucket: Bucket, window: str) -> None:
    world, used = play(bucket, window, mishaps=0.01, learn=True)
    assert world.refused == 0
    assert used > 0.93


@pytest.mark.parametrize(("limit", "every"), [(25, 1.0), (100, 1.0), (25, 20.0)])
@pytest.mark.parametrize("window", ["fixed", "first", "sliding"])
def test_bulk_work_leaves_of_each_window_what_the_lanes_above_will_want(
    bucket: Bucket, window: str, limit: int, every: float
) -> None:
    """Where all slots come back at once, two of them would not last until then."""
    world = simulation(bucket, window, SLOW, terms(Lane.BULK) | {"learn": True})
    world.limit = limit
    world.visits(every, terms(Lane.INTERACTIVE) | {"learn": True})
    used = world.run(25 * limit)
    waits = sorted(world.waits[5:])
    assert world.refused == 0
    assert used > (0.9 if limit == 25 else 0.95)
    assert waits[len(waits) // 2] == 0
    assert waits[int(0.9 * len(waits))] < 2.5, (
        "who comes after a silence in the last quarter of a window waits for the next"
    )
    assert waits[-1] < 6.0


def test_one_question_a_call(bucket: Bucket) -> None:
    world, _ = play(bucket, "sliding")
    assert world.questions < 1.1 * world.counted


def test_what_was_believed_is_forgotten_when_others_come(bucket: Bucket) -> None:
    play(bucket, "first", learn=True)
    assert proofs(bucket) >= 3
    bucket.now += 30
    (permit,) = bucket.ask()
    bucket.now += 0.2
    bucket.report(permit, max=100, remaining=50, since=200_000, age=0)
    state = bucket.client.hmget(bucket.keys[1], "lp", "lo", "hi")
    assert state == [b"0", None, None]
    assert bucket.ask(want=100) == []


def test_an_opening_window_is_entered_by_many_at_once_until_the_first_answer(bucket: Bucket) -> None:
    """The quickest of them shows best since when it is open."""
    bucket.open(100)
    bucket.client.hset(bucket.keys[1], mapping={"lp": 3, "lo": 1_000, "hi": 100_000})
    bucket.now += 10.2
    terms = {"credit": 8, "learn": True}
    first, *others = bucket.ask(want=90, **terms)
    assert len(others) == 8 + 60
    assert bucket.ask(**terms) == []
    bucket.now += 0.1
    start = round((first.start - 1_700_000_000.0) * 1_000_000)
    bucket.run(reports=[[first.slot, first.deadline, 0, start]], learn=True)
    assert int(bucket.client.hget(bucket.keys[1], "hi") or 0) == 10_300_000
    bucket.now += 0.5
    assert bucket.ask(**terms) == [], "who ran ahead waits"
    bucket.now += 5.0
    assert len(bucket.ask(**terms)) == 1


def test_a_window_that_opens_is_not_taken_for_the_one_before(bucket: Bucket) -> None:
    """That one is only known to have opened within seven seconds: there was time for another since."""
    bucket.open(10)
    bucket.now += 20
    first, *_ = bucket.ask(want=8)
    sent = round((first.start - 1_700_000_000.0) * 1_000_000)
    bucket.now += 0.1
    report(bucket, first, 2, sent)
    known = {"lp": 3, "lo": sent - 7_500_000, "hi": sent + 100_000}
    bucket.client.hset(bucket.keys[1], mapping=known)
    bucket.now += 2.8
    (second,) = bucket.ask()
    start = round((second.start - 1_700_000_000.0) * 1_000_000)
    bucket.now += 0.1
    report(bucket, second, 9, start)
    lo, opened_by = (int(number or 0) for number in bucket.client.hmget(bucket.keys[1], "lo", "hi"))
    assert (lo - sent, opened_by - sent) == (0, 3_000_000)
