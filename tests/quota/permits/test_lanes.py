"""What each lane leaves for the others: slots, pace, and parts of the day. And when it may come back, to the second."""

from __future__ import annotations

import pytest

from integrations.quota.permits.lanes import Lane
from tests.quota.bucket import WINDOW, Bucket, Granted, terms

DAY = 86_400
WHOLE_DAY_MS = DAY * 1000


def day(limit: int, left: int, reset: float = DAY) -> dict[str, int]:
    return {"daily_limit": limit, "daily_remaining": left, "daily_reset": int(reset * 1e6)}


def opened(bucket: Bucket, limit: int = 100, **rate: int) -> Bucket:
    bucket.open(limit, **rate)
    bucket.now += WINDOW + 1
    return bucket


def drain(bucket: Bucket, lane: Lane) -> int:
    """Grants at one moment, one by one, until there is none."""
    count = 0
    while bucket.ask(**terms(lane) | {"horizon": 0.0, "credit": 1000}):
        count += 1
    return count


def test_bulk_takes_everything_while_no_lane_above_waits(bucket: Bucket) -> None:
    assert drain(opened(bucket, 20), Lane.BULK) == 20


def test_bulk_leaves_two_and_events_one_to_an_interactive_caller(bucket: Bucket) -> None:
    opened(bucket, 20)
    bucket.ask(**terms(Lane.INTERACTIVE))
    assert drain(bucket, Lane.BULK) == 17
    assert drain(bucket, Lane.EVENTS) == 1
    assert drain(bucket, Lane.INTERACTIVE) == 1


def test_the_reserve_ends_a_minute_after_the_last_interactive_call(bucket: Bucket) -> None:
    opened(bucket, 20)
    (permit,) = bucket.ask(**terms(Lane.INTERACTIVE))
    bucket.report(permit)
    bucket.now += 60.1
    assert drain(bucket, Lane.BULK) == 20


@pytest.mark.parametrize("limit", [1, 2])
def test_a_reserve_never_starves_bulk_for_good(bucket: Bucket, limit: int) -> None:
    opened(bucket, limit)
    (permit,) = bucket.ask(**terms(Lane.INTERACTIVE))
    bucket.report(permit)
    bucket.now += WINDOW + 1
    assert bucket.ask(**terms(Lane.BULK))


@pytest.mark.slow
@pytest.mark.parametrize("lane", [Lane.EVENTS, Lane.BULK])
def test_no_lane_is_starved_by_those_that_always_want_more(bucket: Bucket, lane: Lane) -> None:
    opened(bucket, 20)
    begun = waiting_since = bucket.now
    waits, others, under_way = [], 0, list[tuple[float, Granted]]()
    while bucket.now < begun + 250:
        ended = [permit for end, permit in under_way if end <= bucket.now]
        bucket.report(*ended)
        under_way = [(end, permit) for end, permit in under_way if end > bucket.now]
        granted = bucket.ask(want=5, **terms(Lane.INTERACTIVE) | {"horizon": 2.0})
        others += len(granted)
        if mine := bucket.ask(**terms(lane)):
            waits.append(bucket.now - waiting_since)
            waiting_since = bucket.now
        under_way += [(permit.start + 0.2, permit) for permit in granted + mine]
        bucket.now += 0.25
    assert max([*waits, bucket.now - waiting_since]) < 60 + WINDOW + 2, "a minute, and until the next slot is free"
    assert others > 0.97 * 20 * 250 / (WINDOW + 0.2) - len(waits)


def test_bulk_is_paced_and_interactive_work_is_not(bucket: Bucket) -> None:
    opened(bucket)
    burst = 0
    while bucket.ask(**terms(Lane.BULK) | {"horizon": 0.0}):
        burst += 1
    assert burst == Lane.BULK.terms.credit + 1
    assert bucket.reason == "burst"
    assert 0 < bucket.wait <= WINDOW / 100
    bucket.now += bucket.wait
    assert len(bucket.ask(**terms(Lane.BULK))) == 1, "the wait was exact"
    assert len(bucket.ask(want=50, **terms(Lane.INTERACTIVE))) == 50


