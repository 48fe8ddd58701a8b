"""Benchmark of the synced copy: records per second, against the bare cost of writing the same rows.

Rows are contacts of the vendor's size (about 1.2 kB of JSON). Three cases: all new, all unchanged (a full run over a
location that did not move), all updated. Bare is psycopg alone: `executemany` of INSERT … ON CONFLICT DO UPDATE into
the same table, which keeps no order of versions; and COPY into a table without index or constraint, the physical
limit. Rows of all cases are interleaved in rounds and the median counts.
"""

from __future__ import annotations

from bench.setup import prepare, table

prepare()

import itertools  # noqa: E402 - the settings of what follows are made by prepare()
import json  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from datetime import UTC, datetime, timedelta  # noqa: E402
from typing import Any  # noqa: E402

from django.db import connection, transaction  # noqa: E402

from integrations.sync import records  # noqa: E402
from integrations.sync.models import Record  # noqa: E402
from integrations.sync.resources.dates import iso  # noqa: E402
from integrations.tenants.models import App  # noqa: E402

ROWS = 2_000  # per round and case
ROUNDS = 5
NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
_location = itertools.count()
_run = itertools.count(1)

Rows = list[dict[str, Any]]
UPSERT = """
INSERT INTO sync_record (app_id, location_id, resource, record_id, payload, version_at, updated_at)
VALUES (%s, %s, 'contacts', %s, %s::jsonb, %s, now())
ON CONFLICT (app_id, location_id, resource, record_id)
DO UPDATE SET payload = EXCLUDED.payload, version_at = EXCLUDED.version_at, updated_at = EXCLUDED.updated_at
"""


def contacts(version: int) -> Rows:
    """The same contacts each time; a higher version changes each at a later time."""
    changed = NOON + timedelta(minutes=version)
    return [
        {
            "id": f"ocQHyuzHvysMo5N{number:05}",
            "firstName": "John",
            "lastName": f"Deo {number} {version}",
            "email": f"john.deo.{number}@example.com",
            "phone": "+919509597501",
            "address1": "3535 1st St N",
            "tags": ["nisi sint commodo amet", "consequat"],
            "customFields": [{"id": f"field{n:015}", "value": "some text of a form"} for n in range(15)],
            "dateAdded": iso(NOON),
            "dateUpdated": iso(changed),
        }
        for number in range(ROWS)
    ]


def ours(app: App, location: str, pages: list[Rows]) -> None:
    """Merge the pages by `records.merge`."""
    run_id = next(_run)
    for page in pages:
        records.merge(app.pk, location, "contacts", page, run_id=run_id)


def executemany(app: App, location: str, pages: list[Rows]) -> None:
    """Upsert the pages by psycopg's `executemany`, a transaction for each."""
    for page in pages:
        values = [(app.pk, location, row["id"], json.dumps(row), row["dateUpdated"]) for row in page]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.cursor.executemany(UPSERT, values)


def copy(app: App, location: str, pages: list[Rows]) -> None:
    """Write the pages by COPY into a bare table."""
    del app
    for page in pages:
        with transaction.atomic(), connection.cursor() as cursor, cursor.copy("COPY bare_copy FROM STDIN") as stream:
            for row in page:
                stream.write_row((location, row["id"], json.dumps(row), row["dateUpdated"]))


def paged(rows: Rows, size: int) -> list[Rows]:
    """Rows in pages of `size`."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def rate(work: Callable[[], None]) -> float:
    """Rows per second."""
    started = time.perf_counter()
    work()
    return ROWS / (time.perf_counter() - started)


def one_round(app: App, size: int, found: dict[str, list[float]]) -> None:
    """Measure every case once, with pages of `size`."""
    first, later = paged(contacts(0), size), paged(contacts(1), size)
    mine, bare = f"ours{next(_location)}", f"bare{next(_location)}"
    cases: list[tuple[str, Callable[[], None]]] = [
        ("fresh: records.merge", lambda: ours(app, mine, first)),
        ("fresh: executemany", lambda: executemany(app, bare, first)),
        ("unchanged: records.merge", lambda: ours(app, mine, first)),
        ("unchanged: executemany", lambda: executemany(app, bare, first)),
        ("updated: records.merge", lambda: ours(app, mine, later)),
        ("updated: executemany", lambda: executemany(app, bare, later)),
        ("COPY into a bare table", lambda: copy(app, bare, first)),
    ]
    for name, work in cases:
        found.setdefault(name, []).append(rate(work))


def check(app: App) -> None:
    """Check that the three cases insert, skip and update as intended."""
    page = contacts(0)[:100]
    assert records.merge(app.pk, "check", "contacts", page, run_id=1).inserted == 100
    assert records.merge(app.pk, "check", "contacts", page, run_id=2).unchanged == 100
    assert records.merge(app.pk, "check", "contacts", contacts(1)[:100], run_id=3).updated == 100


def main() -> None:
    """Check the cases, measure them, and print the tables."""
    app = App.objects.create(
        name="bench", client_id="bench", highlevel_id="bench", client_secret_sealed=b"", created_at=NOON
    )
    with connection.cursor() as cursor:
        cursor.execute("CREATE UNLOGGED TABLE bare_copy (location text, id text, payload jsonb, at timestamptz)")
    check(app)
    for size in (100, 1_000):
        found: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            one_round(app, size, found)
            Record.objects.all().delete()
        rows = [(name, statistics.median(rates), "records/s") for name, rates in found.items()]
        weight = len(json.dumps(contacts(0)[0]))
        title = f"Records of {weight} bytes, pages of {size:,}, each its own transaction"
        table(title, rows, base="COPY into a bare table")


if __name__ == "__main__":
    main()
