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

# Upsert of a row that exists already: `line` is that row, `excluded` the row to add to it.
ADD_UP = f"""DO UPDATE SET
  calls = line.calls + excluded.calls, spent = line.spent + excluded.spent,
  took_ms = line.took_ms + excluded.took_ms, slowest_ms = greatest(line.slowest_ms, excluded.slowest_ms),
  buckets = ARRAY[{", ".join(f"line.buckets[{n}] + excluded.buckets[{n}]" for n in range(1, SIZE + 1))}]"""
_ADD = f"""
INSERT INTO gateway_usage AS line
  (span, at, app_id, resource_id, operation, job, lane, code, calls, spent, took_ms, slowest_ms, buckets)
SELECT {Usage.Span.MINUTE.value}, to_timestamp(minute * 60), app, resource, operation, job, lane, code,
  calls, spent, took, slowest, buckets::bigint[]
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
  %s::bigint[], %s::bigint[], %s::bigint[], %s::int[], %s::text[])
  AS new(minute, app, resource, operation, job, lane, code, calls, spent, took, slowest, buckets)
ON CONFLICT (span, at, app_id, resource_id, operation, job, lane, code) {ADD_UP}
"""  # noqa: S608 - nothing in it comes from outside

Line = tuple[int, int, str, str, str, str, str]
Figures = list[int]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who called what: the columns of a usage row that do not depend on the outcome."""

    app_id: int
    resource_id: str
    operation: str
    job: str
    lane: str


def count(asked: Asked, *, code: str, took: float | None, spent: bool) -> None:
    """Count one attempt that ended.

    `code`: its error's, empty for success; `took`: seconds until the response, None when nothing was sent; `spent`: it
    used up a permit.
    """
    minute = int(clock.now().timestamp()) // 60
    line = (minute, asked.app_id, asked.resource_id, asked.operation, asked.job, asked.lane, code)
    counter.add(line, _figures(took, spent=spent))


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


def _write(rows: Sequence[tuple[Line, Figures]]) -> None:
    lines = [(*line, *figures[:_FIGURES], _array(figures[_FIGURES:])) for line, figures in rows]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [list(column) for column in zip(*lines, strict=True)])


def _array(numbers: list[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


counter = BufferedCounter[Line, Figures]("gateway.usage", _write, most=20_000, combine=_add_up)
