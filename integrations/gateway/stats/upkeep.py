"""Retention of the call statistics.

Minutes become hours after two days. Hours expire after `USAGE_RETENTION_DAYS`, failed calls after
`CALL_RETENTION_DAYS`.

Each hour of minutes is aggregated in its own transaction, so that other transactions wait only briefly. Expired rows
are deleted in batches, for `TURN_SECONDS` at most: after a shorter retention was set, a hundred million may be.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from integrations.core import clock
from integrations.core.sql import batched_deletion
from integrations.gateway.histogram import SIZE
from integrations.gateway.models import Call, Usage
from integrations.gateway.stats import usage_totals
from integrations.gateway.stats.usage_counter import ADD_UP
from integrations.gateway.stats.usage_totals import MINUTES_KEPT

MOST_CALLS = 100_000  # limit of rows at any age, for an error storm in many processes
TURN_SECONDS = 30.0  # of deletions; the next run continues
HOURS_AT_ONCE = 48  # per run; the next run continues

_SAME = "app_id, resource_id, operation, job, lane, code"
_COARSEN = f"""
WITH old AS (
  DELETE FROM gateway_usage WHERE span = {Usage.Span.MINUTE.value} AND at >= %s AND at < %s RETURNING *
)
INSERT INTO gateway_usage AS stored
  (span, at, {_SAME}, calls, spent, took_ms, slowest_ms, buckets)
SELECT {Usage.Span.HOUR.value}, %s, {_SAME}, sum(calls), sum(spent), sum(took_ms), max(slowest_ms),
  ARRAY[{", ".join(f"sum(buckets[{n}])" for n in range(1, SIZE + 1))}]::bigint[]
FROM old GROUP BY {_SAME}
ON CONFLICT (span, at, {_SAME}) {ADD_UP}
"""  # noqa: S608 - nothing in it comes from outside


def expire(now: datetime) -> None:
    """Aggregate old minutes to hours, delete expired rows, and add up what the usage page reads."""
    for hour in _hours_to_coarsen(now):
        coarsen(hour)
    usage_totals.add_up_due(now)
    until = clock.monotonic() + TURN_SECONDS
    for rows in _expired(now):
        batched_deletion.delete(rows, until)
    beyond = Call.objects.order_by("-pk").values_list("pk", flat=True)[MOST_CALLS : MOST_CALLS + 1]
    for newest_beyond in beyond:
        batched_deletion.delete(Call.objects.filter(pk__lte=newest_beyond).order_by("pk"), until)


def overdue(now: datetime) -> dict[str, timedelta]:
    """How long ago the oldest row of each kind should have been deleted, or become hours; zero if none should."""
    kinds = {
        "usage by the minute": (Usage.objects.filter(span=Usage.Span.MINUTE), MINUTES_KEPT),
        "usage by the hour": (Usage.objects.filter(span=Usage.Span.HOUR), _usage_kept()),
        "failed calls": (Call.objects.all(), _calls_kept()),
    }
    oldest = {name: rows.order_by("at").values_list("at", flat=True).first() for name, (rows, _) in kinds.items()}
    return {name: max(timedelta(), now - kept - (oldest[name] or now)) for name, (_, kept) in kinds.items()}


def _expired(now: datetime) -> tuple[QuerySet[Any], ...]:
    """Expired rows by table, the oldest first."""
    hours = Usage.objects.filter(span=Usage.Span.HOUR, at__lt=now - _usage_kept())
    return hours.order_by("at"), Call.objects.filter(at__lt=now - _calls_kept()).order_by("at")


def _usage_kept() -> timedelta:
    return timedelta(days=settings.USAGE_RETENTION_DAYS)


def _calls_kept() -> timedelta:
    return timedelta(days=settings.CALL_RETENTION_DAYS)


def coarsen(hour: datetime) -> None:
    """Aggregate the minutes of the hour that starts at `hour` to one row each. The next run adds late rows."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_COARSEN, [hour, hour + timedelta(hours=1), hour])
        usage_totals.add_up_hour(hour)


def _hours_to_coarsen(now: datetime) -> list[datetime]:
    """The oldest hours that still have minute rows and ended more than two days ago."""
    limit = (now - MINUTES_KEPT).replace(minute=0, second=0, microsecond=0)
    minutes = Usage.objects.filter(span=Usage.Span.MINUTE, at__lt=limit)
    return list(minutes.datetimes("at", "hour")[:HOURS_AT_ONCE])
