"""Records of the synced copy: merges pages, webhooks and deletions into rows, and decides which version wins.

**Which of two versions wins** is decided in one place, `_WINS`, for all of them. A version is the vendor's own moment
of change. Three rules:

- an alive record takes a version that is not older than its own;
- a tombstone becomes alive only by a version newer than the deletion: the page that was on its way when the record was
  deleted does not bring it back;
- a listing seen well after our version wins whatever its date is. Webhooks date their (partial) payload by
  the moment they were sent, a little after the change itself, and a deletion we inferred may be wrong; without this
  rule neither would ever be corrected. "Well after" is `INDEX_LAG`, because the vendor's search index trails its
  writes by about 7 seconds (FACTS 7.1).

Pages go through COPY into a temporary table and one statement from there, in the order of their ids, so that two
writers cannot deadlock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from integrations.core import clock
from integrations.sync.resources import RESOURCES, Change
from integrations.sync.rows import Row, encode, read

INDEX_LAG = timedelta(minutes=1)

_STAGE = """
CREATE TEMPORARY TABLE IF NOT EXISTS sync_staging
    (n integer, record_id text, version_at timestamptz, payload jsonb) ON COMMIT DELETE ROWS;
-- A former page of this very transaction may still lie there; TRUNCATE would cost a new file each time.
DELETE FROM pg_temp.sync_staging
"""
_COPY = "COPY pg_temp.sync_staging (n, record_id, version_at, payload) FROM STDIN"

_WINS = """(CASE WHEN r.deleted_at IS NULL
    THEN GREATEST(EXCLUDED.version_at, %(floor)s::timestamptz) >= r.version_at
    ELSE GREATEST(EXCLUDED.version_at, %(floor)s::timestamptz) > GREATEST(r.version_at, r.deleted_at) END)"""
_DIFFERS = "(r.deleted_at IS NOT NULL OR r.payload IS DISTINCT FROM EXCLUDED.payload)"

_MERGE = """
WITH written AS (
    INSERT INTO sync_record AS r
        (app_id, location_id, resource, record_id, payload, version_at, seen_run, updated_at)
    SELECT %(app)s, %(location)s, %(resource)s, record_id, payload, version_at, %(run)s, %(now)s FROM (
        SELECT DISTINCT ON (record_id) record_id, payload, version_at
        FROM pg_temp.sync_staging ORDER BY record_id, version_at DESC, n DESC
    ) newest
    ON CONFLICT (app_id, location_id, resource, record_id) DO UPDATE SET
        payload = CASE WHEN {wins} THEN EXCLUDED.payload ELSE r.payload END,
        version_at = CASE WHEN {wins} THEN EXCLUDED.version_at ELSE r.version_at END,
        updated_at = CASE WHEN {wins} AND {differs} THEN EXCLUDED.updated_at ELSE r.updated_at END,
        deleted_at = CASE WHEN {wins} THEN NULL ELSE r.deleted_at END,
        seen_run = COALESCE(EXCLUDED.seen_run, r.seen_run)
    WHERE EXCLUDED.seen_run <> COALESCE(r.seen_run, 0)
        OR ({wins} AND ({differs} OR r.version_at <> EXCLUDED.version_at))
    RETURNING r.xmax = 0 AS inserted, r.updated_at = %(now)s AS changed
)
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE changed AND NOT inserted) FROM written
""".replace("{wins}", _WINS).replace("{differs}", _DIFFERS)

_PATCH = """
INSERT INTO sync_record AS r (app_id, location_id, resource, record_id, payload, version_at, updated_at)
VALUES (%(app)s, %(location)s, %(resource)s, %(id)s, %(payload)s::jsonb, %(at)s, %(now)s)
ON CONFLICT (app_id, location_id, resource, record_id) DO UPDATE SET
    payload = CASE WHEN r.deleted_at IS NULL THEN r.payload || EXCLUDED.payload ELSE EXCLUDED.payload END,
    version_at = EXCLUDED.version_at,
    deleted_at = NULL,
    updated_at = EXCLUDED.updated_at
WHERE {wins}
""".replace("{wins}", _WINS)

_REMOVE = """
INSERT INTO sync_record AS r (app_id, location_id, resource, record_id, payload, version_at, deleted_at, updated_at)
VALUES (%(app)s, %(location)s, %(resource)s, %(id)s, %(payload)s::jsonb, %(at)s, %(at)s, %(now)s)
ON CONFLICT (app_id, location_id, resource, record_id) DO UPDATE SET
    deleted_at = EXCLUDED.deleted_at,
    updated_at = EXCLUDED.updated_at
WHERE r.deleted_at IS NULL AND EXCLUDED.version_at >= r.version_at
"""


@dataclass(frozen=True, slots=True)
class Merged:
    """Counts of what a page changed. `unchanged` includes duplicates inside the page and older versions."""

    inserted: int
    updated: int
    unchanged: int
    skipped: int


def merge(
    app_id: int,
    location_id: str,
    resource: str,
    rows: Sequence[Any],
    run_id: int | None = None,
    observed_at: datetime | None = None,
) -> Merged:
    """Bring rows of the vendor's listing into the copy, in one transaction or the caller's.

    `rows` are the listing's objects as they came. `run_id` marks every one of them as seen by that run. `observed_at`
    is when the page was asked for; without it only the rows' own versions count.
    """
    now = clock.now()
    parsed, skipped = read(RESOURCES[resource], rows, observed_at or now)
    if not parsed:
        return Merged(0, 0, 0, skipped)
    values = {
        "app": app_id,
        "location": location_id,
        "resource": resource,
        "run": run_id,
        "now": now,
        "floor": observed_at - INDEX_LAG if observed_at else None,
    }
    inserted, updated = _through_staging(parsed, values)
    return Merged(inserted, updated, len(parsed) - inserted - updated, skipped)


def patch(app_id: int, location_id: str, resource: str, change: Change) -> bool:
    """Merge a webhook's fields into the stored record, or create it. False when the event came too late."""
    return _apply(_PATCH, (app_id, location_id, resource), change)


def remove(app_id: int, location_id: str, resource: str, change: Change) -> bool:
    """Write a tombstone, even without a record: a page under way may still contain it. False when the event came too
    late.
    """
    return _apply(_REMOVE, (app_id, location_id, resource), change)


def _through_staging(rows: Iterable[Row], values: dict[str, Any]) -> tuple[int, int]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_STAGE)
        with cursor.copy(_COPY) as copy:
            for n, row in enumerate(rows):
                copy.write_row((n, row.record_id, row.version_at, row.payload))
        cursor.execute(_MERGE, values)
        inserted, updated = cursor.fetchone()
    return inserted, updated


def _apply(statement: str, place: tuple[int, str, str], change: Change) -> bool:
    app_id, location_id, resource = place
    values: dict[str, Any] = {
        "app": app_id,
        "location": location_id,
        "resource": resource,
        "id": change.record_id,
        "payload": encode(change.payload),
        "at": change.at,
        "now": clock.now(),
        "floor": None,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.rowcount)
