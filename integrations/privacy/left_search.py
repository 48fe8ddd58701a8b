"""Searches everything that is stored for given texts, to prove that nothing is left of a tenant or a person.

It knows no model: it reads the database's own list of tables, and looks through every column of text, JSON, arrays and
bytes. Then it looks through all keys and values of this deployment in Redis, and through the spool, in Redis and on
this machine's disk. It reads all tables as a whole, so it takes a while on a large database.

It cannot look into sealed values (tokens; synced records whose payload is sealed), compressed session data, logs,
backups, exports, other machines' disks, and pages of the database file that PostgreSQL has not overwritten yet.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from integrations.privacy import inventory
from integrations.privacy.holding import Holding
from integrations.privacy.purge_scope import Scope
from integrations.quota import stored_keys
from integrations.tokens.spool import tenant_entries

AT_ONCE = 200  # ids that are looked for in one reading of a table
_COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.data_type = ANY(%s)
ORDER BY 1, c.ordinal_position
"""
_TEXTS = ["text", "character varying", "character", "json", "jsonb", "ARRAY", "xml", "uuid", "inet", "USER-DEFINED"]
_BYTES = "bytea"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Texts that are looked for together. `is_id`: the ids of tenants, which some tables keep."""

    label: str
    texts: tuple[str, ...]
    is_id: bool = False


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Where one of the texts was found, in how many rows; `kept` says why it stays there, empty if it should not."""

    place: str
    label: str
    rows: int
    kept: str = ""


def wanted(scope: Scope, texts: Sequence[str]) -> list[Wanted]:
    """What to look for: the contact's id or the tenants' ids, `AT_ONCE` of them together, and the given texts."""
    if scope.contact:
        first = [Wanted("the contact's id", (scope.contact,))]
    else:
        ids = [scope.tenant.id, *sorted(scope.ids - {scope.tenant.id})]
        first = [
            Wanted("the tenant's id", tuple(ids[at : at + AT_ONCE]), is_id=True) for at in range(0, len(ids), AT_ONCE)
        ]
    return [*first, *(Wanted(f"text {number}", (text,)) for number, text in enumerate(texts, 1))]


def search(scope: Scope, texts: Sequence[str] = ()) -> list[LeftOver]:
    """Everything that is found. Raises StoreUnavailable when Redis or the spool does not answer."""
    things = wanted(scope, texts)
    return [*_in_tables(scope, things), *_in_redis(things), *_in_spool(things)]


def _in_tables(scope: Scope, things: list[Wanted]) -> Iterator[LeftOver]:
    tables: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, [[*_TEXTS, _BYTES]])
        for table, column, kind in cursor.fetchall():
            tables[table].append((column, kind))
        for table, columns in tables.items():
            holding = inventory.of_table(table)
            for column, thing, rows in _counted(cursor, table, columns, things):
                yield LeftOver(f"{table}.{column}", thing.label, rows, _kept(holding, column, thing, scope))


def _counted(
    cursor: CursorWrapper, table: str, columns: list[tuple[str, str]], things: list[Wanted]
) -> Iterator[tuple[str, Wanted, int]]:
    """How many rows have something of it, by column and label. An agency with many locations needs several readings."""
    ids, texts = [thing for thing in things if thing.is_id], [thing for thing in things if not thing.is_id]
    found: dict[tuple[str, str], tuple[Wanted, int]] = {}
    for together in [[*ids[:1], *texts], *([one] for one in ids[1:])]:
        pairs = [(column, kind, thing) for column, kind in columns for thing in together]
        cursor.execute(_statement(table, pairs))
        for (column, _, thing), rows in zip(pairs, cursor.fetchone(), strict=True):
            if rows:
                found[column, thing.label] = thing, rows + found.get((column, thing.label), (thing, 0))[1]
    for (column, _), (thing, rows) in found.items():
        yield column, thing, rows


def _statement(table: str, pairs: list[tuple[str, str, Wanted]]) -> sql.Composed:
    """One reading of the table, with a count for each column and each text."""
    counts = [
        sql.SQL("count(*) FILTER (WHERE {})").format(sql.SQL(" OR ").join(_contains(column, kind, thing.texts)))
        for column, kind, thing in pairs
    ]
    return sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(counts), sql.Identifier(table))


def _contains(column: str, kind: str, texts: tuple[str, ...]) -> list[sql.Composed]:
    name = sql.Identifier(column)
    if kind == _BYTES:
        return [sql.SQL("position({} in {}) > 0").format(sql.Literal(text.encode()), name) for text in texts]
    spellings = {*texts, *(json.dumps(text, ensure_ascii=False)[1:-1] for text in texts)}
    return [sql.SQL("{}::text ILIKE {}").format(name, sql.Literal(f"%{_escaped(text)}%")) for text in sorted(spellings)]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _kept(holding: Holding | None, column: str, thing: Wanted, scope: Scope) -> str:
    """Why a tenant's id stays in this column. A row that a purge would delete is no such reason."""
    if holding is None or not thing.is_id or not holding.kept:
        return ""
    names = {*holding.tenant, *(f"{name}_id" for name in ("company", "location"))}
    if column not in names or (holding.rows is not None and holding.rows(scope).exists()):
        return ""
    return holding.kept


def _in_redis(things: list[Wanted]) -> Iterator[LeftOver]:
    texts = [(thing, text.encode()) for thing in things for text in thing.texts]
    for key, number in stored_keys.search([text for _, text in texts]):
        yield LeftOver(f"Redis {key}", texts[number][0].label, 1)


def _in_spool(things: list[Wanted]) -> Iterator[LeftOver]:
    for name, raw in tenant_entries.texts().items():
        content = raw.decode(errors="replace").lower()
        for thing in things:
            if any(text.lower() in content for text in thing.texts):
                yield LeftOver(f"spool {name}", thing.label, 1)
