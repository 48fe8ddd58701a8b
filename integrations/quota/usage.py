"""Usage statistics of quotas: calls by resource, lane and job in five minutes; older ones by lane and hour.

Counted in a buffer (`core.counters`), because a write per call would cost more than the call's own permit. Pages and
the forecast read these rows; no permit depends on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta

from django.db import connection

from integrations.core import clock
from integrations.core.counters import BufferedCounter
from integrations.quota.models import Usage
from integrations.quota.permits.lanes import Lane

BUCKET = timedelta(minutes=5)
FINE = timedelta(days=2)  # then buckets of an hour without jobs, as forecasts need them
KEPT = timedelta(days=8)
_MERGING = timedelta(hours=6)  # covers all that became old since the last merge, with a margin

_ADD = """
INSERT INTO quota_usage AS usage (key, bucket_at, lane, job, calls)
SELECT * FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::int[])
ON CONFLICT (key, bucket_at, lane, job) DO UPDATE SET calls = usage.calls + excluded.calls
"""
# A row of a whole hour stays; the others are added to it.
_MERGE = """
WITH fine AS (
  DELETE FROM quota_usage
  WHERE bucket_at >= %(since)s AND bucket_at < %(until)s
    AND (job <> '' OR bucket_at <> date_trunc('hour', bucket_at, 'UTC'))
  RETURNING key, bucket_at, lane, calls
)
INSERT INTO quota_usage AS usage (key, bucket_at, lane, job, calls)
SELECT key, date_trunc('hour', bucket_at, 'UTC') AS hour, lane, '', sum(calls) FROM fine GROUP BY key, hour, lane
ON CONFLICT (key, bucket_at, lane, job) DO UPDATE SET calls = usage.calls + excluded.calls
"""

Row = tuple[str, datetime, str, str]
_job: ContextVar[str] = ContextVar("quota_job", default="")


def _write(rows: Sequence[tuple[Row, int]]) -> None:
    columns = zip(*[(*row, calls) for row, calls in rows], strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [list(column) for column in columns])


counter = BufferedCounter[Row, int]("quota.usage", _write, most=10_000)


@contextmanager
def spent_by(job: str) -> Iterator[None]:
    """Context in which calls count for this job."""
    token = _job.set(job)
    try:
        yield
    finally:
        _job.reset(token)


def spender() -> str:
    """The job that calls count for; empty in a page or a command."""
    return _job.get()


def count(key: str, lane: Lane) -> None:
    """Count one sent call of the resource (`<app>:<resource>`). Never waits and never raises."""
    counter.add((key, bucket(clock.now()), lane.value, _job.get()), 1)


def bucket(at: datetime) -> datetime:
    """The start of the five minutes that `at` lies in."""
    return at.replace(minute=at.minute - at.minute % 5, second=0, microsecond=0)


def merge_old(now: datetime) -> None:
    """Merge rows older than FINE into hours, and delete expired ones."""
    coarse = now - FINE
    with connection.cursor() as cursor:
        cursor.execute(_MERGE, {"since": coarse - _MERGING, "until": coarse})
    Usage.objects.filter(bucket_at__lt=now - KEPT).delete()
