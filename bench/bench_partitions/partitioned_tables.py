"""The partitioned tables of `bench.bench_partitions`, filled from today's tables, and the statements that write."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import connection

from integrations.gateway.histogram import SIZE
from integrations.gateway.stats.usage_counter import ADD_UP
from integrations.webhooks import inbox

_KEY = """), key AS (
    INSERT INTO bench_event_key (app_id, webhook_id, received_at)
    SELECT app.id, %(webhook_id)s::text, %(now)s::timestamptz FROM app
    ON CONFLICT DO NOTHING RETURNING app_id
), event AS (
    INSERT INTO bench_event ("""
STORE = (
    inbox._STORE.replace("), event AS (\n    INSERT INTO webhooks_event (", _KEY)  # noqa: SLF001 - the same work
    .replace("FROM app, (SELECT id FROM known", "FROM app, key, (SELECT id FROM known")
    .replace("    ON CONFLICT (app_id, webhook_id) DO NOTHING\n    RETURNING mailbox_id", "    RETURNING mailbox_id")
)
_LINE = "span, at, app_id, resource_id, operation, job, lane, code"
UPSERT_USAGE = f"""
INSERT INTO {{table}} AS stored ({_LINE}, calls, spent, took_ms, slowest_ms, buckets)
SELECT 60, date_trunc('minute', now()), %(app)s, 'location' || lpad(%(tenant)s::text, 12, '0'), 'operation' || n,
    '', 'bulk', '', 1, 1, 200, 200, array_fill(1::bigint, ARRAY[{SIZE}]) FROM generate_series(1, 100) n
ON CONFLICT ({_LINE}) {ADD_UP}
"""
UPSERT_RECORDS = """
INSERT INTO {table} AS stored (app_id, location_id, resource, record_id, payload, version_at, updated_at)
SELECT %(app)s, 'location' || lpad(((%(first)s + n * %(step)s) %% %(step)s)::text, 12, '0'), 'contacts',
    md5((%(first)s + n * %(step)s)::text), jsonb_build_object('id', n, 'at', clock_timestamp()), now(), now()
FROM generate_series(0, 99) n ORDER BY 4
ON CONFLICT (app_id, location_id, resource, record_id)
DO UPDATE SET payload = EXCLUDED.payload, version_at = EXCLUDED.version_at, updated_at = EXCLUDED.updated_at
"""
_INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = %s"


def partition_events(since: datetime, days: int) -> None:
    """`bench_event`, a partition a day, and `bench_event_key`, which keeps each webhook once."""
    _like("webhooks_event", "bench_event", "RANGE (received_at)", key="id, received_at")
    _days("bench_event", since, timedelta(days=1), days)
    for statement in (
        (
            "CREATE TABLE bench_event_key"
            " (app_id bigint NOT NULL, webhook_id varchar(100) NOT NULL, received_at timestamptz NOT NULL)"
        ),
        "INSERT INTO bench_event SELECT * FROM webhooks_event",
        "INSERT INTO bench_event_key SELECT app_id, webhook_id, received_at FROM webhooks_event",
        "ALTER TABLE bench_event_key ADD PRIMARY KEY (app_id, webhook_id)",
        "CREATE INDEX ON bench_event_key (received_at)",
    ):
        _execute(statement)
    _index("webhooks_event", "bench_event", but=("each_webhook_once", "webhooks_event_pkey"))


def partition_usage(since: datetime, weeks: int) -> None:
    """`bench_usage`, a partition a week. Its unique constraint has the time already."""
    _like("gateway_usage", "bench_usage", "RANGE (at)", key="id, at")
    _days("bench_usage", since, timedelta(days=7), weeks)
    _execute("INSERT INTO bench_usage SELECT * FROM gateway_usage")
    _index("gateway_usage", "bench_usage", but=("gateway_usage_pkey",))


def partition_records(parts: int) -> None:
    """`bench_record`, so many partitions by a hash of the location, which its unique constraint has already."""
    _like("sync_record", "bench_record", "HASH (location_id)", key="id, location_id")
    for part in range(parts):
        values = f"FOR VALUES WITH (MODULUS {parts}, REMAINDER {part})"
        _execute(f"CREATE TABLE bench_record_{part} PARTITION OF bench_record {values}")
    _execute("INSERT INTO bench_record SELECT * FROM sync_record")
    _index("sync_record", "bench_record", but=("sync_record_pkey",))


def drop_partition(table: str, since: datetime) -> str:
    """Detach and drop the oldest partition; how long both took.

    PostgreSQL refuses CONCURRENTLY where a default partition exists, so the parent is locked for all meanwhile.
    """
    name, began = f"{table}_{since:%Y%m%d}", time.perf_counter()
    _execute(f"ALTER TABLE {table} DETACH PARTITION {name}")
    detached = time.perf_counter()
    _execute(f"DROP TABLE {name}")
    return f"detached in {(detached - began) * 1e3:.0f} ms, dropped in {(time.perf_counter() - detached) * 1e3:.0f} ms"


def _like(table: str, name: str, how: str, *, key: str) -> None:
    _execute(f"DROP TABLE IF EXISTS {name}")
    _execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS) PARTITION BY {how}")
    _execute(f"CREATE SEQUENCE {name}_ids START 1000000000")
    _execute(f"ALTER TABLE {name} ALTER id SET DEFAULT nextval('{name}_ids'), ADD PRIMARY KEY ({key})")


def _days(table: str, since: datetime, length: timedelta, count: int) -> None:
    _execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    for number in range(count):
        begin = since + number * length
        values = f"FOR VALUES FROM ('{begin}') TO ('{begin + length}')"
        _execute(f"CREATE TABLE {table}_{begin:%Y%m%d} PARTITION OF {table} {values}")


def _index(table: str, name: str, *, but: tuple[str, ...]) -> None:
    """The indexes of today's table."""
    with connection.cursor() as cursor:
        cursor.execute(_INDEXES, [table])
        found = [row[0] for row in cursor.fetchall()]
    for statement in found:
        head, _, rest = statement.partition(f" ON public.{table} ")
        own = head.rpartition(" ")[2]
        if own not in but:
            _execute(f"{head.replace(own, f'bench_{own}')} ON {name} {rest}")


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
