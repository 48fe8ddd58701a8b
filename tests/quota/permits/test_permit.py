"""One resource's permits: where learning starts, what a report gives back, and what survives a loss of the state."""

from __future__ import annotations

import pytest

from tests.quota.bucket import SLACK, TTL, WINDOW, Bucket


def test_a_resource_never_seen_is_probed_with_a_single_call(bucket: Bucket) -> None:
    (probe,) = bucket.ask(want=10)
    assert bucket.other().ask(want=10) == []
    bucket.now += 0.2
    bucket.report(probe, max=100, remaining=99)
    assert len(bucket.ask(want=200)) == 99


@pytest.mark.parametrize("left", [98, 7, 0])
def test_a_probe_that_meets_calls_of_others_opens_nothing_before_the_fence(bucket: Bucket, left: int) -> None:
    """After a loss they are our own, and more of them may be under way."""
    (probe,) = bucket.ask()
    bucket.report(probe, max=100, remaining=left)
    bucket.now += WINDOW + SLACK - 0.01
    assert len(bucket.ask(want=100)) == 1, "the probe's"
    bucket.now += 0.02
    assert len(bucket.ask(want=100)) == 99


def test_a_probe_that_reported_nothing_is_followed_by_one_more(bucket: Bucket) -> None:
    for _ in range(3):
        (probe,) = bucket.ask(want=10)
        bucket.report(probe)
    (probe,) = bucket.ask(want=10)
    bucket.report(probe, max=25, remaining=24)
    assert len(bucket.ask(want=100)) == 24 - 3


def test_a_probe_that_never_left_is_simply_free_again(bucket: Bucket) -> None:
    (probe,) = bucket.ask()
    bucket.report(probe, age=None)
    assert len(bucket.ask(want=10)) == 1


def test_a_probe_that_never_comes_back_costs_one_fence(bucket: Bucket) -> None:
    assert bucket.ask(want=10)
    bucket.now += WINDOW + SLACK
    assert len(bucket.ask(want=100)) == 24


def test_a_probe_that_answers_after_the_fence_opens_nothing_twice(bucket: Bucket) -> None:
    (probe,) = bucket.ask()
    bucket.now += WINDOW + SLACK
    assert len(bucket.ask(want=100)) == 24, "these are on their way"
    bucket.report(probe, max=25, remaining=24)
    assert bucket.ask(want=100) == []


def test_a_slot_comes_back_one_window_after_its_response(bucket: Bucket) -> None:
    bucket.open(10)
    granted = bucket.ask(want=100)
    bucket.now += 3.0
    bucket.report(*granted, age=0.5)
    bucket.now += WINDOW - 0.51
    assert bucket.free() == 1, "the probe's"
    bucket.now += 0.02
    assert bucket.free() == 10


@pytest.mark.parametrize("limit", [7, 30, 60, 77, 100, 999])
def test_a_report_finds_its_slot_whatever_the_pace(bucket: Bucket, limit: int) -> None:
    bucket.open(limit)
    bucket.now += 0.123457
    granted = [permit for _ in range(6) for permit in bucket.ask(credit=2, horizon=10.0)]
    assert len(granted) == 6
    bucket.now = granted[-1].start
    bucket.report(*granted)
    bucket.now += WINDOW + 0.1
    assert bucket.free() == limit


def test_an_unreported_slot_comes_back_at_its_deadline(bucket: Bucket) -> None:
    bucket.open(10)
    assert len(bucket.ask(want=9)) == 9
    bucket.now += WINDOW + TTL - 0.01
    assert bucket.free() == 1
    bucket.now += 0.02
    assert bucket.free() == 10


def test_a_repeated_report_is_ignored(bucket: Bucket) -> None:
    bucket.open(10)
    granted = bucket.ask(want=9)
    bucket.report(*granted)
    bucket.now += WINDOW + 0.1
    again = bucket.ask(want=10)
    assert len(again) == 10
    bucket.report(*granted, age=9.0)
    bucket.report(*granted, age=None)
    bucket.now += 1.5
    assert bucket.free() == 0


