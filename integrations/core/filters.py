"""Filters of the operators' lists that combine: a column's exact value typed in, or chosen among those it has.

A list that uses them sets `list_filter_submit`, so that one form sends all of them.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AllValuesFieldListFilter, ModelAdmin
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

NONE = "none"  # in an address: the column is empty
# From each value to the next one by the index: DISTINCT would read every row.
_VALUES = """
WITH RECURSIVE found AS (
  (SELECT {column} AS value FROM {table} WHERE {column} IS NOT NULL ORDER BY {column} LIMIT 1)
  UNION ALL
  SELECT (SELECT {column} FROM {table} WHERE {column} > found.value ORDER BY {column} LIMIT 1)
  FROM found WHERE found.value IS NOT NULL
)
SELECT value FROM found WHERE value IS NOT NULL
UNION ALL (SELECT {column} FROM {table} WHERE {column} IS NULL LIMIT 1)
"""


class Exactly(TextFilter):  # type: ignore[misc]
    """The column `parameter_name` is exactly what was typed: an index finds it."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = (self.value() or "").replace("\0", "").strip()
        return queryset.filter(**{self.parameter_name: wanted}) if wanted else queryset


class OneOf(DropdownFilter):  # type: ignore[misc]
    """One of the values that the column `parameter_name` has, which an index begins with; `empty` names having none."""

    empty = "none"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        found = values(model_admin.model, str(self.parameter_name))
        return [(NONE, self.empty) if value in ("", None) else (str(value), str(value)) for value in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = self.value()
        if not wanted:
            return queryset
        # Only what the column has: anything else in the address might not even fit its type.
        if wanted not in dict(self.lookup_choices):
            return queryset.none()
        if wanted != NONE:
            return queryset.filter(**{self.parameter_name: wanted})
        field = queryset.model._meta.get_field(str(self.parameter_name))  # noqa: SLF001
        return queryset.filter(**{f"{self.parameter_name}__isnull": True} if field.null else {self.parameter_name: ""})


class Named(AllValuesFieldListFilter):
    """Links to the values that a column has, where the empty one has a name too. Of a large table an index begins with
    the column."""

    def __init__(self, field: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(field, *args, **kwargs)
        self.lookup_choices = values(field.model, field.column)  # type: ignore[assignment]  # any iterable does

    def choices(self, changelist: Any) -> Any:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "none"}


def statement(model: type[Model], column: str) -> str:
    """The SQL that lists a column's values in their order, NULL last."""
    names = {"table": model._meta.db_table, "column": column}  # noqa: SLF001
    return _VALUES.format(**{what: connection.ops.quote_name(name) for what, name in names.items()})


def values(model: type[Model], column: str) -> list[Any]:
    """What the column has, in order, NULL last."""
    with connection.cursor() as cursor:
        cursor.execute(statement(model, column))
        return [value for (value,) in cursor.fetchall()]
