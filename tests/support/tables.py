"""Check every row of a long table in one test, and name all rows that fail.

Where there are hundreds, a case for each is dear: to collect, set up and report it costs more than its check.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from typing import Any

import pytest

_SHOWN = 20  # of a table that is wrong as a whole, as many are enough


def check_every(rows: Iterable[Any], check: Callable[..., None]) -> None:
    """Call `check(*row)` for every row, go on after a failure, and fail with all of them, each under its row's name.

    A row that is no tuple is handed over as it is. A table without rows is a failure: it would prove nothing.
    """
    count, failed = 0, []
    for row in rows:
        arguments = row if isinstance(row, tuple) else (row,)
        count += 1
        try:
            check(*arguments)
        except (Exception, pytest.fail.Exception) as error:
            failed.append(f"{named(row)}\n{_indented(error)}")
    assert count, "the table is empty"
    if failed:
        pytest.fail(f"{len(failed)} of {count} failed:\n\n" + "\n\n".join(failed[:_SHOWN]), pytrace=False)


def named(row: Any) -> str:
    """The name of a table's row as a failure shows it, not longer than a line."""
    parts = row if isinstance(row, tuple) else (row,)
    return " / ".join(part if isinstance(part, str) else repr(part) for part in parts)[:120]


def _indented(error: BaseException) -> str:
    """Where and why a check failed: its last lines, and the values that the assertion shows."""
    frames = traceback.extract_tb(error.__traceback__)[1:][-3:]
    places = [f"{frame.filename}:{frame.lineno}: {frame.line}" for frame in frames]
    lines = [*places, *f"{type(error).__name__}: {error}".splitlines()]
    return "\n".join(f"    {line}" for line in lines[:30])
