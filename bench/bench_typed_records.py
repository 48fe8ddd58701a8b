"""Benchmark of the typed queries on the synced copy, at ROWS contacts (`make bench NAME=typed_records ARGS=1000000`).

The rows are COPYed into the table with all its indexes, contacts of about 1.2 kB over 20 locations. Each query is
explained: a sequential scan ends the benchmark as a failure. Its time is the median of many runs over different values,
with the rows in memory.
"""

from __future__ import annotations

from bench.setup import prepare, table

prepare()

import random  # noqa: E402 - the settings of what follows are made by prepare()
import statistics  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from datetime import timedelta  # noqa: E402
from typing import Any  # noqa: E402

from django.db import connection  # noqa: E402
from django.db.models import QuerySet  # noqa: E402
from django.db.models.query import RawQuerySet  # noqa: E402

from bench.data import filled_records  # noqa: E402
from integrations.core.tenant import Tenant  # noqa: E402
from integrations.sync.models import Record  # noqa: E402
from integrations.sync.typed.record_selection import RecordSelection  # noqa: E402
from integrations.tenants.models import App  # noqa: E402

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
REPEATS = 40
Query = Callable[[int], RecordSelection[Any]]


def queries(app: App) -> dict[str, Query]:
    """The queries by name; each takes a number that chooses the value."""

    def of(number: int, resource: str = "contacts") -> RecordSelection[Any]:
        place, _ = filled_records.contact(number)
        return RecordSelection.of(resource).for_tenant(Tenant.location(place), app)

    return {
        "newest(25)": of,
        "by_email": lambda n: of(n).by_email(f"john.deo.{n}@EXAMPLE.com"),
        "by_phone": lambda n: of(n).by_phone(f"+1{n:010}"),
        "tagged, 1 in 1,000, newest(25)": lambda n: of(n).tagged("vip"),
        "tagged, 1 in 3, newest(25)": lambda n: of(n).tagged("customer"),
        "tagged, no such tag": lambda n: of(n).tagged("nobody"),
        "changed_since the last 25": lambda n: of(n).changed_since(
            filled_records.NOON + timedelta(seconds=ROWS - 25 * filled_records.LOCATIONS)
        ),
        "notes of a contact": lambda n: of(n, "notes").of_contact(filled_records.contact(n // 10 * 10)[1]["id"]),
    }


def explained(selection: RecordSelection[Any]) -> str:
    """The plan. Raises AssertionError for one that reads the whole table."""
    rows = selection.newest_rows(25)
    if isinstance(rows, QuerySet):
        plan = rows.explain(analyze=True, buffers=True)
    else:
        assert isinstance(rows, RawQuerySet)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {rows.raw_query}", rows.params)
            plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan" not in plan, plan
    return plan


def median_ms(query: Query) -> float:
    """The median time of the query for different values, in milliseconds, as a caller sees it."""
    found = []
    for number in random.Random(1).sample(range(ROWS), REPEATS):
        started = time.perf_counter()
        query(number).newest(25)
        found.append((time.perf_counter() - started) * 1000)
    return statistics.median(found)


def sizes() -> list[tuple[str, float, str]]:
    """Bytes of each index per row."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelname::text, pg_relation_size(indexrelid) / %s FROM pg_stat_user_indexes "
            "WHERE relname = 'sync_record' ORDER BY 1",
            [float(ROWS)],
        )
        return [(name, size, "bytes/row") for name, size in cursor.fetchall()]


def main() -> None:
    """Fill the table, explain and measure each query, print the tables."""
    app = filled_records.an_app()
    rate = filled_records.fill(app, ROWS)
    measured = []
    for name, query in queries(app).items():
        plan = explained(query(ROWS // 2))
        if "--plans" in sys.argv:
            sys.stdout.write(f"\n{name}\n{plan}\n")
        measured.append((name, median_ms(query) * 1000, "µs"))
    table(
        f"Typed queries, {Record.objects.count():,} records, {filled_records.LOCATIONS} locations",
        measured,
        base="newest(25)",
    )
    table("Indexes of the records", sizes(), base="each_record_once")
    sys.stdout.write(f"\nCOPY into the table with its indexes: {rate:,.0f} records/s\n")


if __name__ == "__main__":
    main()
