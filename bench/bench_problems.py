"""Benchmark of problems: how fast a storm of failures is counted by cause, against only reading the same rows.

The failures are kept calls at 3,000 tenants: of one cause, as when the vendor refuses everything, and of a hundred. The
roll-up counts them by batches, so the number of updates does not grow with the failures.
"""

from __future__ import annotations

from bench.setup import prepare, table

prepare()

import sys  # noqa: E402 - the settings of what follows are made by prepare()
import time  # noqa: E402
from datetime import datetime, timedelta  # noqa: E402

from django.db import connection  # noqa: E402

from integrations.core import clock  # noqa: E402
from integrations.gateway.models import Call  # noqa: E402
from integrations.problems import roll_up  # noqa: E402
from integrations.problems.models import Problem, ReadPosition  # noqa: E402
from integrations.tenants import marketplace  # noqa: E402

FAILURES, TENANTS = 100_000, 3_000
_STORM = """
INSERT INTO gateway_call (at, app_id, resource_id, operation, job, lane, slow, status, code, message, trace_id, took_ms,
  method, path, query)
SELECT %s, %s, 'tenant' || n %% %s, 'operation.of-' || n %% %s, '', 'bulk', false, 400, 'request_rejected',
  'Contact with id ' || n || ' not found', 't' || n, 5, 'GET', '/contacts/' || n, '[]' FROM generate_series(1, %s) n
"""


def storm(causes: int, now: datetime) -> None:
    """Keep that many failed calls, and no others."""
    for model in (Call, Problem, ReadPosition):
        model.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(_STORM, [now, marketplace.default().pk, TENANTS, causes, FAILURES])
        cursor.execute("ANALYZE gateway_call")


def counted(now: datetime) -> float:
    """Failures per second of the roll-up."""
    roll_up.roll_up(now)  # notes which rows there are; the next look trusts them
    began, found, look = time.perf_counter(), 0, 0
    while found < FAILURES:
        look += 1
        found += roll_up.roll_up(now + look * timedelta(minutes=1))
    return found / (time.perf_counter() - began)


def read() -> float:
    """Rows per second that are only read."""
    began = time.perf_counter()
    found = sum(1 for _ in Call.objects.order_by("pk").defer("body", "response", "query").iterator(chunk_size=5_000))
    return found / (time.perf_counter() - began)


def main() -> None:
    """Measure both storms, and print them."""
    rows = []
    for causes in (1, 100):
        now = clock.now()
        storm(causes, now)
        rows += [
            (f"counted, {causes} cause{'' if causes == 1 else 's'}", counted(now), "failures/s"),
            (f"only read, {causes} cause{'' if causes == 1 else 's'}", read(), "rows/s"),
        ]
        assert Problem.objects.count() == causes, "one problem for each cause"
    table(f"{FAILURES:,} failures at {TENANTS:,} tenants", rows, base="only read, 1 cause")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
