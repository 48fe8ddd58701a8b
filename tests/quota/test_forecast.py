"""What is kept of the day for the lanes above: from the habits of a week, sent to the store, obeyed by its rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.test import Client

from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.quota import forecast, tasks, usage
from integrations.quota.models import Usage
from integrations.quota.pages import outlook
from integrations.quota.permits import governor, scripts
from integrations.quota.permits.lanes import Lane
from tests.quota.bucket import MICRO, WINDOW, Bucket
from tests.quota.parked import APP, KEY, opened
from tests.quota.permits.test_lanes import DAY, day, drain, terms
from tests.quota.permits.test_lanes import opened as in_bucket

HOUR = timedelta(hours=1)
db = pytest.mark.django_db


def forecast_of(bucket: Bucket, bulk: tuple[int, int], events: tuple[int, int] = (0, 0), since: float = 0.0) -> Bucket:
    """A forecast that was made `since` seconds into its hour, now."""
    born, ends = (int(value or 0) for value in bucket.client.hmget(bucket.keys[1], "b", "dt"))
    kept = {"since": int(since * MICRO), "ends": ends, "bulk": bulk, "events": events}
    bucket.run(epoch=str(born), forecast=kept)
    return bucket


def test_bulk_leaves_what_will_be_wanted_and_a_floor(bucket: Bucket) -> None:
    forecast_of(in_bucket(bucket, 1000, **day(1000, 252)), bulk=(80, 80), events=(30, 30))
    assert drain(bucket, Lane.BULK) == 252 - 80 - 50, "by its share it would leave 250"
    assert bucket.reason == "day"
    assert drain(bucket, Lane.EVENTS) == 130 - 30 - 20
    assert drain(bucket, Lane.INTERACTIVE) == 50


def test_it_keeps_more_than_the_share_where_more_is_wanted(bucket: Bucket) -> None:
    forecast_of(in_bucket(bucket, 1000, **day(1000, 700)), bulk=(600, 600))
    assert drain(bucket, Lane.BULK) == 700 - 600 - 50


@pytest.mark.slow
@pytest.mark.parametrize(("into", "kept"), [(0, 100), (1800, 80), (3600, 60), (7000, 60)])
def test_it_declines_within_its_hour_and_then_waits_for_the_next(bucket: Bucket, into: float, kept: int) -> None:
    forecast_of(in_bucket(bucket, 1000, **day(1000, 500)), bulk=(100, 60), since=into)
    assert drain(bucket, Lane.BULK) == pytest.approx(500 - kept - 50, abs=1)


def test_the_floor_stays_until_the_last_half_hour(bucket: Bucket) -> None:
    forecast_of(in_bucket(bucket, 1000, **day(1000, 100, reset=3600)), bulk=(10, 10))
    assert drain(bucket, Lane.BULK) == 100 - 10 - 50
    assert bucket.wait == pytest.approx(1800 - WINDOW - 1, abs=1)
    bucket.now += bucket.wait + 1
    assert drain(bucket, Lane.BULK) == 60 - 10


def test_a_refusal_by_the_forecast_names_the_time_to_come_back(bucket: Bucket) -> None:
    forecast_of(in_bucket(bucket, 1000, **day(1000, 140)), bulk=(100, 60))
    assert bucket.ask(**terms(Lane.BULK)) == []
    wait = bucket.wait
    assert wait == pytest.approx(3600 * 11 / 40, abs=1)
    bucket.now += wait - 2
    assert bucket.ask(**terms(Lane.BULK)) == []
    bucket.now += 2.1
    assert len(bucket.ask(**terms(Lane.BULK))) == 1


def test_a_refusal_names_the_next_forecast_at_the_latest(bucket: Bucket) -> None:
    forecast_of(in_bucket(bucket, 1000, **day(1000, 139)), bulk=(100, 90), since=3000)
    assert bucket.ask(**terms(Lane.BULK)) == []
    assert bucket.wait == pytest.approx(600, abs=1)


def shares_again(bucket: Bucket) -> bool:
    return drain(bucket, Lane.BULK) == pytest.approx(500 - 250 * (1 - 7200 / DAY), abs=2)


def test_an_old_one_is_forgotten(bucket: Bucket) -> None:
    forecast_of(in_bucket(bucket, 1000, **day(1000, 500)), bulk=(0, 0))
    bucket.now += 7200
    assert shares_again(bucket)
    assert bucket.client.hmget(bucket.keys[1], "kt", "kd", "ke", "kf", "kb", "kc") == [None] * 6


def test_one_for_another_day_is_not_obeyed(bucket: Bucket) -> None:
    forecast_of(in_bucket(bucket, 1000, **day(1000, 500, reset=DAY - 2 * 3600)), bulk=(0, 0))
    bucket.learn(**day(1000, 500, reset=DAY - 2 * 3600 + 1200))
    assert drain(bucket, Lane.BULK) < 300


def test_one_for_a_state_that_is_gone_is_not_learned(bucket: Bucket) -> None:
    in_bucket(bucket, 1000, **day(1000, 500))
    bucket.run(epoch="1", forecast={"since": 0, "ends": 0, "bulk": (0, 0), "events": (0, 0)})
    assert bucket.client.hget(bucket.keys[1], "kt") is None


# From rows to the store


def spend(calls: int, at: datetime, lane: Lane = Lane.EVENTS, key: str = KEY) -> None:
    Usage.objects.create(key=key, bucket_at=usage.bucket(at), lane=lane.value, job="tests", calls=calls)


def state(*names: str) -> list[int | None]:
    found = scripts.client().hmget(scripts.keys(KEY)[1], names)
    return [None if value is None else int(value) for value in found]


@pytest.fixture
def hour(clean_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Its day ends in six hours, and it is in use."""
    opened(daily_limit=1000, daily_remaining=900, daily_reset_ms=6 * 3600 * 1000)
    now = clock.now()
    spend(1, now, Lane.BULK)
    return now.replace(minute=0, second=0, microsecond=0)


