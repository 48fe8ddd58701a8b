"""What calls cost, added up by the minute: exact, without a row per call, and never in a call's way."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from integrations.core import clock
from integrations.core.errors import QuotaExhausted, RequestRejected, ServerFault
from integrations.core.sql import batched_deletion
from integrations.gateway.histogram import BOUNDS, SIZE, bucket, percentile
from integrations.gateway.models import Usage
from integrations.gateway.stats import upkeep, usage_counter
from integrations.gateway.stats.attempt_hook import observed
from integrations.gateway.stats.usage_counter import CallKey
from integrations.quota import usage as quota
from integrations.quota.permits import tickets
from integrations.quota.permits.lanes import Lane
from tests.gateway_usage.conftest import GET_LOCATION, Call
from tests.plugin.vendor import Vendor

pytestmark = pytest.mark.django_db(transaction=True)

CALL = CallKey(1, "loc", "contacts.get-contact", "sync.advance", "bulk")


def lines() -> list[dict[str, Any]]:
    usage_counter.flush()
    return list(
        Usage.objects.order_by("operation", "code").values("operation", "code", "job", "lane", "calls", "spent")
    )


def test_calls_are_added_up_by_operation_job_lane_and_error(
    call: Call, location: str, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    monkeypatch.setattr(usage_counter, "clock", SimpleNamespace(now=lambda: now))  # no new minute between the calls
    vendor.fault("/locations", "latency", ms=20)
    for _ in range(3):
        call()
    with quota.spent_by("welcome.tag_newcomers"), pytest.raises(RequestRejected):
        call("contacts.get-contact", params={"contactId": "nobody"}, lane=Lane.INTERACTIVE)
    assert lines() == [
        {
            "operation": "contacts.get-contact",
            "code": "request_rejected",
            "job": "welcome.tag_newcomers",
            "lane": "interactive",
            "calls": 1,
            "spent": 1,
        },
        {"operation": GET_LOCATION, "code": "", "job": "", "lane": "bulk", "calls": 3, "spent": 3},
    ]
    row = Usage.objects.get(operation=GET_LOCATION)
    assert (row.span, row.resource_id, row.at.second, sum(row.buckets)) == (60, location, 0, 3)
    assert 0 < row.slowest_ms <= row.took_ms


def test_a_call_without_a_permit_is_counted_and_costs_nothing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise QuotaExhausted("no free slot", retry_after=1.0)

    monkeypatch.setattr(tickets, "acquire", refuse)
    with pytest.raises(QuotaExhausted):
        call()
    (line,) = lines()
    assert (line["code"], line["calls"], line["spent"]) == ("quota_exhausted", 1, 0)
    assert sum(Usage.objects.get().buckets) == 0, "it says nothing of the vendor's latency"


def test_flushes_of_several_processes_add_up(call: Call) -> None:
    def work() -> None:
        try:
            for _ in range(50):
                usage_counter.count(CALL, code="", took=0.12, spent=True)
                usage_counter.flush()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = Usage.objects.filter(operation=CALL.operation)
    assert sum(row.calls for row in rows) == sum(row.buckets[bucket(120)] for row in rows) == 200
    assert len(rows) <= 2, "one line a minute"


def test_counts_wait_for_the_end_of_the_callers_transaction(call: Call) -> None:
    with transaction.atomic():
        call()
        usage_counter.flush()
        assert not Usage.objects.exists()
    usage_counter.flush()
    assert Usage.objects.get().calls == 1


def test_the_next_call_writes_what_is_due(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call()
    assert not Usage.objects.exists()
    monkeypatch.setattr(usage_counter.counter, "pause", 0.0)
    call()
    assert Usage.objects.get().calls == 2


def test_a_database_that_is_away_costs_no_call_and_no_count(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call()

    def away() -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(usage_counter.connection, "cursor", away)
        usage_counter.flush()
    call()
    usage_counter.flush()
    assert Usage.objects.get().calls == 2


def test_lines_that_the_database_never_takes_are_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    usage_counter.count(CallKey(1, "loc", "x" * 500, "", "bulk"), code="", took=0.1, spent=True)
    usage_counter.flush()
    assert len(usage_counter.counter) == 0
    assert not Usage.objects.exists()
    with pytest.raises(DataError):
        Usage.objects.create(
            span=60,
            at=clock.now(),
            app_id=1,
            operation="x" * 500,
            calls=0,
            spent=0,
            took_ms=0,
            slowest_ms=0,
            buckets=[0] * SIZE,
        )


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_counter.counter, "most", 3)
    for number in range(10):
        usage_counter.count(CallKey(1, f"loc{number}", "o", "", "bulk"), code="", took=0.1, spent=True)
    assert len(usage_counter.counter) == 3


def test_a_statistic_that_fails_costs_no_call(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(usage_counter, "count", broken)
    assert call().status == 200


def test_an_observer_receives_every_attempt(call: Call, vendor: Vendor) -> None:
    vendor.fault("/locations", "status", status=503)
    with observed() as seen, pytest.raises(ServerFault):
        call()
    assert [(one.response is not None, one.spent) for one in seen] == [(True, True)]
    assert seen[0].request.operation == GET_LOCATION
    call()
    assert len(seen) == 1


def test_minutes_become_hours_and_hours_go() -> None:
    now = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
    old = now - timedelta(days=2, hours=1)
    for minutes, code in ((0, ""), (1, ""), (2, "server_fault")):
        add(old.replace(minute=minutes), code, calls=10, milliseconds=120)
    add(now - timedelta(hours=1), "", calls=1, milliseconds=5)
    add(now - timedelta(days=91), "", calls=1, milliseconds=5, span=Usage.Span.HOUR)
    upkeep.expire(now)
    found = [(row.span, row.at, row.code, row.calls, row.buckets[bucket(120)]) for row in Usage.objects.order_by("pk")]
    hour = old.replace(minute=0)
    assert (60, now - timedelta(hours=1), "", 1, 0) in found
    assert (3600, hour, "", 20, 20) in found
    assert (3600, hour, "server_fault", 10, 10) in found
    assert len(found) == 3
    add(hour, "", calls=5, milliseconds=900)  # written late, by a process that could not reach the database
    upkeep.expire(now)
    row = Usage.objects.get(span=3600, code="")
    assert (row.calls, row.slowest_ms, row.buckets[bucket(900)], row.buckets[bucket(120)]) == (25, 900, 5, 20)


def test_many_expired_hours_go_in_batches_and_the_rest_in_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
    for hours in range(5):
        add(now - timedelta(days=95, hours=hours), "", calls=1, milliseconds=5, span=Usage.Span.HOUR)
    assert upkeep.overdue(now)["usage by the hour"] == timedelta(days=5, hours=4)
    monkeypatch.setattr(batched_deletion, "BATCH", 2)
    with monkeypatch.context() as hurry:
        hurry.setattr(upkeep, "TURN_SECONDS", 0.0)
        upkeep.expire(now)
    assert Usage.objects.count() == 5, "no time was left"
    with CaptureQueriesContext(connection) as queries:
        upkeep.expire(now)
    assert not Usage.objects.exists()
    assert sum(query["sql"].startswith('DELETE FROM "gateway_usage"') for query in queries) == 3
    assert set(upkeep.overdue(now).values()) == {timedelta()}


def add(at: datetime, code: str, *, calls: int, milliseconds: int, span: int = Usage.Span.MINUTE) -> None:
    buckets = [0] * SIZE
    buckets[bucket(milliseconds)] = calls
    Usage.objects.create(
        span=span,
        at=at,
        app_id=1,
        resource_id="loc",
        operation="contacts.get-contact",
        lane="bulk",
        code=code,
        calls=calls,
        spent=calls,
        took_ms=calls * milliseconds,
        slowest_ms=milliseconds,
        buckets=buckets,
    )


@pytest.mark.parametrize(
    ("milliseconds", "part", "low", "high"),
    [
        ([120] * 100, 0.5, 100, 150),
        ([20] * 90 + [1_000] * 10, 0.5, 10, 25),
        ([20] * 90 + [1_000] * 10, 0.95, 800, 1_200),
        ([20] * 99 + [60_000], 0.999, 15_000, 15_000),
        ([0], 0.99, 0, 10),
    ],
)
def test_percentiles(milliseconds: list[int], part: float, low: float, high: float) -> None:
    counts = [0] * SIZE
    for value in milliseconds:
        counts[bucket(value)] += 1
    found = percentile(counts, part)
    assert found is not None
    assert low <= found <= high


def test_percentiles_grow_with_their_part() -> None:
    counts = [(number * 7) % 5 for number in range(SIZE)]
    found = [percentile(counts, part / 100) or 0.0 for part in range(1, 100)]
    assert found == sorted(found)
    assert percentile([0] * SIZE, 0.5) is None
    assert [bucket(bound) for bound in BOUNDS] == list(range(len(BOUNDS)))
