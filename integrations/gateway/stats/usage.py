"""What calls cost, counted in the process and added up in PostgreSQL by the minute: no row per call.

A buffer (`core.counters`) collects a few seconds' counts. The next call writes them, the sweep of the jobs writes those
of a worker that makes no call, and the rest is written at exit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from integrations.core import clock
from integrations.core.counters import BufferedCounter
from integrations.gateway.models import Usage
from integrations.gateway.stats import kept_calls
from integrations.gateway.stats.histogram import SIZE, bucket

_FIGURES = 4  # calls, spent, took_ms, slowest_ms; the buckets follow

# What to do with a line that is there already: `line` is it, `excluded` what comes to it.
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
    """Who called what: the part of a line that does not change with the outcome."""

    app_id: int
    resource_id: str
    operation: str
    job: str
    lane: str


def count(asked: Asked, *, code: str, took: float | None, spent: bool) -> None:
    """One attempt ended. `code`: its error's, empty for success; `took`: seconds until the answer, None when nothing
    was sent; `spent`: it used a permit up."""
    minute = int(clock.now().timestamp()) // 60
    line = (minute, asked.app_id, asked.resource_id, asked.operation, asked.job, asked.lane, code)
    counter.add(line, _figures(took, spent=spent))


def flush_if_due() -> None:
    """Write what was counted, and the calls that were kept, if the last time was a few seconds ago."""
    counter.flush_if_due()
    kept_calls.waiting.flush_if_due()


def flush() -> None:
    """Write what was counted, and the calls that were kept; while the database is away they wait for the next time."""
    if not connection.in_atomic_block:
        counter.flush()
        kept_calls.waiting.flush()


def _figures(took: float | None, *, spent: bool) -> Figures:
    """Of one attempt: calls, spent, took_ms, slowest_ms, and the buckets of the histogram."""
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
