"""Registry of the rooms' sealed columns, which the vault counts and re-seals.

The vault imports no room above it. Each room registers its columns in its AppConfig.ready(), with the function that
returns the binding of a row's value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import BinaryField, BooleanField, Count, Func, Model, Q, QuerySet, Value
from django.db.models.functions import Substr
from django.db.models.lookups import Exact

from integrations.vault.seal import Binding, beginnings


class KeyId(Func):
    """The key id in a blob's header as bytes, read by the database; NULL when the header is none of ours.

    Only slices are taken: `get_byte` on the column itself would fetch a whole value that is stored out of line.
    """

    template = (
        "CASE WHEN length(%(expressions)s) > 1"
        " AND substring(%(expressions)s from 1 for 1) IN ('\\x01'::bytea, '\\x02'::bytea)"
        " THEN substring(%(expressions)s from 3 for get_byte(substring(%(expressions)s from 1 for 2), 1)) END"
    )
    output_field = BinaryField()


class WithoutAddress(Func):
    """Whether the blob was sealed for no address (`vault.seal`, version 1)."""

    template = "substring(%(expressions)s from 1 for 1) = '\\x01'::bytea"
    output_field = BooleanField()


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """One sealed column. `binding` gets a row with only its primary key, `needs` and the column loaded.

    `is_sent`: the secret is sent to an address, which its binding names. A value of an older release has none, and is
    stale until it is sealed again. `joins` are the relations that `needs` follows.
    """

    model: type[Model]
    column: str
    needs: tuple[str, ...]
    binding: Callable[[Any], Binding]
    is_sent: bool = False
    joins: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """`app.Model.column`, for reports."""
        return f"{self.model._meta.label}.{self.column}"  # noqa: SLF001 - documented by Django

    def rows(self) -> QuerySet[Any]:
        """The rows with a value, only the needed columns loaded, each annotated with `key_id_bytes`."""
        every = self.model._base_manager.annotate(key_id_bytes=KeyId(self.column))  # noqa: SLF001 - documented by Django
        found: QuerySet[Any] = every.exclude(**{self.column: None})
        if self.joins:
            found = found.select_related(*self.joins)
        return found.only("pk", *self.needs, self.column)

    def under(self, key_id: str) -> QuerySet[Any]:
        """The rows whose value that key sealed."""
        return self.rows().filter(key_id_bytes=key_id.encode())

    def is_stale(self, row: Any, newest: str) -> bool:
        """Whether another key sealed the row's value, its header is damaged, or it lacks the address it needs."""
        blob = getattr(row, self.column)
        return blob is not None and not bytes(blob).startswith(self._current(newest))

    def stale(self, newest: str) -> Q:
        """`is_stale` for the database, which reads no more of a value than its beginning."""
        current = self._current(newest)
        begins = Substr(self.column, 1, len(current[0]), output_field=BinaryField())
        is_current = reduce(or_, (Q(Exact(begins, Value(one, output_field=BinaryField()))) for one in current))
        return Q(**{f"{self.column}__isnull": False}) & ~is_current

    def _current(self, newest: str) -> tuple[bytes, ...]:
        return beginnings(newest, addressed=self.is_sent)

    def counts(self) -> list[tuple[bytes | None, bool, int]]:
        """Key id (None: no header of ours), whether the values lack the address they need, and how many there are."""
        rows = self.rows().select_related(None).order_by().annotate(lacks_address=self._lacks_address)
        return list(rows.values_list("key_id_bytes", "lacks_address").annotate(count=Count("pk")))

    @property
    def _lacks_address(self) -> Func | Value:
        """Whether an older release sealed the value for no address, though it is sent to one."""
        return WithoutAddress(self.column) if self.is_sent else Value(value=False)

    def value(self, row: Any) -> bytes:
        """The sealed blob of a row that `rows` returned."""
        return bytes(getattr(row, self.column))


def stale_rows(own: Sequence[SealedColumn], newest: str) -> QuerySet[Any]:
    """The rows of one table of which any of these columns is stale, with what their bindings need."""
    found: QuerySet[Any] = own[0].model._base_manager.filter(reduce(or_, (one.stale(newest) for one in own)))  # noqa: SLF001 - documented by Django
    joins = [name for one in own for name in one.joins]
    if joins:
        found = found.select_related(*joins)
    return found.only("pk", *(name for one in own for name in (*one.needs, one.column)))


def sealed_by(model: type[Model], key_id: str) -> QuerySet[Any]:
    """The model's rows of which that key sealed any column."""
    own = [column.column for column in registered() if column.model is model]
    rows = model._base_manager.alias(**{f"{column}_key": KeyId(column) for column in own})  # noqa: SLF001 - as above
    any_of = (Q(**{f"{column}_key": key_id.encode()}) for column in own)
    found: QuerySet[Any] = rows.filter(reduce(or_, any_of))
    return found


_registered: dict[str, SealedColumn] = {}


def register(*columns: SealedColumn) -> None:
    """Make columns known to the counts and the rotation."""
    _registered.update((column.label, column) for column in columns)


def registered() -> tuple[SealedColumn, ...]:
    """All registered columns."""
    return tuple(_registered.values())


def by_table() -> list[tuple[SealedColumn, ...]]:
    """All registered columns, those of one table together."""
    tables: dict[type[Model], list[SealedColumn]] = {}
    for column in registered():
        tables.setdefault(column.model, []).append(column)
    return [tuple(own) for own in tables.values()]
