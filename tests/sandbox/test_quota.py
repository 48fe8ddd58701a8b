"""The limits: three kinds of burst window, the day, the headers, and what a refusal costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.sandbox.options import Options
from integrations.sandbox.quota import DAY_SECONDS, Quota
from tests.sandbox.conftest import Start
from tests.sandbox.journey import Journey

SIX = {
    "x-ratelimit-limit-daily",
    "x-ratelimit-daily-remaining",
    "x-ratelimit-interval-milliseconds",
    "x-ratelimit-max",
    "x-ratelimit-remaining",
    "x-ratelimit-daily-reset",
}


def test_every_answer_carries_the_headers(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    for answer in (journey.contacts(token), journey.contacts(token, journey.locations[1])):
        assert set(answer.headers) >= SIX
    assert answer.headers["x-ratelimit-max"] == "100"
    assert answer.headers["x-ratelimit-remaining"] == "98"
    assert answer.headers["x-ratelimit-interval-milliseconds"] == "10000"
    assert answer.headers["x-ratelimit-limit-daily"] == "200000"
    assert answer.headers["x-ratelimit-daily-remaining"] == "199998"
    assert 86_390_000 < int(answer.headers["x-ratelimit-daily-reset"]) <= 86_400_000


def test_one_call_too_many_is_a_429_without_retry_after(start: Start) -> None:
    journey = start(limit=3)
    token = journey.install_location()["access_token"]
    statuses = [journey.contacts(token).status_code for _ in range(3)]
    refused = journey.contacts(token)
    assert [*statuses, refused.status_code] == [200, 200, 200, 429]
    assert "retry-after" not in refused.headers
    assert refused.headers["x-ratelimit-remaining"] == "0"
    bucket = journey.state()["quota"][journey.locations[0]]
    assert (bucket["requests"], bucket["rejected_429"]) == (4, 1)
    assert bucket["daily_remaining"] == 199_997
    journey.advance(10)
    assert journey.contacts(token).status_code == 200


def test_a_spent_day_shows_in_the_headers_and_ends_24_hours_after_its_first_call(start: Start) -> None:
    journey = start(daily=2)
    token = journey.install_location()["access_token"]
    journey.contacts(token)
    journey.advance(3600)
    journey.contacts(token)
    refused = journey.contacts(token)
    assert (refused.status_code, refused.headers["x-ratelimit-daily-remaining"]) == (429, "0")
    assert refused.headers["x-ratelimit-remaining"] == "99"
    journey.advance(23 * 3600)
    token = journey.install_location()["access_token"]
    assert journey.contacts(token).status_code == 200


def test_each_location_has_a_bucket_of_its_own(start: Start) -> None:
    journey = start(limit=1)
    company = journey.install_company()["access_token"]
    first = journey.mint(company, journey.locations[0]).json()["access_token"]
    assert journey.mint(company, journey.locations[1]).status_code == 429
    journey.advance(10)
    second = journey.mint(company, journey.locations[1]).json()["access_token"]
    assert journey.contacts(first).status_code == 200
    assert journey.contacts(second, journey.locations[1]).status_code == 200
    assert journey.contacts(first).status_code == 429


def quota(window: str, limit: int = 2) -> Quota:
    return Quota(Options(window=window, limit=limit, interval_ms=10_000))  # type: ignore[arg-type]


def taken(kind: str, *moments: float) -> list[bool]:
    made = quota(kind)
    bucket = made.bucket("app", "resource")
    return [made.take(bucket, at) for at in moments]


def test_a_fixed_window_turns_with_the_clock() -> None:
    assert taken("fixed", 9.0, 9.5, 9.9, 10.0, 10.1, 10.2) == [True, True, False, True, True, False]


def test_a_first_window_opens_with_the_first_call() -> None:
    assert taken("first", 9.0, 18.9, 18.95, 19.0, 19.1, 28.9) == [True, True, False, True, True, False]


def test_a_sliding_window_looks_back() -> None:
    assert taken("sliding", 9.0, 18.0, 18.5, 19.0, 19.5, 28.0) == [True, True, False, True, False, True]


@given(
    gaps=st.lists(st.integers(0, 60).map(lambda tenths: tenths / 10), min_size=1, max_size=60),
    kind=st.sampled_from(["fixed", "first", "sliding"]),
)
def test_no_window_of_its_kind_ever_holds_more_than_the_limit(gaps: list[float], kind: str) -> None:
    made = quota(kind, limit=3)
    bucket = made.bucket("app", "resource")
    now, granted = 1000.0, []
    for gap in gaps:
        now += gap
        if made.take(bucket, now):
            granted.append(now)
        assert made.burst_remaining(bucket, now) >= 0
    assert bucket.requests == len(gaps)
    assert bucket.requests - bucket.rejected == len(granted)
    if kind == "sliding":
        for at in granted:
            assert sum(at - 10 < other <= at for other in granted) <= 3
    if kind == "fixed":
        for at in granted:
            assert sum(at // 10 == other // 10 for other in granted) <= 3


@pytest.mark.parametrize("moment", [0.0, DAY_SECONDS - 1])
def test_the_reset_header_counts_down_in_milliseconds(moment: float) -> None:
    made = quota("first", limit=100)
    bucket = made.bucket("app", "resource")
    made.take(bucket, 500.0)
    header = made.headers(bucket, 500.0 + moment)["X-RateLimit-Daily-Reset"]
    assert int(header) == pytest.approx((DAY_SECONDS - moment) * 1000, abs=1)
