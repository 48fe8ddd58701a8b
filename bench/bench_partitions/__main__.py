"""What partitions would bring: `python -m bench.bench_partitions --table events --rows 10000000`.

Beside today's table stands a partitioned one with the same rows: events by the day of their receipt, with a table of
keys that keeps "each webhook once" (a unique constraint of a partitioned table has to contain the day); usage by the
week; records by a hash of the location. Both get the same writes, reads and retention, in turn. Writes do not wait for
the disk, so that other load on it hits neither.
"""

from __future__ import annotations

from bench.setup import prepare

prepare("hlapp_partitions")

import argparse  # noqa: E402 - the settings of what follows are made by prepare()
import random  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from datetime import UTC, datetime, timedelta  # noqa: E402
from typing import Any  # noqa: E402

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402

from bench.bench_partitions.partitioned_tables import (  # noqa: E402
    STORE,
    UPSERT_RECORDS,
    UPSERT_USAGE,
    drop_partition,
    partition_events,
    partition_records,
    partition_usage,
)
from bench.data.console_data import LOCATION, OPERATIONS, TYPES  # noqa: E402
from bench.data.filled_tables import analyze, fill, one_of  # noqa: E402
from integrations.core.sql import batched_deletion  # noqa: E402
from integrations.gateway.histogram import SIZE  # noqa: E402
from integrations.gateway.models import Usage  # noqa: E402
from integrations.sync.models import Record  # noqa: E402
from integrations.tenants import marketplace  # noqa: E402
from integrations.webhooks import inbox, retention  # noqa: E402
from integrations.webhooks.models import Event, Mailbox  # noqa: E402

TENANTS, PROBES, WRITES, ROUNDS = 2_700, 200, 500, 5
BATCH = 1_000
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
PAYLOAD = """jsonb_build_object('type', 'ContactUpdate', 'id', md5(n::text), 'email', 'john.' || n || '@example.com',
    'customFields', jsonb_build_array(jsonb_build_object('id', md5((n + 1)::text), 'value', repeat(md5(n::text), 6)),
    jsonb_build_object('id', md5((n + 2)::text), 'value', repeat(md5((n * 7)::text), 6))))"""
dice = random.Random(1)


