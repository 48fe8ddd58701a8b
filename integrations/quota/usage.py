"""Who spends a resource's quota: calls by lane and job, in buckets of five minutes; older ones by lane and hour.

Counted in the process and written now and then, because a write per call would cost more than the call's own permit.
The first count after a pause is written at once; a process that is killed takes a few seconds' counts with it, which
pages can bear and no decision depends on.
"""

from __future__ import annotations

import atexit
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta

import structlog
from django.db import Error as DatabaseError
from django.db import connection

from integrations.core import clock
from integrations.quota.models import Usage
from integrations.quota.permits.lanes import Lane

BUCKET = timedelta(minutes=5)
FINE = timedelta(days=2)  # then buckets of an hour, without their jobs: what forecasts need
KEPT = timedelta(days=8)
_MERGING = timedelta(hours=6)  # what has become coarse since the last time, and then some
_PAUSE = 5.0  # seconds between two writes of a process
_MOST = 10_000  # rows kept while the database is away

_ADD = """
INSERT INTO quota_usage AS line (key, bucket_at, lane, job, calls)
SELECT * FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::int[])
ON CONFLICT (key, bucket_at, lane, job) DO UPDATE SET calls = line.calls + excluded.calls
"""
# A row that is an hour's already stays, and takes the others in.
_MERGE = """
WITH fine AS (
  DELETE FROM quota_usage
  WHERE bucket_at >= %(since)s AND bucket_at < %(until)s
    AND (job <> '' OR bucket_at <> date_trunc('hour', bucket_at, 'UTC'))
  RETURNING key, bucket_at, lane, calls
)
INSERT INTO quota_usage AS line (key, bucket_at, lane, job, calls)
SELECT key, date_trunc('hour', bucket_at, 'UTC') AS hour, lane, '', sum(calls) FROM fine GROUP BY key, hour, lane
ON CONFLICT (key, bucket_at, lane, job) DO UPDATE SET calls = line.calls + excluded.calls
"""

Row = tuple[str, datetime, str, str]
log = structlog.get_logger(__name__)
_job: ContextVar[str] = ContextVar("quota_job", default="")
_lock = threading.Lock()
_counts: Counter[Row] = Counter()
_written = 0.0


@contextmanager
def spent_by(job: str) -> Iterator[None]:
    """Calls inside are this job's."""
    token = _job.set(job)
    try:
        yield
    finally:
        _job.reset(token)


def spender() -> str:
    """The job whose calls these are; empty for a page or a command."""
    return _job.get()


def count(key: str, lane: Lane) -> None:
    """One call of the resource (`<app>:<resource>`) was sent. Waits for nothing and never raises."""
    row = (key, bucket(clock.now()), lane.value, _job.get())
    with _lock:
        if row in _counts or len(_counts) < _MOST:
            _counts[row] += 1


def flush_if_due() -> None:
    """Write what was counted, if the last time was a few seconds ago and no transaction of the caller's is open."""
    if _counts and clock.monotonic() - _written >= _PAUSE and not connection.in_atomic_block:
        flush()


def bucket(at: datetime) -> datetime:
    """The start of the five minutes that `at` lies in."""
    return at.replace(minute=at.minute - at.minute % 5, second=0, microsecond=0)


def flush() -> None:
    """Write what was counted; what cannot be written is kept for the next time."""
    global _written  # noqa: PLW0603 - one per process, as the counts are
    with _lock:
        rows = sorted(_counts.items())  # every process in the same order, so that none waits for another in a circle
        _counts.clear()
        _written = clock.monotonic()
    if not rows:
        return
    try:
        with connection.cursor() as cursor:
            columns = zip(*[(*row, calls) for row, calls in rows], strict=True)
            cursor.execute(_ADD, [list(column) for column in columns])
    except DatabaseError as error:
        log.warning("quota.usage_not_written", reason=type(error).__name__)
        with _lock:
            _counts.update(dict(rows))


def tidy(now: datetime) -> None:
    """Merge what is no longer looked at closely, and forget what is old."""
    coarse = now - FINE
    with connection.cursor() as cursor:
        cursor.execute(_MERGE, {"since": coarse - _MERGING, "until": coarse})
    Usage.objects.filter(bucket_at__lt=now - KEPT).delete()


@atexit.register
def _at_exit() -> None:
    if _counts:
        flush()
        connection.close()
