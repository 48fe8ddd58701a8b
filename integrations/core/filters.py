"""Admin list filters that combine: an exact value typed in, or one chosen from the values of a column.

A list that uses them sets `list_filter_submit`, so that one form sends all of them.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AllValuesFieldListFilter, ModelAdmin
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

NONE = "none"  # in a URL: the column is empty
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


class ExactValueFilter(TextFilter):  # type: ignore[misc]
    """Filter for rows whose column `parameter_name` equals the typed text. The query uses an index."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Rows with the typed value; all rows when nothing was typed."""
        wanted = (self.value() or "").replace("\0", "").strip()
        return queryset.filter(**{self.parameter_name: wanted}) if wanted else queryset


class ColumnValueFilter(DropdownFilter):  # type: ignore[misc]
    """Filter for one of the values of the column `parameter_name`, which must be the first of an index.

    `empty` is the label of rows without a value.
    """

    empty = "none"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        """The values of the column, and the label of the empty one."""
        found = distinct_values(model_admin.model, str(self.parameter_name))
        return [(NONE, self.empty) if value in ("", None) else (str(value), str(value)) for value in found]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Rows with the chosen value; all rows when none was chosen."""
        wanted = self.value()
        if not wanted:
            return queryset
        # Only values of the column: another one in the URL might not fit its type.
        if wanted not in dict(self.lookup_choices):
            return queryset.none()
        if wanted != NONE:
            return queryset.filter(**{self.parameter_name: wanted})
        field = queryset.model._meta.get_field(str(self.parameter_name))  # noqa: SLF001
        return queryset.filter(**{f"{self.parameter_name}__isnull": True} if field.null else {self.parameter_name: ""})


class ColumnValueLinksFilter(AllValuesFieldListFilter):
    """Filter with a link for each value of a column, where the empty value has a label too.

    In a large table the column must be the first of an index.
    """

    def __init__(self, field: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(field, *args, **kwargs)
        self.lookup_choices = distinct_values(field.model, field.column)  # type: ignore[assignment]  # any iterable does

    def choices(self, changelist: Any) -> Any:
        """The links, with a label for the empty value."""
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "none"}


def distinct_values_sql(model: type[Model], column: str) -> str:
    """SQL that lists the distinct values of a column in their order, NULL last."""
    names = {"table": model._meta.db_table, "column": column}  # noqa: SLF001
    return _VALUES.format(**{what: connection.ops.quote_name(name) for what, name in names.items()})


def distinct_values(model: type[Model], column: str) -> list[Any]:
    """The distinct values of a column in their order, NULL last."""
    with connection.cursor() as cursor:
        cursor.execute(distinct_values_sql(model, column))
        return [value for (value,) in cursor.fetchall()]