def run(statement: str, values: Any = None) -> int:
    """Run a statement; how many rows it gave or changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def seconds(act: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def size(*tables: str) -> float:
    """Gigabytes of tables with their partitions and indexes."""
    total = """SELECT pg_total_relation_size(%s::regclass)
        + coalesce((SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = %s::regclass), 0)"""
    found = 0.0
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(total, [table, table])
            found += float(cursor.fetchone()[0])
    return found / 1e9


def in_turn(acts: Mapping[str, Callable[[], Any]], times: int) -> dict[str, str]:
    """Medians and 99th percentiles in milliseconds, of acts that take turns."""
    took: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(times):
        for name, act in acts.items():
            took[name].append(seconds(act) * 1_000)
    return {
        name: f"median {statistics.median(one):.2f} ms, 99 % {sorted(one)[int(len(one) * 0.99)]:.2f} ms"
        for name, one in took.items()
    }


def show(what: str, found: Mapping[str, str]) -> None:
    """Print one comparison."""
    sys.stdout.write(f"{what}\n" + "".join(f"    {name:<14}{text}\n" for name, text in found.items()))
    sys.stdout.flush()


def delete_in_batches(table: str, where: str, values: list[Any]) -> Callable[[], int]:
    """Delete these rows, `BATCH` in a transaction; how many."""
    statement = f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {where} LIMIT {BATCH}))"

    def act() -> int:
        deleted = 0
        while batch := run(statement, values):
            deleted += batch
        return deleted

    return act


def retained(name: str, act: Callable[[], int], *tables: str) -> dict[str, str]:
    """How fast rows are deleted, and how long the vacuum behind it takes."""
    began = time.perf_counter()
    rows = act()
    took = time.perf_counter() - began
    vacuum = sum(seconds(lambda table=table: run(f"VACUUM {table}")) for table in tables)  # type: ignore[misc]
    return {name: f"{rows:,} rows in {took:.1f} s ({rows / took:,.0f} a second), VACUUM {vacuum:.1f} s"}


def events(rows: int) -> None:
    """Events: one table, and one partition a day with a table of keys."""
    app, keep = marketplace.default(), settings.WEBHOOK_RETENTION_DAYS
    fill(Mailbox, TENANTS, app_id=str(app.pk), tenant=f"'location:' || {LOCATION.format(TENANTS)}")
    since = MIDNIGHT - timedelta(days=keep + 1)
    at = f"'{since}'::timestamptz + n * interval '{(datetime.now(UTC) - since).total_seconds() / rows:.9f} seconds'"
    [first] = Mailbox.objects.order_by("pk").values_list("pk", flat=True)[:1]
    columns = {"occurred_at": at, "received_at": at, "due_at": at, "processed_at": at, "payload": PAYLOAD}
    fill(
        Event,
        rows,
        app_id=str(app.pk),
        mailbox_id=f"{first} + n %% {TENANTS}",
        webhook_id="md5(n::text)",
        type=one_of(*TYPES),
        status="'done'",
        **columns,
    )
    partition_events(since, keep + 3)
    analyze()
    show("size", {"one table": f"{size('webhooks_event'):.2f} GB", "partitions": _with_keys()})
    stores = {"one table": _store(inbox._STORE, app.client_id), "partitions": _store(STORE, app.client_id)}  # noqa: SLF001
    show("store a webhook", in_turn(stores, WRITES * ROUNDS))
    for what, where, order in (
        ("latest 100 of a tenant", f"mailbox_id = {first} + {{0}} %% {TENANTS}", "ORDER BY received_at DESC LIMIT 100"),
        ("latest 100 of a type", "type = 'ContactCreate' AND {0} > 0", "ORDER BY received_at DESC LIMIT 100"),
        ("one by its id", "id = {0}", ""),
    ):
        show(what, in_turn(_reads("webhooks_event", "bench_event", where, order, rows), PROBES))
    keyed = f"webhook_id = md5('{{0}}') AND app_id = {app.pk}"
    of_key = f"{keyed} AND received_at = (SELECT received_at FROM bench_event_key WHERE {keyed})"
    show(
        "one by its webhook id",
        in_turn(_reads("webhooks_event", "bench_event", keyed, "", rows, other_where=of_key), PROBES),
    )
    expired = MIDNIGHT - timedelta(days=keep)
    now = datetime.now(UTC)
    one = retained("one table", lambda: _tidy(now), "webhooks_event")
    keys = retained("keys", delete_in_batches("bench_event_key", "received_at < %s", [expired]), "bench_event_key")
    show("delete what has expired (a day)", {**one, **keys, "partition": drop_partition("bench_event", since)})


def _with_keys() -> str:
    return f"{size('bench_event', 'bench_event_key'):.2f} GB, {size('bench_event_key'):.2f} of them keys"


def _store(statement: str, client_id: str) -> Callable[[], Any]:
    def act() -> None:
        number = dice.getrandbits(60)
        now = datetime.now(UTC)
        location = f"location{number % TENANTS:012}"
        values = {"name": client_id, "default": client_id, "tenant": f"location:{location}", "now": now}
        names = {"webhook_id": f"{number:032x}", "type": "ContactUpdate", "occurred_at": now, "trace_parent": ""}
        run(statement, {**values, **names, "payload": f'{{"id": "{number}", "text": "{"x" * 500}"}}'})

    return act


def _tidy(now: datetime) -> int:
    deleted = 0
    while batch := batched_deletion.delete_batch(retention.expired(now), batched_deletion.BATCH):
        deleted += batch
    return deleted


def _reads(
    one: str, other: str, where: str, order: str, rows: int, *, other_where: str = ""
) -> dict[str, Callable[[], Any]]:
    def read(table: str, where: str) -> Callable[[], Any]:
        statement = f"SELECT * FROM {table} WHERE {where} {order}"
        return lambda: run(statement.format(1 + dice.randrange(rows)).replace("%%", "%"))

    return {"one table": read(one, where), "partitions": read(other, other_where or where)}


def usage(rows: int) -> None:
    """Usage: one table, and one partition a week."""
    app, days = marketplace.default(), settings.USAGE_RETENTION_DAYS
    since = MIDNIGHT - timedelta(days=days + 7)
    each = rows // ((days + 7) * 24)
    fill(
        Usage,
        each * (days + 7) * 24,
        app_id=str(app.pk),
        span="3600",
        at=f"'{since}'::timestamptz + (n / {each}) * interval '1 hour'",
        resource_id=LOCATION.format(TENANTS),
        operation=one_of(*OPERATIONS, by=f"(n %% {each}) / {TENANTS}"),
        job=f"(n %% {each}) / {TENANTS * len(OPERATIONS)}",
        lane="'bulk'",
        code="''",
        calls="10",
        spent="10",
        took_ms="2000",
        slowest_ms="400",
        buckets=f"array_fill(1::bigint, ARRAY[{SIZE}])",
    )
    partition_usage(since, days // 7 + 3)
    analyze()
    show("size", {"one table": f"{size('gateway_usage'):.2f} GB", "partitions": f"{size('bench_usage'):.2f} GB"})
    writes = {name: _count(table, app.pk) for name, table in _pair("gateway_usage", "bench_usage").items()}
    show("count 100 lines of this minute", in_turn(writes, WRITES))
    where = "resource_id = 'location' || lpad(({0} %% 2700)::text, 12, '0') AND at > now() - interval '{1} days'"
    for length in (1, 30):
        what = where.replace("{1}", str(length))
        show(f"a tenant's last {length} days", in_turn(_reads("gateway_usage", "bench_usage", what, "", rows), PROBES))
    delete = delete_in_batches("gateway_usage", "span = 3600 AND at < %s", [since + timedelta(days=7)])
    one = retained("one table", delete, "gateway_usage")
    show("delete what has expired (a week)", {**one, "partition": drop_partition("bench_usage", since)})


def _pair(one: str, other: str) -> dict[str, str]:
    return {"one table": one, "partitions": other}


def _count(table: str, app_id: int) -> Callable[[], Any]:
    return lambda: run(UPSERT_USAGE.format(table=table), {"app": app_id, "tenant": dice.randrange(TENANTS)})


def records(rows: int) -> None:
    """Records: one table, and 16 partitions by a hash of the location."""
    app = marketplace.default()
    fill(
        Record,
        rows,
        app_id=str(app.pk),
        location_id=LOCATION.format(TENANTS),
        resource="'contacts'",
        record_id="md5(n::text)",
        payload=PAYLOAD,
        version_at="now()",
        updated_at="now()",
    )
    partition_records(16)
    analyze()
    show("size", {"one table": f"{size('sync_record'):.2f} GB", "partitions": f"{size('bench_record'):.2f} GB"})
    writes = {name: _merge(table, app.pk, rows) for name, table in _pair("sync_record", "bench_record").items()}
    show("merge a page of 100 records", in_turn(writes, WRITES))
    one, other = (seconds(lambda table=table: run(f"VACUUM {table}")) for table in ("sync_record", "bench_record"))  # type: ignore[misc]
    show(f"VACUUM after {WRITES * 100:,} updates", {"one table": f"{one:.1f} s", "partitions": f"{other:.1f} s"})
    where = "location_id = 'location' || lpad(({0} %% 2700)::text, 12, '0') AND resource = 'contacts'"
    reads = _reads("sync_record", "bench_record", where, f"AND app_id = {app.pk} ORDER BY record_id LIMIT 100", rows)
    show("100 records of a location", in_turn(reads, PROBES))


def _merge(table: str, app_id: int, rows: int) -> Callable[[], Any]:
    statement = UPSERT_RECORDS.format(table=table)
    # Row n is of location n % TENANTS, so these 100 rows are of one location.
    return lambda: run(
        statement,
        {"app": app_id, "first": dice.randrange(max(1, rows - 100 * TENANTS)), "step": TENANTS},
    )


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tables = {"events": events, "usage": usage, "records": records}
    parser.add_argument("--table", choices=[*tables, "all"], default="all")
    parser.add_argument("--rows", type=int, default=300_000)
    given = parser.parse_args()
    for name, measure in tables.items():
        if given.table in (name, "all"):
            sys.stdout.write(f"\n{name}: {given.rows:,} rows\n")
            took = seconds(lambda measure=measure: measure(given.rows))  # type: ignore[misc]
            sys.stdout.write(f"  measured in {took:.0f} s\n")


if __name__ == "__main__":
    main()
