"""The store's clock is the only one that permits depend on: what becomes of them when it is set."""

from __future__ import annotations

import pytest

from tests.quota.bucket import SLACK, WINDOW, Bucket

HOUR = 3600.0


@pytest.fixture
def spent(bucket: Bucket) -> Bucket:
    """All of its slots rest since now."""
    bucket.open(10)
    bucket.report(*bucket.ask(want=9))
    return bucket


def test_set_back_a_little_it_lets_slots_rest_longer(spent: Bucket) -> None:
    epoch, spent.skew = spent.epoch, -30.0
    spent.now += 30.0 + WINDOW - 0.1
    assert spent.ask(want=10) == []
    spent.now += 0.2
    assert len(spent.ask(want=10)) == 10
    assert spent.epoch == epoch


@pytest.mark.parametrize("known", [True, False])
def test_set_back_an_hour_it_costs_one_fence(spent: Bucket, known: bool) -> None:
    spent.skew = -HOUR
    caller = spent if known else spent.other()
    assert caller.ask(want=10) == []
    assert caller.wait == pytest.approx(WINDOW + SLACK)
    caller.now += WINDOW + SLACK - 0.01
    assert caller.ask(want=10) == []
    caller.now += 0.02
    assert len(caller.ask(want=20)) == 10, "the limit is remembered"


def test_set_back_before_the_states_birth_it_costs_one_fence_as_well(bucket: Bucket) -> None:
    bucket.open(10)
    bucket.skew = -HOUR
    bucket.ask()
    bucket.now += WINDOW + SLACK
    assert len(bucket.ask(want=20)) == 10


def test_a_longer_window_makes_the_fence_longer(bucket: Bucket) -> None:
    bucket.open(10, interval=30_000_000)
    bucket.now += 60.0
    bucket.report(*bucket.ask(want=10))
    bucket.skew = -HOUR
    assert bucket.ask() == []
    bucket.now += 30.0 + SLACK - 0.01
    assert bucket.ask() == []
    bucket.now += 0.02
    assert len(bucket.ask(want=20)) == 10


def test_a_report_from_before_it_was_set_back_frees_nothing(bucket: Bucket) -> None:
    bucket.open(10)
    in_flight = bucket.ask(want=9)
    bucket.skew = -HOUR
    bucket.ask()
    bucket.report(*in_flight, age=None)
    assert bucket.free() == 0


def test_set_forward_a_little_it_shortens_the_rest_under_way_and_no_other(spent: Bucket) -> None:
    spent.skew = 2.5
    spent.now += WINDOW - 2.6
    assert spent.ask(want=10) == []
    spent.now += 0.2
    again = spent.ask(want=10)
    assert len(again) == 10
    spent.report(*again)
    spent.now += WINDOW - 0.1
    assert spent.ask(want=10) == []
    spent.now += 0.2
    assert len(spent.ask(want=10)) == 10


@pytest.mark.parametrize("seconds", [4.0, WINDOW, HOUR])
def test_set_forward_further_it_costs_one_fence(spent: Bucket, seconds: float) -> None:
    spent.now += 5.0
    spent.skew = seconds
    assert spent.ask(want=10) == []
    spent.now += WINDOW + SLACK - 0.01
    assert spent.ask(want=10) == []
    spent.now += 0.02
    assert len(spent.ask(want=10)) == 10


def test_one_caller_detects_the_clock_change_for_all(spent: Bucket) -> None:
    newcomer = spent.other()
    spent.skew = newcomer.skew = HOUR
    spent.now = newcomer.now = spent.now + 1.0
    assert spent.ask() == []
    assert newcomer.ask() == []


def test_a_caller_that_was_away_for_long_does_not_take_that_for_a_set_clock(spent: Bucket) -> None:
    spent.now += 600.0
    assert len(spent.ask(want=10)) == 10


def test_a_window_learned_before_is_not_believed_after(spent: Bucket) -> None:
    born = int(spent.client.hget(spent.keys[1], "b") or 0)
    opened = round(spent.now * 1_000_000) - born
    spent.client.hset(spent.keys[1], mapping={"lp": 3, "lo": opened, "hi": opened + 100_000})
    spent.now += 1.0
    spent.skew = HOUR
    spent.ask(learn=True)
    assert spent.client.hmget(spent.keys[1], "lo", "hi") == [None, None]
