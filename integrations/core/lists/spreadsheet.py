"""CSV files that people open in a spreadsheet: no text of a tenant becomes a formula there, or part of a header."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.http import content_disposition_header

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


def attachment(name: str) -> str:
    """The Content-Disposition of a download of this name (RFC 6266)."""
    return content_disposition_header(as_attachment=True, filename=name) or "attachment"


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
    return str(value) if isinstance(value, int | float) else plain(str(value))


def plain(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would calculate it."""
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA) else text
