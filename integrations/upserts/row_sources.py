"""Reads the rows of an upsert from a file: CSV with a line of names, or JSON Lines with an object on each line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from integrations.core.errors import BadRequest

CSV, JSON_LINES = "csv", "jsonl"
FORMS = {".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as it came: its cells by column, all texts in a CSV. `trouble` says why it cannot be read."""

    cells: Mapping[str, Any]
    is_text: bool
    trouble: str = ""


def form_of(name: str) -> str:
    """The format that a file's name says. Raises BadRequest for another one."""
    form = FORMS.get(Path(name).suffix.lower())
    if form is None:
        raise BadRequest("a file of rows ends in .csv, or in .jsonl for JSON Lines")
    return form


def of_file(path: Path) -> Iterator[SourceRow]:
    """The rows of a file on disk. Raises BadRequest when it is not there, or is neither of the formats."""
    form = form_of(path.name)
    try:
        with path.open("rb") as file:
            yield from of_stream(file, form)
    except OSError as error:
        raise BadRequest(f"the file cannot be read: {error.strerror}") from error


def of_stream(file: IO[bytes], form: str) -> Iterator[SourceRow]:
    """The rows of an open file, in UTF-8 with or without a mark. Raises BadRequest for a file that is neither."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        yield from _csv(text) if form == CSV else _json_lines(text)
    except UnicodeDecodeError as error:
        raise BadRequest("the file is not in UTF-8: save it as CSV UTF-8") from error
    finally:
        text.detach()


def _csv(text: IO[str]) -> Iterator[SourceRow]:
    reader = csv.reader(text, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
        _check_names(names)
        for cells in reader:
            if not any(cells):
                continue  # an empty line
            if len(cells) == len(names):
                yield SourceRow(dict(zip(names, cells, strict=True)), is_text=True)
            else:
                yield SourceRow({}, is_text=True, trouble=f"it has {len(cells)} cells for {len(names)} columns")
    except csv.Error as error:
        raise BadRequest(f"line {reader.line_num} is no CSV: {error}") from error


def _check_names(names: list[str]) -> None:
    if not any(names):
        raise BadRequest("the file is empty: a CSV begins with a line of column names")
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise BadRequest(f"two columns have one name: {', '.join(twice)}")


def _json_lines(text: IO[str]) -> Iterator[SourceRow]:
    for line in text:
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            yield SourceRow({}, is_text=False, trouble="the line is no JSON")
            continue
        if isinstance(value, dict):
            yield SourceRow(value, is_text=False)
        else:
            yield SourceRow({}, is_text=False, trouble="the line is no JSON object")
