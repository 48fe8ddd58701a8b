"""The governor as its callers meet it: permits, settlements, outages, and the exact moment to come back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis

from integrations.core import clock
from integrations.core.errors import QuotaExhausted, StoreUnavailable
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.quota.permits import governor, process_memory, queries, scripts, timings
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.permit import Permit
from integrations.quota.permits.replies import PermitReply
from tests.support.waiting import wait_until

LATE = 5.0  # seconds by which a report may be late on a busy machine; a slot is held longer by them, never shorter
APP, RESOURCE = "66a0419a0dffa47fb5f8b22f-lyx1abcd", "ve9EPM428h8vShlRW1KT"

pytestmark = pytest.mark.usefixtures("clean_redis")


def acquire(lane: Lane = Lane.BULK, **how: Any) -> Permit:
    return governor.acquire(APP, RESOURCE, lane=lane, timeout=5.0, **how)


def opened(limit: int = 100, **rate: int) -> None:
    """The first call went through and its headers were read."""
    permit = acquire()
    said = RateSnapshot(max=limit, remaining=limit - 1, **rate)
    governor.settle(permit, received_at=clock.monotonic(), rate=said)


def snapshot() -> queries.Snapshot:
    return queries.snapshot(APP, RESOURCE)


def free_at(permit: Permit) -> tuple[float, float]:
    """Between which moments of the monotonic clock its slot becomes free, read by the store's own clock."""
    slots, state = scripts.keys(permit.key)
    client = scripts.client()
    before = clock.monotonic()
    seconds, micros = client.time()
    after = clock.monotonic()
    born, moment = client.hget(state, "b"), client.zscore(slots, str(permit.slot))
    assert born is not None
    assert moment is not None
    left = (moment + int(born)) / 1e6 - (seconds + micros / 1e6)
    return before + left, after + left


def test_an_untouched_resource_reads_as_full() -> None:
    assert snapshot() == queries.Snapshot(25, 25, 10_000, None, None, 0)


def test_a_settled_call_teaches_the_limits() -> None:
    opened(40, interval_ms=20_000, daily_limit=500, daily_remaining=499, daily_reset_ms=3_600_000)
    assert snapshot() == queries.Snapshot(40, 39, 20_000, 500, 499, 1)


def test_a_slot_is_back_a_window_after_the_response_was_received() -> None:
    opened(10)
    permit, received_at = acquire(), clock.monotonic()
    governor.settle(permit, received_at=received_at, rate=None)
    assert snapshot().free == 8
    earliest, latest = free_at(permit)
    assert latest >= received_at + governor.START_WINDOW
    assert earliest < received_at + governor.START_WINDOW + LATE


def test_a_slot_that_cooled_is_free() -> None:
    opened(10)
    began = clock.monotonic()
    governor.settle(acquire(), received_at=began - governor.START_WINDOW + 0.05, rate=None)
    wait_until(lambda: snapshot().free == 9)
    assert clock.monotonic() < began + governor.START_WINDOW - 0.1, "before the first call's slot is back"


@pytest.mark.slow
def test_a_lost_call_is_kept_a_second_longer() -> None:
    opened(10, interval_ms=1000)
    permit, lost_at = acquire(), clock.monotonic()
    governor.settle(permit, received_at=None, rate=None)
    governor.send_reports()
    earliest, latest = free_at(permit)
    assert latest >= lost_at + 1.0 + timings.COUNTED_WITHIN
    assert earliest < lost_at + 1.0 + timings.COUNTED_WITHIN + LATE
    wait_until(lambda: snapshot().free == 10)
    assert clock.monotonic() >= lost_at + 1.0 + timings.COUNTED_WITHIN


def test_a_permit_given_back_is_free_at_once() -> None:
    opened(10)
    governor.release(acquire())
    assert snapshot().free == 9


def test_a_refusal_of_bulk_names_the_time_to_come_back() -> None:
    opened(2)
    governor.settle(acquire(Lane.INTERACTIVE), received_at=clock.monotonic(), rate=None)
    with pytest.raises(QuotaExhausted) as refused:
        acquire()
    assert refused.value.retry_after == pytest.approx(10.0, abs=0.3)
    assert refused.value.context["reason"] == "burst"
    assert RESOURCE in str(refused.value)


def test_a_spent_day_says_so_and_when_it_ends() -> None:
    opened(10, daily_limit=500, daily_remaining=0, daily_reset_ms=3_600_000)
    with pytest.raises(QuotaExhausted, match="today's quota") as refused:
        acquire(Lane.INTERACTIVE)
    assert refused.value.retry_after == pytest.approx(3600, abs=1)


@pytest.mark.slow
def test_who_may_wait_waits_for_a_slot_that_is_about_to_be_free() -> None:
    opened(1, interval_ms=1000)
    began = clock.monotonic()
    permit = acquire(Lane.INTERACTIVE)
    assert 0.8 < clock.monotonic() - began < 30
    assert permit.send_before > clock.monotonic()


@pytest.mark.slow
def test_patience_overrules_the_lane() -> None:
    opened(1, interval_ms=1000)
    assert acquire(Lane.BULK, max_wait=2.0)
    with pytest.raises(QuotaExhausted):
        acquire(Lane.INTERACTIVE, max_wait=0.0)


