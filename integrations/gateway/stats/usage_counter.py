"""Usage counters of API calls: counted in the process, added up per minute in PostgreSQL, without a row per call.

A buffer (`core.counters`) collects the counts of a few seconds. The next call writes them. The sweep of the jobs writes
those of a worker that makes no call. The process writes the rest at exit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from integrations.core import clock
from integrations.core.counters import BufferedCounter
from integrations.gateway.histogram import SIZE, bucket
from integrations.gateway.models import Usage
from integrations.gateway.stats import kept_calls

_FIGURES = 4  # calls, spent, took_ms, slowest_ms; the buckets follow

# Upsert of a row that exists already: `stored` is that row, `excluded` the row to add to it.
ADD_UP = f"""DO UPDATE SET
  calls = stored.calls + excluded.calls, spent = stored.spent + excluded.spent,
  took_ms = stored.took_ms + excluded.took_ms, slowest_ms = greatest(stored.slowest_ms, excluded.slowest_ms),
  buckets = ARRAY[{", ".join(f"stored.buckets[{n}] + excluded.buckets[{n}]" for n in range(1, SIZE + 1))}]"""
_ADD = f"""
INSERT INTO gateway_usage AS stored
  (span, at, app_id, resource_id, operation, job, lane, code, calls, spent, took_ms, slowest_ms, buckets)
SELECT {Usage.Span.MINUTE.value}, to_timestamp(minute * 60), app, resource, operation, job, lane, code,
  calls, spent, took, slowest, buckets::bigint[]
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
  %s::bigint[], %s::bigint[], %s::bigint[], %s::int[], %s::text[])
  AS new(minute, app, resource, operation, job, lane, code, calls, spent, took, slowest, buckets)
ON CONFLICT (span, at, app_id, resource_id, operation, job, lane, code) {ADD_UP}
"""  # noqa: S608 - nothing in it comes from outside

RowKey = tuple[int, int, str, str, str, str, str]
Figures = list[int]


@dataclass(frozen=True, slots=True)
class CallKey:
    """The columns of a usage row that do not depend on the outcome: caller and operation."""

    app_id: int
    resource_id: str
    operation: str
    job: str
    lane: str


def count(call: CallKey, *, code: str, took: float | None, spent: bool) -> None:
    """Count one attempt that ended.

    `code`: its error's, empty for success; `took`: seconds until the response, None when nothing was sent; `spent`: it
    used up a permit.
    """
    minute = int(clock.now().timestamp()) // 60
    key = (minute, call.app_id, call.resource_id, call.operation, call.job, call.lane, code)
    counter.add(key, _figures(took, spent=spent))


def flush_if_due() -> None:
    """Write the buffered counts and kept calls if the last write was a few seconds ago."""
    counter.flush_if_due()
    kept_calls.waiting.flush_if_due()


def flush() -> None:
    """Write the buffered counts and kept calls; they stay buffered while the database is unavailable."""
    if not connection.in_atomic_block:
        counter.flush()
        kept_calls.waiting.flush()


def _figures(took: float | None, *, spent: bool) -> Figures:
    """The figures of one attempt: calls, spent, took_ms, slowest_ms, and the buckets of the histogram."""
    figures = [0] * (_FIGURES + SIZE)
    figures[:2] = 1, int(spent)
    if took is not None:
        milliseconds = took * 1_000
        figures[2] = figures[3] = int(milliseconds)
        figures[_FIGURES + bucket(milliseconds)] = 1
    return figures


def _add_up(figures: Figures, more: Figures) -> Figures:
    slowest = max(figures[3], more[3])
    figures = [a + b for a, b in zip(figures, more, strict=True)]
    figures[3] = slowest
    return figures


def _write(rows: Sequence[tuple[RowKey, Figures]]) -> None:
    values = [(*key, *figures[:_FIGURES], _array(figures[_FIGURES:])) for key, figures in rows]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [list(column) for column in zip(*values, strict=True)])


def _array(numbers: list[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


counter = BufferedCounter[RowKey, Figures]("gateway.usage", _write, most=20_000, combine=_add_up)
