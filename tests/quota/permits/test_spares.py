"""Spare permits: a process that calls one resource often asks Redis once for several calls, and takes from nobody."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.core import clock
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.quota.permits import governor, queries, spares
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.permit import Permit
from integrations.quota.permits.reports import ReportBuffer
from integrations.quota.permits.spares import Spares
from tests.quota.bucket import Bucket
from tests.quota.permits.test_governor_reports import asked
from tests.support.waiting import wait_until

__all__ = ["asked"]

APP, RESOURCE = "66a0419a0dffa47fb5f8b22f-lyx1abcd", "spares98h8vShlRW1KT"
TTL = 15.0


def acquire(timeout: float = 5.0) -> Permit:
    return governor.acquire(APP, RESOURCE, lane=Lane.INTERACTIVE, timeout=timeout, max_wait=0.0)


def call(*, refused: bool = False, limit: int = 100) -> None:
    rate = RateSnapshot(max=limit, remaining=0 if refused else limit - 1)
    governor.settle(acquire(), received_at=clock.monotonic(), rate=rate, refused=refused)


def free() -> int:
    return queries.snapshot(APP, RESOURCE).free


@pytest.fixture
def hot(clean_redis: object) -> None:
    """Calls that followed each other until the process holds spares."""
    for _ in range(8):
        call()
    governor.send_reports()


def questions(asked: list[Any]) -> list[Any]:
    return [request for request in asked if request["want"]]


@pytest.mark.slow
@pytest.mark.servers
def test_calls_in_a_row_share_questions_and_unused_spares_go_back(clean_redis: object, asked: list[Any]) -> None:
    for _ in range(40):
        call()
    assert len(questions(asked)) <= 12
    asked.clear()
    wait_until(lambda: free() == 60)
    assert not questions(asked)


def test_every_spare_that_is_used_is_reported(hot: None, asked: list[Any]) -> None:
    for _ in range(20):
        call()
    governor.send_reports()
    reports = [report for request in asked for report in request["reports"]]
    assert len([report for report in reports if report[2] is not False]) == 20
    assert len({report[0] for report in reports}) == len(reports)


def test_a_spare_of_a_shorter_call_does_not_pay_for_a_longer_one(hot: None, asked: list[Any]) -> None:
    acquire(timeout=30.0)
    assert questions(asked)


@pytest.mark.parametrize("news", [{"refused": True}, {"limit": 25}])
def test_news_of_the_quota_takes_all_spares_back(hot: None, asked: list[Any], news: dict[str, Any]) -> None:
    call(**news)
    governor.send_reports()
    returned = [report for request in asked for report in request["reports"] if report[2] is False]
    assert returned


def test_they_are_granted_only_while_a_quarter_of_the_slots_is_free(bucket: Bucket) -> None:
    bucket.open(20)
    assert len(bucket.ask(1, spare=7)) == 8
    assert len(bucket.ask(1, spare=7)) == 8, "11 of 20 were free"
    assert len(bucket.ask(1, spare=7)) == 1


def test_they_start_at_once_or_are_not_granted(bucket: Bucket) -> None:
    bucket.open(100)
    granted = bucket.ask(1, spare=7, credit=8, horizon=10.0)
    assert {permit.start for permit in granted} == {bucket.now}
    assert 1 < len(granted) < 8
    assert bucket.reason == ""


def test_the_last_calls_of_a_day_are_no_spares(bucket: Bucket) -> None:
    bucket.open(100, daily_limit=1000, daily_remaining=3, daily_reset=3_600_000_000)
    assert len(bucket.ask(1, spare=7)) == 3
    assert bucket.reason == ""


class Clock:
    """The monotonic clock, and a process that calls every `seconds`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(clock, "monotonic", lambda: self.now)


@pytest.mark.parametrize(("seconds", "wanted"), [(0.001, 7), (0.05, 7), (0.09, 4), (0.2, 1), (0.4, 0), (0.6, 0)])
def test_as_many_as_the_process_should_soon_need(monkeypatch: pytest.MonkeyPatch, seconds: float, wanted: int) -> None:
    time, own = Clock(monkeypatch), Spares()
    for _ in range(6):
        for lane in Lane:
            own.keep("key", lane, [], ttl=TTL, asked_at=time.now)
        time.now += seconds
    assert own.wanted("key", Lane.INTERACTIVE) == wanted
    assert own.wanted("key", Lane.BULK) == own.wanted("key", Lane.EVENTS) == 0, "nobody waits for these"
    assert own.wanted("other", Lane.INTERACTIVE) == 0


def test_old_spares_are_not_used_and_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    time, own = Clock(monkeypatch), Spares()
    permit = Permit("key", "1", 3, 99, time.now + 1.5)
    own.keep("key", Lane.INTERACTIVE, [permit], ttl=TTL, asked_at=time.now)
    assert not own.leave()
    time.now += spares.USE_WITHIN + 0.001
    assert own.take("key", Lane.INTERACTIVE, ttl=TTL) is None
    assert own.leave() == [permit]
    assert not own


def test_a_forked_process_has_none(hot: None, asked: list[Any]) -> None:
    governor.forget_spares()
    acquire()
    assert questions(asked)


def test_the_thread_asks_again_while_there_are_spares() -> None:
    looks = iter([True, True, False])
    left: list[bool] = []

    def look() -> bool:
        left.append(next(looks))
        return left[-1]

    outbox = ReportBuffer(lambda _, reports: None, before_flush=look)
    outbox.add(("key", "epoch"), governor.Report(0, 1, None, 0.0, 0))
    wait_until(lambda: len(left) == 3)
    assert left == [True, True, False]