@pytest.mark.slow
def test_a_slow_question_does_not_make_a_permit_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store counts the delay from when it answered, and so does the caller."""
    monkeypatch.setattr(timings, "RECHECK_AFTER", 5.0)  # beyond it the store is asked again, and names the start itself
    opened(1, interval_ms=1000)
    answered: list[tuple[float, float]] = []
    prompt = scripts.run_all

    def slow(calls: Any) -> Any:
        clock.sleep(0.3)
        (answer,) = prompt(calls)
        assert isinstance(answer, PermitReply)
        if answer.slots:
            answered.append((clock.monotonic(), answer.slots[0].delay / 1e6))
        return [answer]

    monkeypatch.setattr(scripts, "run_all", slow)
    acquire(Lane.INTERACTIVE)
    ((moment, delay),) = answered
    assert delay > 0.3
    assert clock.monotonic() >= moment + delay - 0.001


def test_a_process_that_knew_the_lost_state_waits_a_fence(clean_redis: redis.Redis) -> None:
    opened()
    clean_redis.flushdb()
    with pytest.raises(QuotaExhausted) as refused:
        acquire(Lane.EVENTS)
    assert refused.value.retry_after == pytest.approx(governor.START_WINDOW + timings.SLACK, abs=0.2)


def test_a_new_process_waits_a_fence_as_well_when_the_store_was_emptied(clean_redis: redis.Redis) -> None:
    """It knows of no calls, but the store is too young to say that there are none."""
    opened()
    clean_redis.flushdb()
    process_memory.reset()
    with pytest.raises(QuotaExhausted) as refused:
        acquire(Lane.EVENTS)
    assert refused.value.retry_after == pytest.approx(governor.START_WINDOW + timings.SLACK, abs=0.2)


def test_an_old_store_that_has_no_state_is_asked_at_once(clean_redis: redis.Redis) -> None:
    clean_redis.flushdb()
    assert scripts.age(at_least=governor.START_WINDOW + timings.SLACK + 0.1) > governor.START_WINDOW + timings.SLACK
    assert acquire(Lane.EVENTS)


def test_the_age_of_a_store_starts_anew_with_another_run_of_the_server(clean_redis: redis.Redis) -> None:
    """It may hold an older copy, from before the state that is asked for."""
    scripts.clear()
    age = scripts.age()
    assert age > 3000
    _, since = clean_redis.get(scripts.SINCE).split()
    clean_redis.set(scripts.SINCE, b"another-run " + since)
    assert scripts.age() < 1
    later = scripts.age()
    assert later < 10, "and it stays"
    assert clean_redis.ttl(scripts.SINCE) == -1


@pytest.mark.parametrize("garbage", [b"", b"nonsense", b"one two three", b"run 99999999999999999999"])
def test_a_mark_that_means_nothing_is_made_anew(clean_redis: redis.Redis, garbage: bytes) -> None:
    clean_redis.set(scripts.SINCE, garbage)
    assert scripts.age() < 1
    assert scripts.age() < 10


@pytest.mark.slow
def test_a_permit_far_ahead_does_not_outlive_the_state(clean_redis: redis.Redis) -> None:
    opened(1, interval_ms=1500)
    loss = threading.Timer(0.3, clean_redis.flushdb)
    loss.start()
    with pytest.raises(QuotaExhausted) as refused:
        acquire(Lane.INTERACTIVE, max_wait=2.0)
    loss.join()
    assert refused.value.retry_after == pytest.approx(governor.START_WINDOW + timings.SLACK, abs=0.2)


def test_one_that_has_not_asked_for_an_hour_has_nothing_in_flight(clean_redis: redis.Redis) -> None:
    opened()
    scripts.clear()
    process_memory.epochs.update(
        {key: (epoch, asked - 3601, 0) for key, (epoch, asked, _) in process_memory.epochs.items()}
    )
    assert acquire(Lane.EVENTS)


def test_many_threads_and_a_new_resource_send_one_probe() -> None:
    got: list[Permit] = []
    waits: list[float | None] = []

    def ask() -> None:
        try:
            got.append(acquire())
        except QuotaExhausted as error:
            waits.append(error.retry_after)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert len(waits) == 7
    assert all(wait is not None and wait <= 0.1 for wait in waits)


def test_without_the_store_nothing_is_sent(store_unavailable: Callable[[], None]) -> None:
    store_unavailable()
    with pytest.raises(StoreUnavailable) as refused:
        acquire(Lane.INTERACTIVE)
    assert refused.value.retry_after == 5.0
    with pytest.raises(StoreUnavailable):
        snapshot()
    with pytest.raises(StoreUnavailable):
        queries.health()


def test_a_settlement_that_cannot_be_stored_costs_no_answer(store_unavailable: Callable[[], None]) -> None:
    permit = acquire()
    store_unavailable()
    governor.settle(permit, received_at=clock.monotonic(), rate=None)
    governor.release(permit)
    with pytest.raises(StoreUnavailable):
        governor.send_reports()  # both wait to be sent, and the call's answer is not lost for it


def test_health_names_the_server() -> None:
    assert queries.health().startswith("ok, ")


def test_clearing_forgets_only_this_deployments_quota(clean_redis: redis.Redis) -> None:
    opened()
    clean_redis.set("another", 1)
    scripts.clear()
    assert sorted(clean_redis.keys()) == [b"another", scripts.SINCE.encode()]
