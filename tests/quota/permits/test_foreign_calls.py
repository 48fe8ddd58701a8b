"""Somebody else spends the same quota, the vendor refuses a call, the store comes back with an older copy."""

from __future__ import annotations

from typing import Any

import pytest

from tests.quota.bucket import SLACK, TTL, WINDOW, Bucket, Granted


def at_work(bucket: Bucket, limit: int = 100, **rate: int) -> Bucket:
    """Past the fence of a new state, with nothing under way."""
    bucket.open(limit, **rate)
    bucket.now += WINDOW + SLACK + 1
    return bucket


def answered(bucket: Bucket, *permits: Granted, remaining: int, limit: int = 100, **rate: Any) -> None:
    bucket.report(*permits, max=limit, remaining=remaining, since=200_000, **rate)


def call(bucket: Bucket, remaining: int, limit: int = 100) -> None:
    """One call that takes 200 ms."""
    permits = bucket.ask()
    bucket.now += 0.2
    answered(bucket, *permits, remaining=remaining, limit=limit)


def test_our_own_calls_do_not_count_as_those_of_others(bucket: Bucket) -> None:
    at_work(bucket)
    for left in range(99, 79, -1):
        call(bucket, left)
    assert len(bucket.ask(want=100)) == 80


def test_calls_under_way_are_not_mistaken_for_others(bucket: Bucket) -> None:
    at_work(bucket)
    permits = bucket.ask(want=30)
    bucket.now += 0.2
    answered(bucket, permits[0], remaining=70)
    assert len(bucket.ask(want=100)) == 70


def test_slots_are_left_to_other_clients(bucket: Bucket) -> None:
    at_work(bucket)
    call(bucket, 99 - 9)
    # Nine others, and 3.3 times their square root more.
    assert len(bucket.ask(want=100)) == 100 - 1 - 9 - 10


def test_withheld_slots_come_back_within_a_minute(bucket: Bucket) -> None:
    at_work(bucket)
    call(bucket, 90)
    bucket.now += 30
    assert len(bucket.ask(want=100)) in range(89, 92)
    bucket.now += 60
    assert len(bucket.ask(want=100)) == 100


def test_one_slot_is_always_ours(bucket: Bucket) -> None:
    at_work(bucket)
    call(bucket, 0)
    bucket.now += WINDOW + 1
    assert len(bucket.ask(want=100)) == 1


def test_a_header_from_before_a_lower_limit_counts_no_others(bucket: Bucket) -> None:
    at_work(bucket)
    permits = bucket.ask(want=60)
    bucket.now += 0.2
    answered(bucket, permits[0], remaining=0, limit=25)
    bucket.now += 1
    answered(bucket, *permits[1:20], remaining=0, limit=25)
    bucket.now += WINDOW + TTL
    assert len(bucket.ask(want=100)) == 25


def test_a_refusal_fences_a_window_and_leaves_five_slots(bucket: Bucket) -> None:
    at_work(bucket)
    (permit,) = bucket.ask()
    bucket.now += 0.2
    bucket.report(permit, refused=True)
    bucket.now += WINDOW + SLACK - 0.01
    assert bucket.ask(want=100) == []
    bucket.now += 0.02
    assert len(bucket.ask(want=100)) == 96, "one of the five has melted"


def test_many_refusals_of_one_moment_count_as_one(bucket: Bucket) -> None:
    at_work(bucket)
    permits = bucket.ask(want=20)
    for permit in permits:
        bucket.report(permit, refused=True)
    bucket.now += WINDOW + SLACK + 0.01
    assert len(bucket.ask(want=100)) == 96


@pytest.mark.parametrize("said", [{"remaining": 3}, {"remaining": 60}])
def test_a_refusal_for_another_reason_costs_this_quota_nothing(bucket: Bucket, said: dict[str, Any]) -> None:
    """An endpoint has its own limit: the header says that this one has calls left."""
    at_work(bucket)
    (permit,) = bucket.ask()
    bucket.report(permit, refused=True, **said)
    assert len(bucket.ask(want=100)) == 99


def test_others_calls_of_the_day_are_counted(bucket: Bucket) -> None:
    at_work(bucket, daily_limit=1000, daily_remaining=999)
    (permit,) = bucket.ask()
    bucket.report(permit, daily_limit=1000, daily_remaining=950)
    left, others = bucket.client.hmget(bucket.keys[1], "dr", "df")
    assert (int(left or 0), int(others or 0)) == (950, 48)


def test_a_day_shared_with_others_is_not_overspent_by_calls_under_way(bucket: Bucket) -> None:
    """A header may have been written before the calls that were under way: they are still to be taken off."""
    at_work(bucket, daily_limit=1000, daily_remaining=999)
    permits = bucket.ask(want=20)
    bucket.report(permits[0], daily_limit=1000, daily_remaining=30)
    under_way, left = permits[1:], 30 - 19
    while granted := bucket.ask(want=100):
        assert len(granted) <= left
        left -= len(granted)
        bucket.report(*under_way, *granted, max=100, daily_limit=1000, daily_remaining=left)
        under_way = []
    assert (left, bucket.reason) == (0, "day")


def test_what_never_left_is_given_back_to_the_day(bucket: Bucket) -> None:
    at_work(bucket, daily_limit=1000, daily_remaining=3)
    (permit,) = bucket.ask()
    bucket.report(permit, age=None)
    assert len(bucket.ask(want=10)) == 3


def test_a_header_of_yesterday_says_nothing_about_today(bucket: Bucket) -> None:
    at_work(bucket, daily_limit=1000, daily_remaining=10, daily_reset=20_000_000)
    (late,) = bucket.ask()
    bucket.now += 30
    (permit,) = bucket.ask()
    bucket.report(permit, daily_limit=1000, daily_remaining=999, daily_reset=86_000_000_000)
    bucket.report(late, age=29.0, daily_limit=1000, daily_remaining=2, daily_reset=1_000_000)
    assert int(bucket.client.hget(bucket.keys[1], "dr") or 0) > 990


def test_a_restored_copy_is_fenced(bucket: Bucket) -> None:
    at_work(bucket)
    bucket.ask()
    slots = bucket.client.dump(bucket.keys[0])
    assert slots is not None
    permits = bucket.ask(want=60)
    bucket.client.restore(bucket.keys[0], 0, slots, replace=True)
    bucket.server = "another run"
    assert bucket.ask(want=10) == []
    bucket.report(*permits, age=None)
    bucket.now += WINDOW + SLACK - 0.01
    assert bucket.ask(want=10) == []
    bucket.now += 0.02
    assert len(bucket.ask(want=100)) == 99


def test_a_report_that_is_sent_again_to_a_restored_copy_does_not_end_its_fence(bucket: Bucket) -> None:
    """The first server took it, and gave the slot to another caller; then it died before it answered."""
    at_work(bucket)
    (permit,) = bucket.ask()
    slots = bucket.client.dump(bucket.keys[0])
    assert slots is not None
    bucket.report(permit, age=None)
    bucket.ask(want=60)
    bucket.client.restore(bucket.keys[0], 0, slots, replace=True)
    bucket.server = "another run"
    bucket.report(permit, age=None)
    bucket.now += WINDOW + SLACK - 0.01
    assert bucket.ask(want=10) == []


def test_a_restart_in_the_middle_of_a_probe_is_fenced_too(bucket: Bucket) -> None:
    (probe,) = bucket.ask()
    bucket.server = "another run"
    bucket.report(probe, max=100, remaining=99)
    assert bucket.ask(want=100) == []