def test_a_permit_may_lie_ahead_as_far_as_the_lane_looks(bucket: Bucket) -> None:
    opened(bucket, 10)
    granted = bucket.ask(want=10)
    bucket.report(*granted)
    bucket.now += WINDOW - 0.2
    (ahead,) = bucket.ask(**terms(Lane.BULK))
    assert ahead.start - bucket.now == pytest.approx(0.202, abs=0.001)
    bucket.now -= 1.0
    assert bucket.ask(**terms(Lane.BULK)) == []
    assert len(bucket.ask(**terms(Lane.EVENTS) | {"horizon": 1.3})) == 1


def test_the_day_keeps_a_share_for_the_lanes_above(bucket: Bucket) -> None:
    opened(bucket, 1000, **day(1000, 252))
    assert drain(bucket, Lane.BULK) == 2, "a quarter of the day is kept from bulk"
    assert bucket.reason == "day"
    assert drain(bucket, Lane.EVENTS) == 150
    assert drain(bucket, Lane.INTERACTIVE) == 100


def test_the_share_declines_as_the_day_goes(bucket: Bucket) -> None:
    opened(bucket, 1000, **day(1000, 252, reset=DAY / 2))
    assert drain(bucket, Lane.BULK) == 252 - 125


def test_a_floor_stays_until_the_last_half_hour(bucket: Bucket) -> None:
    opened(bucket, 1000, **day(1000, 100, reset=3600))
    assert drain(bucket, Lane.BULK) == 50
    assert bucket.wait == pytest.approx(3600 - WINDOW - 1 - 1800, abs=1)
    bucket.now += bucket.wait + 1
    assert drain(bucket, Lane.BULK) == 44, "and no more: of the share, five are left"


@pytest.mark.parametrize("left", [1, 20, 51, 150, 240])
def test_a_refusal_by_the_day_names_the_time_to_come_back(bucket: Bucket, left: int) -> None:
    opened(bucket, 1000, **day(1000, left))
    assert bucket.ask(**terms(Lane.BULK)) == []
    assert bucket.reason == "day"
    wait = bucket.wait
    bucket.now += wait - 2
    assert bucket.ask(**terms(Lane.BULK)) == []
    bucket.now += 2.1
    assert len(bucket.ask(**terms(Lane.BULK))) == 1


def test_a_spent_day_denies_every_lane_until_its_reset(bucket: Bucket) -> None:
    opened(bucket, **day(1000, 0, reset=7200))
    for lane in Lane:
        assert bucket.ask(**terms(lane)) == []
        assert (bucket.reason, round(bucket.wait)) == ("day", 7200 - WINDOW - 1)
    bucket.now += 7200 - WINDOW - 1
    assert bucket.ask(**terms(Lane.INTERACTIVE))


def test_what_is_left_is_counted_down_by_our_own_calls(bucket: Bucket) -> None:
    opened(bucket, **day(1000, 3))
    assert drain(bucket, Lane.INTERACTIVE) == 3
    assert bucket.reason == "day"


def test_a_header_that_lags_behind_does_not_refill_the_day(bucket: Bucket) -> None:
    opened(bucket, 10, **day(1000, 5))
    drain(bucket, Lane.INTERACTIVE)
    bucket.learn(**day(1000, 4))
    assert bucket.ask(**terms(Lane.INTERACTIVE)) == []


def test_a_header_far_above_does(bucket: Bucket) -> None:
    opened(bucket, 10, **day(1000, 5))
    drain(bucket, Lane.INTERACTIVE)
    bucket.learn(**day(1000, 990))
    assert bucket.ask(**terms(Lane.INTERACTIVE))


def test_a_day_without_its_limit_is_not_judged(bucket: Bucket) -> None:
    opened(bucket, daily_remaining=0, daily_reset=7_200_000_000)
    assert bucket.ask(**terms(Lane.BULK))


def test_a_day_without_its_reset_is_24_hours_from_first_sight(bucket: Bucket) -> None:
    opened(bucket, daily_limit=1000, daily_remaining=0)
    assert bucket.ask(**terms(Lane.INTERACTIVE)) == []
    assert round(bucket.wait) == DAY - WINDOW - 1
