"""Benchmark of the change feed: rows per second of one consumer (`make bench NAME=feed ARGS=1000000`).

ARGS is the number of contacts, 200,000 unless given.

A new consumer reads all contacts by `ChangeFeed.batch`, each batch in the transaction that moves its position; then one
in ten is changed, and it reads these. Bare is a server-side cursor of psycopg over the same rows, which keeps no
position and takes no care of transactions that commit late.
"""

from __future__ import annotations

from bench.setup import prepare, table

prepare()

import sys  # noqa: E402 - the settings of what follows are made by prepare()
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

from django.db import connection  # noqa: E402

from bench.data import filled_records  # noqa: E402
from integrations.sync.feed.change_feed import MOST, ChangeFeed  # noqa: E402
from integrations.tenants.models import App  # noqa: E402

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
CHANGED = (
    "UPDATE sync_record SET changed_in = pg_current_xact_id()::text::bigint WHERE resource = 'contacts' AND id % 10 = 0"
)
BARE = "SELECT record_id, location_id, payload, updated_at FROM sync_record WHERE app_id = %s AND resource = 'contacts'"


def feed(app: App, most: int = MOST) -> int:
    """Read to the end; how many changes came."""
    consumer, count = ChangeFeed(app, f"bench {most}", "contacts"), 0
    while True:
        with consumer.batch(most) as changes:
            if not changes:
                return count
            count += len(changes.changes)


def cursor(app: App) -> int:
    """Read all rows by a server-side cursor."""
    count = 0
    connection.ensure_connection()
    with connection.connection.transaction(), connection.connection.cursor("bare") as found:
        found.itersize = MOST
        for _ in found.execute(BARE, [app.pk]):
            count += 1
    return count


def rate(read: Callable[[], int], expected: int) -> float:
    """Rows per second. Raises AssertionError when other than the expected number come."""
    started = time.perf_counter()
    count = read()
    assert count == expected, f"{count:,} rows instead of {expected:,}"
    return count / (time.perf_counter() - started)


def main() -> None:
    """Fill the table, read it in each way, and print the table."""
    app = filled_records.an_app()
    filled_records.fill(app, ROWS)
    rows = [
        ("a server-side cursor", rate(lambda: cursor(app), ROWS), "rows/s"),
        (f"a new consumer, batches of {MOST}", rate(lambda: feed(app), ROWS), "rows/s"),
        ("a new consumer, batches of 100", rate(lambda: feed(app, 100), ROWS), "rows/s"),
    ]
    with connection.cursor() as changing:
        changing.execute(CHANGED)
        changed = changing.rowcount
    rows.append((f"{changed:,} changed rows, batches of {MOST}", rate(lambda: feed(app), changed), "rows/s"))
    table(f"Change feed, {ROWS:,} contacts in {filled_records.LOCATIONS} locations", rows, base=rows[0][0])


if __name__ == "__main__":
    main()
