"""Cells of CSV files that people open in a spreadsheet: no text of a tenant becomes a formula there."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

# How a spreadsheet recognises a formula; some also take the wide forms of these marks, or look behind blanks.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


class _Echo:
    """A file whose `write` returns the text."""

    def write(self, text: str) -> str:
        return text


def lines(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """The rows as lines of CSV. Each is read when its line is asked for, and none is kept."""
    writer = csv.writer(_Echo())
    for row in rows:
        yield writer.writerow([cell(value) for value in row])


def cell(value: Any) -> str:
    """The value as text. Text that a spreadsheet would calculate has an apostrophe before it; numbers have none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, cls=DjangoJSONEncoder)
    text = str(value)
    is_text = not isinstance(value, int | float)
    return f"'{text}" if is_text and (text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)) else text
