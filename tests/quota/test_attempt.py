"""One permitted attempt: what each way for a request to end makes of its permit, and how many questions it costs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import redis

from integrations.core import clock
from integrations.core.errors import (
    BadRequest,
    IntegrationError,
    QuotaExhausted,
    RefreshInProgress,
    ServerFault,
    StoreUnavailable,
    Unreachable,
)
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.quota import usage
from integrations.quota.attempt import permitted
from integrations.quota.permits import governor, queries, scripts
from integrations.quota.permits.lanes import Lane

APP, RESOURCE = "66a0419a0dffa47fb5f8b22f-attempts", "ve9EPM428h8vShlRW1KT"
RATE = RateSnapshot(max=10, remaining=9, interval_ms=10_000, daily_limit=100, daily_remaining=99)


@pytest.fixture(autouse=True)
def opened(clean_redis: redis.Redis) -> None:
    """The limits are known: ten slots in ten seconds, of which one is used up."""
    with permitted(APP, RESOURCE, lane=Lane.BULK, timeout=5.0) as attempt:
        attempt.sending()
        attempt.answered(received_at=clock.monotonic(), rate=RATE)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    calls: Counter[str] = Counter()
    monkeypatch.setattr(usage, "count", lambda key, lane: calls.update([f"{key} {lane.value}"]))
    return calls


def spend(error: Exception | None = None, *, before: Exception | None = None, after: Exception | None = None) -> None:
    with permitted(APP, RESOURCE, lane=Lane.BULK, timeout=5.0) as attempt:
        if before:
            raise before
        attempt.sending()
        if error:
            raise error
        attempt.answered(received_at=clock.monotonic(), rate=replace(RATE, remaining=8, daily_remaining=98))
        if after:
            raise after


def free() -> int:
    return queries.snapshot(APP, RESOURCE).free


def test_an_answer_is_settled_and_counted(counted: Counter[str]) -> None:
    spend()
    assert (free(), counted) == (8, {f"{APP}:{RESOURCE} bulk": 1})


@pytest.mark.parametrize("error", [Unreachable("no route", sent=False), BadRequest("not JSON")])
def test_a_request_that_never_left_costs_nothing(error: IntegrationError, counted: Counter[str]) -> None:
    with pytest.raises(type(error)):
        spend(error)
    assert (free(), counted) == (9, {})


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RefreshInProgress("lost"), RuntimeError("a bug")])
def test_an_error_before_sending_costs_nothing(error: Exception, counted: Counter[str]) -> None:
    with pytest.raises(type(error)):
        spend(before=error)
    assert (free(), counted) == (9, {})


@pytest.mark.parametrize("error", [Unreachable("lost", sent=True), ServerFault("502"), RuntimeError("a bug")])
def test_a_request_that_left_costs_its_call(error: Exception, counted: Counter[str]) -> None:
    with pytest.raises(type(error)):
        spend(error)
    assert (free(), counted.total()) == (8, 1)


def test_a_429_that_is_raised_is_reported_as_one(counted: Counter[str]) -> None:
    with pytest.raises(QuotaExhausted):
        spend(QuotaExhausted("429", retry_after=1.0))
    assert counted.total() == 1
    assert queries.snapshot(APP, RESOURCE).withheld > 0, "calls of others are assumed"


def test_an_error_after_the_answer_changes_nothing(counted: Counter[str]) -> None:
    with pytest.raises(ServerFault):
        spend(after=ServerFault("502"))
    assert (free(), counted.total()) == (8, 1)


def test_a_permit_is_not_used_late(monkeypatch: pytest.MonkeyPatch, counted: Counter[str]) -> None:
    real, long_ago = governor.acquire, clock.monotonic() - 1.0
    monkeypatch.setattr(governor, "acquire", lambda *a, **k: replace(real(*a, **k), send_before=long_ago))
    with pytest.raises(Unreachable, match="was suspended"):
        spend()
    assert (free(), counted) == (9, {})


def test_a_call_costs_one_round_trip(monkeypatch: pytest.MonkeyPatch, counted: Counter[str]) -> None:
    """Reports travel with the next question; only the last ones need a message of their own."""
    asked: list[int] = []
    real = scripts._exchange
    monkeypatch.setattr(scripts, "_exchange", lambda *a: (asked.append(1), real(*a))[1])
    spend()
    spend()
    assert len(asked) <= 3
