# ruff: noqa: E402 - models can be imported after the set-up only
"""Run as a process, through a pooler of transactions: what the app does in many threads, which share few sessions.

Prints JSON: how often each kind of work succeeded, and what failed.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import django

django.setup()

from django.db import connection, transaction

from hlapp import time_limits
from integrations.core import audit, clock, prepared
from integrations.core.models import AuditEntry, WorkerProcess
from integrations.sync import records
from integrations.sync.models import Record
from integrations.tenants.models import App

THREADS, TIMES = 8, 12
_COUNT = "SELECT count(*) FROM sync_record WHERE location_id = %(id)s::text"
done: list[str] = []  # threads lose counts of `+= 1`, and no element of a list
failed: dict[str, str] = {}


def merge(number: int) -> None:
    rows = [{"id": f"r{number}-{n}", "dateUpdated": "2026-04-01T12:00:00.000Z"} for n in range(20)]
    app = App.objects.get()
    merged = records.merge(app.pk, f"loc{number % 3}", "contacts", rows, observed_at=clock.now())
    assert merged.inserted == 20


def prepare(number: int) -> None:
    with prepared.cursor() as cursor:
        for _ in range(8):
            cursor.execute(_COUNT, {"id": f"loc{number}"})
            assert cursor.fetchone() is not None


def iterate(number: int) -> None:
    assert list(Record.objects.order_by("pk")[:200].iterator(chunk_size=10))


def record(number: int) -> None:
    audit.record("test.pooled", actor="test", subject=f"loc{number}")


def report(number: int) -> None:
    WorkerProcess.objects.report(f"host-{number}", threads=4, queues=["urgent"], now=clock.now())


def lock(number: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number % 2])
        cursor.execute("SET LOCAL lock_timeout = '1s'")


def work(number: int) -> None:
    for one in (merge, prepare, iterate, record, report, lock):
        try:
            one(number)
            done.append(one.__name__)
        except Exception as error:
            failed[one.__name__] = f"{type(error).__name__}: {error}"
    connection.close()


if __name__ == "__main__":
    time_limits.limit_sessions(time_limits.WORKER)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS * TIMES)))
    entries = AuditEntry.objects.filter(action="test.pooled").count()
    print(json.dumps({"done": Counter(done), "failed": failed, "entries": entries, "records": Record.objects.count()}))  # noqa: T201
