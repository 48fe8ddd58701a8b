"""Reads and fills all tables of the database's schema by COPY, whatever app they belong to.

COPY's text format is the same in all versions of PostgreSQL, and needs no pg_dump of the server's version beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection
from psycopg import sql


@dataclass(frozen=True, slots=True)
class Table:
    """A table and its columns, without generated ones."""

    name: str
    columns: tuple[str, ...]

    @property
    def named(self) -> sql.Composed:
        """The table with its columns, for COPY."""
        return sql.SQL("{} ({})").format(
            sql.Identifier(self.name), sql.SQL(", ").join(map(sql.Identifier, self.columns))
        )


def every() -> list[Table]:
    """All tables of the schema, by name."""
    return [Table(name, tuple(columns)) for name, columns in _rows(_TABLES)]


def copy_out(table: Table) -> Iterator[bytes | memoryview]:
    """The rows in COPY's text format."""
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} TO STDOUT").format(table.named)) as copy:
        yield from copy


def copy_in(table: Table, blocks: Iterable[bytes]) -> int:
    """Fill the table. Returns the number of rows."""
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(table.named)) as copy:
            for block in blocks:
                copy.write(block)
        return int(cursor.rowcount)


def count(table: Table) -> int:
    """The number of rows."""
    return int(_rows(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.name)))[0][0])


def sequences() -> dict[str, list[Any]]:
    """Last value of each sequence, and whether it was given out."""
    names = [name for (name,) in _rows(_SEQUENCES)]
    query = sql.SQL("SELECT last_value, is_called FROM {}")
    return {name: list(_rows(query.format(sql.Identifier(name)))[0]) for name in names}


def set_sequences(values: dict[str, list[Any]]) -> None:
    """Let the sequences of the schema go on from there. Those that later migrations removed are left out."""
    known = {name for (name,) in _rows(_SEQUENCES)}
    with connection.cursor() as cursor:
        for name in values.keys() & known:
            cursor.execute("SELECT setval(quote_ident(%s)::regclass, %s, %s)", [name, *values[name]])


def drop_all() -> None:
    """Remove all tables, sequences and functions of the schema that belong to no extension."""
    with connection.cursor() as cursor:
        for (statement,) in _rows(_DROPS):
            cursor.execute(statement)


@contextmanager
def open_for_filling() -> Iterator[None]:
    """Empty all tables, without their triggers and foreign keys, which are there again afterwards, and are checked."""
    named = [sql.Identifier(table.name) for table in every()]
    triggers = sql.SQL("ALTER TABLE {} {} TRIGGER USER")
    keys = _rows(_FOREIGN_KEYS)
    with connection.cursor() as cursor:
        for table, name, _ in keys:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for one in named:
            cursor.execute(triggers.format(one, sql.SQL("DISABLE")))
        if named:
            cursor.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(named)))
        yield
        for table, name, definition in keys:
            cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        for one in named:
            cursor.execute(triggers.format(one, sql.SQL("ENABLE")))


def _rows(query: str | sql.Composed) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


_OURS = "relnamespace = current_schema()::regnamespace"
_TABLES = f"""
SELECT relname, array_agg(attname::text ORDER BY attnum)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
WHERE relkind = 'r' AND {_OURS} GROUP BY relname ORDER BY relname
"""  # noqa: S608 - no values
_SEQUENCES = f"SELECT relname FROM pg_class WHERE relkind = 'S' AND {_OURS} ORDER BY relname"  # noqa: S608 - no values
_FOREIGN_KEYS = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND connamespace = current_schema()::regnamespace ORDER BY conname
"""
_DROPS = """
SELECT format('DROP TABLE IF EXISTS %I CASCADE', relname) FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
UNION ALL
SELECT format('DROP FUNCTION IF EXISTS %s CASCADE', pg_proc.oid::regprocedure) FROM pg_proc
WHERE prokind = 'f' AND pronamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
"""
