"""A day in which bulk work never has enough: what the lanes above are denied, and how soon bulk work is done.

The real rule on a clock of its own, the real forecast on the rows of a week before. A resource of 10,000 calls a day,
asked once a minute; events and interactive work want 2,850 of them, in the course of a day.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from integrations.quota import forecast
from integrations.quota.models import Usage
from integrations.quota.permits.lanes import Lane
from tests.quota.bucket import MICRO, Bucket, Granted
from tests.quota.permits.test_lanes import DAY, day, terms

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

LIMIT, CALLS, MINUTES = 150, 10_000, 1440
MIDNIGHT = datetime(2026, 5, 8, tzinfo=UTC)
ABOVE = (Lane.INTERACTIVE, Lane.EVENTS)
Spike = tuple[int, int, float]  # its first hour, its length in hours, interactive calls a minute
NONE: Spike = (0, 0, 0.0)
EVENING: Spike = (22, 1, 18.0)  # six a second where the day has 200,000


@dataclass
class Traffic:
    """What the lanes above want in a minute; each day is a little different."""

    chance: random.Random
    daily: float
    spike: Spike = NONE

    def __post_init__(self) -> None:
        self.today = self.chance.uniform(0.85, 1.1)

    def wanted(self, minute: int, lane: Lane) -> int:
        first, hours, more = self.spike
        course = 1.0 + 0.8 * math.cos((minute / 60 - 15) / 12 * math.pi)
        mean = self.today * course * self.daily / MINUTES * (0.4 if lane is Lane.INTERACTIVE else 0.6)
        if lane is Lane.INTERACTIVE and first * 60 <= minute < (first + hours) * 60:
            mean += more
        return sum(self.chance.random() < mean / 20 for _ in range(20))


@dataclass
class Result:
    denied: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))
    bulk: list[int] = field(default_factory=list)  # done by the end of each hour
    spent: int = 0

    @property
    def above(self) -> tuple[int, int]:
        return self.denied[Lane.INTERACTIVE], self.denied[Lane.EVENTS]

    def hours_until(self, done: int) -> int:
        return next(hour for hour, calls in enumerate(self.bulk, 1) if calls >= done)


def remember_a_week(daily: float, spike: Spike) -> None:
    """As the rows of older days are: an hour each."""
    for ago in range(1, 8):
        traffic = Traffic(random.Random(ago), daily, spike)
        for hour in range(24):
            at = MIDNIGHT - timedelta(days=ago) + timedelta(hours=hour)
            for lane in ABOVE:
                calls = sum(traffic.wanted(hour * 60 + minute, lane) for minute in range(60))
                Usage.objects.create(key="day", bucket_at=at, lane=lane.value, job="", calls=calls)


def live(bucket: Bucket, traffic: Traffic, *, foreseeing: bool) -> Result:
    """The day, from its first minute to its last."""
    bucket.open(LIMIT, **day(CALLS, CALLS, reset=DAY + 60))
    result, done = Result(), 0
    born, ends = (int(value or 0) for value in bucket.client.hmget(bucket.keys[1], "b", "dt"))
    for minute in range(MINUTES):
        bucket.now += 60
        if foreseeing and minute % 10 == 0:
            foresee(bucket, MIDNIGHT + timedelta(minutes=minute), str(born), ends)
        granted: list[Granted] = []
        for lane in ABOVE:
            wanted = traffic.wanted(minute, lane)
            got = bucket.ask(wanted, **terms(lane)) if wanted else []
            result.denied[lane] += wanted - len(got)
            granted += got
        for_bulk = bucket.ask(LIMIT - 10 - len(granted), **terms(Lane.BULK) | {"credit": 1000})
        done += len(for_bulk)
        result.spent += len(granted) + len(for_bulk)
        bucket.report(*granted, *for_bulk)
        if minute % 60 == 59:
            result.bulk.append(done)
    return result


def foresee(bucket: Bucket, now: datetime, born: str, ends: int) -> None:
    (kept,) = forecast.calls_to_keep({"day": MIDNIGHT + timedelta(days=1)}, now).values()
    since = int((now - now.replace(minute=0)).total_seconds() * MICRO)
    bucket.run(epoch=born, forecast={"since": since, "ends": ends, "events": kept[:2], "bulk": kept[2:]})


def both(bucket: Bucket, daily: float, *, before: Spike = NONE, today: Spike = NONE) -> tuple[Result, Result]:
    """The same day by fixed shares and by the forecast."""
    remember_a_week(daily, before)
    by_share, foreseen = (
        live(Bucket(bucket.client), Traffic(random.Random(99), daily, today), foreseeing=foreseeing)
        for foreseeing in (False, True)
    )
    return by_share, foreseen


def test_where_little_is_wanted_bulk_work_is_done_in_two_hours_and_not_in_thirteen(bucket: Bucket) -> None:
    by_share, foreseen = both(bucket, daily=600)
    assert by_share.above == foreseen.above == (0, 0)
    assert (by_share.hours_until(8_600), foreseen.hours_until(8_600)) == (13, 2)
    assert foreseen.spent >= 0.995 * CALLS, "nothing of the day is left over"


def test_where_much_is_wanted_nothing_is_denied(bucket: Bucket) -> None:
    by_share, foreseen = both(bucket, daily=2850)
    assert by_share.denied[Lane.EVENTS] > 500
    assert foreseen.above == (0, 0)
    assert foreseen.spent >= 0.995 * CALLS


def test_a_late_spike_that_comes_every_day_is_kept_for(bucket: Bucket) -> None:
    by_share, foreseen = both(bucket, daily=2850, before=EVENING, today=EVENING)
    assert by_share.denied[Lane.INTERACTIVE] > 1000
    assert foreseen.above == (0, 0)
    assert foreseen.spent >= 0.995 * CALLS


@pytest.mark.parametrize("daily", [600, 2850])
def test_a_late_spike_without_a_forecast_is_no_worse_off(bucket: Bucket, daily: float) -> None:
    by_share, foreseen = both(bucket, daily, today=EVENING)
    assert 0 < foreseen.denied[Lane.INTERACTIVE] < by_share.denied[Lane.INTERACTIVE]