def test_a_report_of_another_epoch_is_ignored(bucket: Bucket) -> None:
    bucket.open(10)
    granted = bucket.ask(want=9)
    bucket.report(*granted, age=None, epoch="123")
    assert bucket.free() == 0


@pytest.mark.parametrize("absurd", [0, -5, 1001, 1_000_000])
def test_an_absurd_limit_is_not_learned(bucket: Bucket, absurd: int) -> None:
    bucket.open(25)
    bucket.learn(max=absurd)
    assert bucket.slots() == 25


def test_a_shorter_window_is_learned_from_the_header(bucket: Bucket) -> None:
    bucket.open(10, interval=1_000_000)
    granted = bucket.ask(want=9)
    bucket.report(*granted)
    bucket.now += 1.0
    assert bucket.free() == 0
    bucket.now += 0.01
    assert bucket.free() == 10


def test_a_window_below_a_second_is_not_believed(bucket: Bucket) -> None:
    bucket.open(10)
    bucket.learn(interval=1000)
    bucket.report(*bucket.ask(want=9))
    bucket.now += 1.0
    assert bucket.free() == 0


def test_a_lost_state_is_fenced_for_callers_that_knew_the_old_one(bucket: Bucket) -> None:
    bucket.open(100)
    in_flight = bucket.ask(want=60)
    bucket.client.flushdb()
    bucket.now += 0.001
    assert bucket.ask(want=10) == []
    assert bucket.wait >= WINDOW
    bucket.report(*in_flight, remaining=40)
    bucket.now += WINDOW + SLACK - 0.01
    assert bucket.ask(want=10) == [], "a report from before the loss opens nothing"
    bucket.now += 0.02
    assert len(bucket.ask(want=30)) == 25


def test_a_new_process_first_after_the_loss_does_not_open_it_for_the_others(bucket: Bucket) -> None:
    bucket.open(25)
    bucket.ask(want=20)
    bucket.client.flushdb()
    bucket.now += 0.001
    newcomer = bucket.other()
    (probe,) = newcomer.ask()
    assert bucket.ask(want=5) == [], "it had calls in flight, and now the state knows"
    newcomer.report(probe, max=25, remaining=24)
    assert newcomer.ask(want=25) == []
    newcomer.now += WINDOW + SLACK + 0.01
    assert len(newcomer.ask(want=30)) == 25


def test_a_new_process_waits_for_the_fence_of_a_state_that_was_lost(bucket: Bucket) -> None:
    bucket.open(25)
    bucket.client.flushdb()
    newcomer = bucket.other()
    assert newcomer.run(want=1, lost=None)["epoch"] == "", "nothing is made before it is known"
    assert bucket.client.keys() == []
    assert newcomer.ask(lost=True) == []
    assert newcomer.wait == pytest.approx(WINDOW + SLACK)
    newcomer.now += WINDOW + SLACK
    assert len(newcomer.ask(want=30)) == 25


def test_slots_that_expired_unused_are_all_free(bucket: Bucket) -> None:
    bucket.open(25)
    bucket.client.delete(bucket.keys[0])
    bucket.now += 1801
    assert len(bucket.ask(want=30)) == 25


def test_slots_that_were_evicted_in_use_are_fenced(bucket: Bucket) -> None:
    bucket.open(25)
    bucket.ask(want=24)
    bucket.client.delete(bucket.keys[0])
    assert bucket.ask(want=30) == []
    bucket.now += WINDOW + SLACK + 0.01
    assert len(bucket.ask(want=30)) == 25


def test_both_keys_expire_with_disuse(bucket: Bucket) -> None:
    bucket.open()
    slots, state = bucket.keys
    assert 1700 < bucket.client.ttl(slots) <= 1800
    assert 93000 < bucket.client.ttl(state) <= 93600


def test_deadlines_stay_exact_after_years(bucket: Bucket) -> None:
    bucket.open(10)
    bucket.now += 4 * 365 * 86400 + 0.123457
    granted = bucket.ask(want=3)
    bucket.report(*granted)
    bucket.now += WINDOW + 0.1
    assert bucket.free() == 10
