"""The `sort` and the `searchAfter` of the body searches; a cursor is the values of the sort's columns, then the id."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.data.row_store import Sort, StoredRow
from integrations.sandbox.refusals import bad_request, invalid
from integrations.sandbox.resources import paging
from integrations.sandbox.timestamps import parse

DEEPEST_PAGE = 10_000
NEWEST_FIRST: Sort = (("added_at", True),)


@dataclass(frozen=True, slots=True)
class Ordering:
    """What a search can sort by: the vendor's field names and the rows' attributes, some of them dates or amounts."""

    fields: Mapping[str, str]
    dates: frozenset[str]
    amounts: frozenset[str] = frozenset()

    def sort(self, given: Mapping[str, Any]) -> Sort:
        """The requested order, by default the newest first. Raises ApiError 422."""
        entries = given.get("sort") or []
        for entry in entries:
            if str(entry.get("field")) not in self.fields:
                raise invalid(f"sort.field must be one of the following values: {', '.join(self.fields)}")
            if entry.get("direction", "asc") not in ("asc", "desc"):
                raise invalid("sort.direction must be one of the following values: asc, desc")
        return (
            tuple((self.fields[entry["field"]], entry.get("direction") == "desc") for entry in entries) or NEWEST_FIRST
        )

    def after(self, given: Mapping[str, Any], sort: Sort) -> list[Any] | None:
        """The cursor, None without one. Raises ApiError 400 for one that is not of this order."""
        cursor = given.get("searchAfter")
        if not cursor:
            return None
        if len(cursor) != len(sort) + 1:
            raise bad_request(f"searchAfter must have {len(sort) + 1} values, as the rows of this search have")
        *values, row_id = cursor
        try:
            return [*(self._read(name, value) for value, (name, _) in zip(values, sort, strict=True)), _text(row_id)]
        except (ValueError, TypeError):
            raise bad_request("searchAfter must be copied from a row of this search") from None

    def _read(self, name: str, value: Any) -> Any:
        """One value of a cursor; numbers may be text. Raises ValueError or TypeError."""
        if name in self.dates:
            at = parse(value)
            if at is None:
                raise ValueError(name)
            return at
        if name in self.amounts:
            amount = float(value)
            if not math.isfinite(amount):
                raise ValueError(name)
            return amount
        return None if value is None else _text(value)


def cursor(row: StoredRow, sort: Sort) -> list[Any]:
    """The cursor of a row, for the request of the rows after it."""
    return [*(getattr(row, name) for name, _ in sort), row.id]


def skip(given: Mapping[str, Any], size: int, rows: str) -> int:
    """The number of rows before the requested page. Raises ApiError 400 beyond DEEPEST_PAGE rows."""
    page = paging.number(dict(given))
    if page * size > DEEPEST_PAGE:
        raise bad_request(f"Pages end at {DEEPEST_PAGE} {rows}, use searchAfter to go further")
    return (page - 1) * size


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text")
    return value