@db
def test_the_most_of_a_week_and_a_quarter_more(hour: datetime) -> None:
    for ago in range(1, 8):
        spend(10 * ago, hour - timedelta(days=ago) + 2 * HOUR)
        spend(4, hour - timedelta(days=ago), Lane.INTERACTIVE)
        spend(500, hour - timedelta(days=ago) + 2 * HOUR, Lane.BULK)
        spend(5000, hour - timedelta(days=ago) + 8 * HOUR)
    spend(9000, hour - timedelta(days=8, hours=-2))
    assert forecast.send(clock.now()) == 1
    assert state("ke", "kf", "kb", "kc") == [10, 0, 113, 107], "for 4, 0, 74 and 70; later and older ones do not count"


@db
def test_the_store_and_the_pages_know_how_much_it_is(hour: datetime) -> None:
    for ago in range(1, 5):
        spend(200, hour - timedelta(days=ago) + 3 * HOUR)
    forecast.send(clock.now())
    day = outlook.day(KEY, clock.now())
    assert day is not None
    assert day.has_forecast
    assert list(day.kept.values()) == [0, 20, 333]


@db
@pytest.mark.parametrize("lane", [Lane.EVENTS, Lane.BULK])
@pytest.mark.parametrize("habits", [True, False])
def test_the_pages_say_what_the_rule_does(hour: datetime, lane: Lane, habits: bool, admin_client: Client) -> None:
    for ago in range(1, 5 if habits else 2):
        spend(160, hour - timedelta(days=ago), Lane.INTERACTIVE)
        spend(80, hour - timedelta(days=ago) + 3 * HOUR, Lane.INTERACTIVE)
    forecast.send(clock.now())
    day = outlook.day(KEY, clock.now())
    assert day is not None
    assert day.has_forecast == habits
    page = admin_client.get(f"/admin/quota/usage/resource/{KEY}/").content.decode()
    assert ("the same hours of the last seven days" in page, "a fixed share" in page) == (habits, not habits)
    _, numbers = scripts.keys(KEY)
    for left, granted in ((day.kept[lane] - 1, 0), (day.kept[lane] + 3, 1)):
        scripts.client().hset(numbers, "dr", left)
        answer = governor.request_slots(KEY, lane=lane, ttl=1.0, horizon=10.0)
        assert (len(answer.slots), answer.reason) == (granted, "" if granted else "day")


NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("left", "pace", "waiting", "said"),
    [
        (300, 1.0, 5, "waits"),
        (1300, 0.0, 0, "may use 1,000 calls"),
        (3900, 1.0, 600, "all 600 waiting tasks get their call by about 12:10"),
        (3900, 1.0, 9000, "at about 13:00"),
        (3900, 0.1, 9000, "does not use up the day"),
    ],
)
def test_the_outlook_of_bulk_work_in_words(left: int, pace: float, waiting: int, said: str) -> None:
    kept = {Lane.INTERACTIVE: 0, Lane.EVENTS: 20, Lane.BULK: 300}
    day = outlook.Day(left, NOON + 3 * HOUR, kept, has_forecast=True)
    assert said in outlook.bulk(day, NOON, pace=pace, waiting=waiting)


@db
def test_a_new_resource_has_no_forecast(hour: datetime) -> None:
    spend(10, hour - timedelta(days=2))
    assert forecast.send(clock.now()) == 0
    assert state("kt") == [None]


@db
def test_a_resource_that_only_bulk_work_uses_keeps_the_floor(hour: datetime) -> None:
    spend(10, hour - timedelta(days=4), Lane.BULK)
    assert forecast.send(clock.now()) == 1
    assert state("kb", "kc") == [0, 0]


@db
def test_resources_that_are_not_in_use_are_left_alone(hour: datetime) -> None:
    Usage.objects.all().delete()
    spend(10, hour - timedelta(days=4))
    spend(10, hour - 2 * HOUR)
    assert forecast.send(clock.now()) == 0


@db
def test_many_are_sent_in_batches_and_those_without_a_day_are_skipped(
    hour: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast, "BATCH", 2)
    for name in ("b", "c", "d"):
        opened(resource=name, daily_limit=1000, daily_remaining=900, daily_reset_ms=3600 * 1000)
    opened(resource="e")
    for name in ("b", "c", "d", "e", "untouched"):
        spend(1, clock.now(), key=f"{APP}:{name}")
        spend(1, hour - timedelta(days=5), key=f"{APP}:{name}")
    assert forecast.send(clock.now()) == 3


@db
def test_without_the_store_it_is_sent_the_next_time(hour: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    spend(10, hour - timedelta(days=4))
    monkeypatch.setattr(scripts, "run_all", lambda calls: [StoreUnavailable("gone") for _ in calls])
    with pytest.raises(StoreUnavailable):
        forecast.send(clock.now())


@db
def test_old_usage_is_merged_into_hours_and_then_forgotten(hour: datetime) -> None:
    Usage.objects.all().delete()
    old = hour - usage.FINE - HOUR
    for minutes, lane in ((0, Lane.BULK), (5, Lane.BULK), (55, Lane.BULK), (55, Lane.EVENTS)):
        spend(7, old + timedelta(minutes=minutes), lane)
    spend(3, hour)
    spend(3, hour - usage.KEPT - HOUR)
    for _ in range(2):
        tasks.merge_usage()
    rows = set(Usage.objects.values_list("bucket_at", "lane", "job", "calls"))
    assert rows == {(old, "bulk", "", 21), (old, "events", "", 7), (hour, "events", "tests", 3)}
