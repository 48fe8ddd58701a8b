"""File formats of an export: CSV, JSON Lines and Parquet. Each writer gets rows batch by batch and keeps none.

Parquet is written by pyarrow, which only this format needs: `pip install hlapp[parquet]`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import IO, Any, Protocol

from integrations.core.errors import BadRequest
from integrations.core.lists import spreadsheet
from integrations.sync.export.layout import Layout

_NUMBER = re.compile(r"[+-]?[\d .()-]+")  # calculated or not, it calls nothing and reads no other cell

Rows = Sequence[Mapping[str, Any]]
NEEDS_PYARROW = "Parquet files need the package pyarrow: pip install 'hlapp[parquet]', or requirements/parquet.txt"


class RowWriter(Protocol):
    """Writes rows to a file that is open for bytes."""

    def write(self, rows: Rows) -> None:
        """Write some rows."""

    def close(self) -> None:
        """Write what belongs at the end. The file stays open."""


class CsvWriter:
    """CSV in UTF-8 with a line of column names. Lists and objects are JSON; an empty field is no value.

    People open it in a spreadsheet, and anybody can fill in a form of a tenant: a text that would be calculated there
    has an apostrophe before it. Numbers and telephone numbers have none.
    `with_head` is false for a file that continues another one.
    """

    def __init__(self, file: IO[bytes], layout: Layout, *, with_head: bool = True) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.DictWriter(self._text, layout.columns)
        if with_head:
            csv.writer(self._text).writerow(map(spreadsheet.plain, layout.columns))  # tenants name their own fields

    def write(self, rows: Rows) -> None:
        """Write some rows."""
        self._writer.writerows({name: _csv_cell(value) for name, value in row.items()} for row in rows)

    def close(self) -> None:
        """Flush."""
        self._text.detach()


class JsonLinesWriter:
    """A JSON object for each row, without the columns that have no value."""

    def __init__(self, file: IO[bytes], layout: Layout, *, with_head: bool = True) -> None:
        del layout, with_head
        self._file = file

    def write(self, rows: Rows) -> None:
        """Write some rows."""
        kept = ({name: value for name, value in row.items() if value is not None} for row in rows)
        self._file.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in kept)

    def close(self) -> None:
        """Nothing is left to write."""


class ParquetWriter:
    """A row group for each batch. Numbers and flags are typed; lists, objects and what has no one type are JSON."""

    def __init__(self, file: IO[bytes], layout: Layout, *, with_head: bool = True) -> None:
        """Raises BadRequest without pyarrow."""
        del with_head  # every file has its schema
        self._arrow, parquet = _pyarrow()
        types = {"number": self._arrow.float64(), "integer": self._arrow.float64(), "boolean": self._arrow.bool_()}
        self._schema = self._arrow.schema(
            [(name, types.get(layout.kinds.get(name, ""), self._arrow.string())) for name in layout.columns]
        )
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, rows: Rows) -> None:
        """Write some rows. A value that is not of its column's type is no value there."""
        cells = {field.name: [self._cell(field.type, row[field.name]) for row in rows] for field in self._schema}
        self._writer.write_table(self._arrow.table(cells, schema=self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()

    def _cell(self, kind: Any, value: Any) -> Any:
        if kind == self._arrow.bool_():
            return value if isinstance(value, bool) else None
        if kind == self._arrow.float64():
            return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        return None if value is None else _cell(value)


WRITERS: dict[str, type[CsvWriter | JsonLinesWriter | ParquetWriter]] = {
    "csv": CsvWriter,
    "jsonl": JsonLinesWriter,
    "parquet": ParquetWriter,
}


def check(form: str) -> None:
    """Raises BadRequest if files of this format cannot be written here."""
    if form == "parquet":
        _pyarrow()


def _pyarrow() -> tuple[Any, Any]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise BadRequest(NEEDS_PYARROW) from error


def _csv_cell(value: Any) -> str | None:
    text = _cell(value)
    if not isinstance(value, str) or text is None or _NUMBER.fullmatch(text):
        return text
    return spreadsheet.plain(text)


def _cell(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
