"""Rows by id, with sorted orders and groups that are built on first use and then kept up to date.

Rows are frozen: a change is `store[row.id] = replace(row, …)`, so the store has the old row and the new one and moves
its keys. So deep paging is cheap (a page is one bisect, not a sort) and safe (a cursor is a key, not a position: rows
that are added or removed between two pages repeat or hide no others).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, MutableMapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

Sort = tuple[tuple[str, bool], ...]  # (attribute of the row, descending?), …; the id always breaks ties
Key = tuple[Any, ...]


class StoredRow(Protocol):
    """What a RowStore can keep: a frozen object with an id."""

    @property
    def id(self) -> str:
        """Key of the row in its store."""


R = TypeVar("R", bound=StoredRow)


class _Descending:
    """Text that sorts in descending order."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.text == other.text

    def __lt__(self, other: _Descending) -> bool:
        return other.text < self.text

    def __hash__(self) -> int:
        return hash(self.text)


def _column(value: Any, *, descending: bool) -> Any:
    if isinstance(value, int | float):
        return -value if descending else value
    text = value or ""
    return _Descending(text) if descending else text


class _Order:
    """The keys of all rows, sorted; the last part of a key is the row's id."""

    def __init__(self, sort: Sort, rows: Iterator[StoredRow]) -> None:
        self.sort = sort
        self.keys = sorted(self.key(row) for row in rows)

    def key(self, row: StoredRow) -> Key:
        return self.seek([*(getattr(row, name) for name, _ in self.sort), row.id])

    def seek(self, values: Sequence[Any]) -> Key:
        columns = zip(values, self.sort, strict=False)
        return (*(_column(value, descending=down) for value, (_, down) in columns), *values[len(self.sort) :])

    def add(self, row: StoredRow) -> None:
        insort(self.keys, self.key(row))

    def discard(self, row: StoredRow) -> None:
        del self.keys[bisect_left(self.keys, self.key(row))]


class RowStore(MutableMapping[str, R], Generic[R]):
    """Frozen rows by id, with sorted orders and groups by attribute."""

    def __init__(self) -> None:
        self._rows: dict[str, R] = {}
        self._orders: dict[Sort, _Order] = {}
        self._groups: dict[str, dict[Any, dict[str, None]]] = {}

    def __getitem__(self, row_id: str) -> R:
        return self._rows[row_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __setitem__(self, row_id: str, row: R) -> None:
        self._forget(self._rows.get(row_id))
        self._rows[row_id] = row
        for order in self._orders.values():
            order.add(row)
        for name, group in self._groups.items():
            group.setdefault(getattr(row, name), {})[row_id] = None

    def __delitem__(self, row_id: str) -> None:
        self._forget(self._rows.pop(row_id))

    def _forget(self, row: R | None) -> None:
        if row is None:
            return
        for order in self._orders.values():
            order.discard(row)
        for name, group in self._groups.items():
            value = getattr(row, name)
            del group[value][row.id]
            if not group[value]:
                del group[value]

    def add(self, row: R) -> R:
        """Store the row under its id; returns it."""
        self[row.id] = row
        return row

    def where(self, name: str, value: Any) -> list[R]:
        """The rows whose attribute `name` equals `value`, the first added first."""
        if name not in self._groups:
            group: dict[Any, dict[str, None]] = {}
            read = attrgetter(name)
            for row_id, row in self._rows.items():
                group.setdefault(read(row), {})[row_id] = None
            self._groups[name] = group
        return [self._rows[row_id] for row_id in self._groups[name].get(value, ())]

    def in_order(self, sort: Sort, *, after: Sequence[Any] | None = None, skip: int = 0) -> Iterator[R]:
        """Rows in this order, after the cursor `after` (the sort's raw values, then the id), leaving out `skip`.

        A cursor without the id starts behind all rows that share its values. Raises TypeError for a cursor whose
        values cannot be compared with the column's.
        """
        order = self._order(sort)
        start = skip
        if after is not None:
            key = order.seek(after)
            start += bisect_right(order.keys, key, key=lambda full: full[: len(key)])
        return (self._rows[key[-1]] for key in islice(order.keys, start, None))

    def _order(self, sort: Sort) -> _Order:
        order = self._orders.get(sort)
        if order is None:
            order = self._orders[sort] = _Order(sort, iter(self._rows.values()))
        return order
