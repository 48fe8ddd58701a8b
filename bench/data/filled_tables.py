"""Fills tables for benchmarks inside PostgreSQL: INSERT from `generate_series`, without a row in Python.

A column is an SQL expression over `n`, the number of the row from 0. Columns that are not named get the model's
default. Indexes that are no constraints are made after the rows, which takes a third of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models import Field, Model
from django.db.models.fields import NOT_PROVIDED

_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = %s
  AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


def fill(model: type[Model], count: int, **columns: str) -> None:
    """Insert `count` rows. `columns` are SQL expressions by column name; a `%` in one has to be doubled."""
    names, expressions, values = [], [], []
    for field in model._meta.concrete_fields:  # noqa: SLF001 - Django's documented name
        if field.column in columns:
            names.append(field.column)
            expressions.append(columns[field.column])
        elif not (field.primary_key or field.null or field.db_default is not NOT_PROVIDED):
            names.append(str(field.column))
            expressions.append("%s")
            values.append(_default(field))
    unknown = set(columns) - {field.column for field in model._meta.concrete_fields}  # noqa: SLF001 - as above
    assert not unknown, f"{model.__name__} has no columns {unknown}"
    statement = f"""INSERT INTO {_table(model)} ({", ".join(f'"{name}"' for name in names)})
        SELECT {", ".join(expressions)} FROM generate_series(0::bigint, {count - 1}) AS n"""
    with _without_indexes(_table(model)), connection.cursor() as cursor:
        cursor.execute(statement, values)


def analyze() -> None:
    """Bring the planner's statistics and the visibility maps up to date, as autovacuum does by and by."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def one_of(*values: str, by: str = "n") -> str:
    """An SQL expression that takes the values in turn."""
    return f"(ARRAY[{', '.join(repr(value) for value in values)}])[1 + ({by}) %% {len(values)}]"


def _default(field: Field[Any, Any]) -> Any:
    return field.get_db_prep_save(field.get_default(), connection)


def _table(model: type[Model]) -> str:
    return str(model._meta.db_table)  # noqa: SLF001 - Django's documented name


@contextmanager
def _without_indexes(table: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '1GB'")
        cursor.execute(_INDEXES, [table])
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
        yield
        for _, definition in indexes:
            cursor.execute(definition)
