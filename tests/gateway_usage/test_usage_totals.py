"""Totals of the usage page: they equal the rows, at every moment and for every span."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.gateway.histogram import SIZE
from integrations.gateway.models import Usage, UsageTotal
from integrations.gateway.stats import queries, upkeep, usage_totals
from integrations.gateway.stats.queries import SPANS, Slice, Span

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 47, 20, tzinfo=UTC)


def used(at: datetime, *, span: Usage.Span = Usage.Span.MINUTE, calls: int = 3, tenant: str = "loc1") -> None:
    start = at.replace(second=0, microsecond=0)
    Usage.objects.create(
        span=span,
        at=start if span == Usage.Span.MINUTE else start.replace(minute=0),
        app_id=1,
        resource_id=tenant,
        operation=f"contacts.operation-{calls % 3}",
        lane="bulk",
        calls=calls,
        spent=calls,
        took_ms=calls * 100,
        slowest_ms=100 + calls,
        buckets=[calls] * SIZE,
    )


def a_month(seed: int = 1) -> None:
    """Minutes of two days and hours of the month before, here and there."""
    chosen = random.Random(seed)
    for number in range(60):
        used(NOW - timedelta(minutes=chosen.randrange(2_700)), calls=number + 1, tenant=f"loc{number}")
        hours_ago = 50 + chosen.randrange(650)
        used(NOW - timedelta(hours=hours_ago), span=Usage.Span.HOUR, calls=number + 1, tenant=f"loc{number}")


def read(span: Span, now: datetime = NOW) -> list[Slice]:
    return sorted(queries.slices(span, now), key=lambda part: (part.at, part.operation))


@pytest.mark.slow
@pytest.mark.parametrize("name", SPANS)
def test_every_span_reads_the_same_with_and_without_totals(name: str) -> None:
    a_month()
    before = read(SPANS[name])
    usage_totals.add_up_due(NOW)
    usage_totals.add_up_due(NOW)
    assert UsageTotal.objects.exists()
    assert read(SPANS[name]) == before
    used(NOW, calls=7)
    assert sum(part.calls for part in read(SPANS[name])) == sum(part.calls for part in before) + 7, (
        "the last minutes too"
    )


@pytest.mark.slow
def test_long_spans_read_few_rows_and_one_tenant_is_read_by_its_index() -> None:
    a_month()
    usage_totals.add_up_due(NOW)
    with CaptureQueriesContext(connection) as asked:
        read(SPANS["month"])
    assert "gateway_usagetotal" in asked.captured_queries[-1]["sql"]
    with CaptureQueriesContext(connection) as asked:
        assert sum(part.calls for part in queries.slices(SPANS["month"], NOW, resource_id="loc1")) > 0
    assert "gateway_usagetotal" not in asked.captured_queries[-1]["sql"]


@pytest.mark.slow
def test_counts_that_come_late_are_in_the_totals_at_the_next_run_or_when_minutes_become_hours() -> None:
    a_month()
    usage_totals.add_up_due(NOW)
    before = sum(part.calls for part in read(SPANS["day"]))
    used(NOW - timedelta(minutes=50), calls=100, tenant="late")
    usage_totals.add_up_due(NOW)
    assert sum(part.calls for part in read(SPANS["day"])) == before + 100
    month = sum(part.calls for part in read(SPANS["month"]))
    used(NOW - timedelta(hours=60), calls=1_000, tenant="later")
    upkeep.expire(NOW)
    assert sum(part.calls for part in read(SPANS["month"])) == month + 1_000


@pytest.mark.slow
def test_totals_go_with_what_they_total(settings: object) -> None:
    a_month()
    usage_totals.add_up_due(NOW)
    usage_totals.add_up_due(NOW + timedelta(days=91))
    assert not UsageTotal.objects.filter(at__lt=NOW).exists()


def test_nothing_is_added_up_before_the_first_call() -> None:
    usage_totals.add_up_due(NOW)
    assert not UsageTotal.objects.exists()
