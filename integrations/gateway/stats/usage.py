"""What calls cost, counted in the process and added up in PostgreSQL by the minute: no row per call.

The counts of a few seconds are written with one statement, by the call that comes next, by the sweep of the jobs for a
worker that has none, and at the process's end. A killed process loses seconds of statistics and nothing else. Nothing
here ever raises, and never in a transaction of the caller's: its rollback would take the counts along.
"""

from __future__ import annotations

import atexit
import threading
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from integrations.core import clock
from integrations.gateway.models import Usage
from integrations.gateway.stats import kept_calls
from integrations.gateway.stats.histogram import SIZE, bucket

PAUSE = 5.0  # seconds between two writes of a process
MOST = 20_000  # lines kept while the database is away
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
log = structlog.get_logger(__name__)
_lock = threading.Lock()
_lines: dict[Line, list[int]] = {}
_written = 0.0


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
    milliseconds = 0.0 if took is None else took * 1_000
    with _lock:
        figures = _lines.get(line)
        if figures is None:
            if len(_lines) >= MOST:
                return
            figures = _lines[line] = [0] * (_FIGURES + SIZE)
        figures[0] += 1
        figures[1] += spent
        if took is not None:
            figures[2] += int(milliseconds)
            figures[3] = max(figures[3], int(milliseconds))
            figures[_FIGURES + bucket(milliseconds)] += 1


def flush_if_due() -> None:
    """Write what was counted, if the last time was a few seconds ago."""
    if clock.monotonic() - _written >= PAUSE and (_lines or kept_calls.waiting()):
        flush()


def flush() -> None:
    """Write what was counted; while the database is away it is kept for the next time."""
    global _written, _lines  # noqa: PLW0603 - one per process
    if connection.in_atomic_block:
        return
    with _lock:
        taken, _lines = _lines, {}
        _written = clock.monotonic()
    kept_calls.flush()
    if taken and not _write(taken):
        _put_back(taken)


def _write(taken: dict[Line, list[int]]) -> bool:
    """False when it is worth trying again."""
    # Every process in the same order, so that none waits for another in a circle.
    rows = [(*line, *figures[:_FIGURES], _array(figures[_FIGURES:])) for line, figures in sorted(taken.items())]
    try:
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [list(column) for column in zip(*rows, strict=True)])
    except (OperationalError, InterfaceError) as error:
        log.warning("usage.not_written", reason=type(error).__name__)
        return False
    except DatabaseError as error:  # lines it will never take
        log.warning("usage.lost", lines=len(rows), reason=type(error).__name__)
    return True


def _put_back(taken: dict[Line, list[int]]) -> None:
    with _lock:
        for line, figures in taken.items():
            now = _lines.get(line)
            if now is not None:
                slowest = max(now[3], figures[3])
                _lines[line] = [a + b for a, b in zip(now, figures, strict=True)]
                _lines[line][3] = slowest
            elif len(_lines) < MOST:
                _lines[line] = figures


def _array(numbers: list[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


def _forget() -> None:
    """For tests: what another test counted."""
    global _written  # noqa: PLW0603
    with _lock:
        _lines.clear()
        _written = 0.0


@atexit.register
def _at_exit(*_: Any) -> None:
    if _lines or kept_calls.waiting():
        flush()
        connection.close()
