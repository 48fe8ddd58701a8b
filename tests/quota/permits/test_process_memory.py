"""What a process remembers of a resource, for how long, and what it notices by it."""

from __future__ import annotations

import pytest
import redis

from integrations.core import clock
from integrations.core.errors import QuotaExhausted
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.quota.permits import governor, process_memory, scripts, timings
from integrations.quota.permits.lanes import Lane

APP, RESOURCE = "66a0419a0dffa47fb5f8b22f-lyx1abcd", "memory8h8vShlRW1KT"
KEY, HOUR = f"{APP}:{RESOURCE}", 3600.0

pytestmark = pytest.mark.usefixtures("clean_redis")


def call() -> None:
    permit = governor.acquire(APP, RESOURCE, lane=Lane.EVENTS, timeout=5.0)
    governor.settle(permit, received_at=clock.monotonic(), rate=RateSnapshot(max=50, remaining=49))


def test_only_whom_it_asked_within_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_memory, "CLEAN_UP_EVERY", 10)
    for number in range(95):
        process_memory.remember(f"old{number}", "1")
        assert process_memory.is_new_limit(f"old{number}", 100)
        assert process_memory.has_to_warn(f"old{number}")
    process_memory.epochs.update(
        {key: (epoch, asked - HOUR - 1, 0) for key, (epoch, asked, _) in process_memory.epochs.items()}
    )
    assert process_memory.epoch("old1") == ""
    for number in range(30):
        process_memory.remember(f"new{number}", "1")
    assert set(process_memory.epochs) == {f"new{number}" for number in range(30)}
    assert not process_memory.limits
    assert not process_memory.warned


def test_a_limit_and_a_warning_are_said_once() -> None:
    assert [process_memory.is_new_limit(KEY, limit) for limit in (100, 100, 25, 25)] == [True, False, True, False]
    assert [process_memory.has_to_warn(KEY) for _ in range(2)] == [True, False]


def test_what_the_clock_showed_outlives_a_ticket_but_not_the_state() -> None:
    process_memory.remember(KEY, "1", 5_000_000)
    process_memory.remember(KEY, "1")
    assert 5_000_000 <= (process_memory.expected_now(KEY) or 0) < 65_000_000
    process_memory.remember(KEY, "2")
    assert process_memory.expected_now(KEY) is None


def test_a_store_with_its_clock_set_forward_makes_every_caller_wait() -> None:
    call()
    epoch, asked, ahead = process_memory.epochs[KEY]
    process_memory.epochs[KEY] = epoch, asked, ahead - int(HOUR * 1_000_000)
    with pytest.raises(QuotaExhausted) as refused:
        call()
    assert refused.value.retry_after == pytest.approx(governor.START_WINDOW + timings.SLACK, abs=0.5)


def test_a_store_that_lost_its_state_hears_of_calls_in_flight(clean_redis: redis.Redis) -> None:
    call()
    clean_redis.flushdb()
    with pytest.raises(QuotaExhausted):
        call()
    process_memory.reset()
    scripts.clear()
    call()


def test_a_reservation_that_seems_an_hour_ahead_is_void() -> None:
    """As after the store's clock was set back: no caller sleeps until it has caught up."""
    call()
    answer = governor.request_slots(KEY, lane=Lane.EVENTS, ttl=5.0, horizon=1.0)
    (granted,) = answer.slots
    start = answer.now + int(granted.delay) + int(HOUR * 1_000_000)
    assert governor.redeem(KEY, (answer.epoch, granted.slot, granted.deadline, start), ttl=5.0) == (0.0, None)
