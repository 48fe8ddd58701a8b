"""Applies migrations in a scratch database and observes what each does there: locks, rewritten tables, changed columns.

PostgreSQL itself is asked, so nothing depends on how a migration spells its statements. Locks and rewrites do not
depend on the number of rows; only how long they last does. Two things PostgreSQL does not report: a statement that ends
before it can be asked (`CONCURRENTLY` runs in no transaction), and a scan that validates a constraint. Rules read these
from the statement.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState

from integrations.backups import replaced_migrations
from integrations.backups.replaced_migrations import Node

# Lock modes, the weakest first, with what they keep from a table. (https://www.postgresql.org/docs/current/explicit-locking.html)
KEEPS_OUT = {
    "AccessShareLock": "",
    "RowShareLock": "",
    "RowExclusiveLock": "",
    "ShareUpdateExclusiveLock": "",
    "ShareLock": "writes",
    "ShareRowExclusiveLock": "writes",
    "ExclusiveLock": "writes",
    "AccessExclusiveLock": "reads and writes",
}
_STRENGTH = {mode: number for number, mode in enumerate(KEEPS_OUT)}
_CONCURRENTLY = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)
_QUIET = re.compile(r"\s*(SELECT|SAVEPOINT|RELEASE|ROLLBACK|SET|SHOW)\b", re.IGNORECASE)
_OURS = "relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace"
_LOCKS = f"""
SELECT relname, mode FROM pg_locks JOIN pg_class ON pg_class.oid = relation
WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted AND {_OURS}
"""  # noqa: S608 - no values
_FILES = f"SELECT relname, pg_relation_filenode(oid) FROM pg_class WHERE {_OURS}"  # noqa: S608 - no values
_COLUMNS = f"""
SELECT relname, attname, attnotnull AND attidentity = '' AND attgenerated = '', atthasdef
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped WHERE {_OURS}
"""  # noqa: S608 - no values


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table. A writer that does not name it fails if it `is_required` (not null, and no default)."""

    table: str
    name: str
    is_required: bool

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


@dataclass(slots=True)
class MigrationEffects:
    """What one migration did. `locks`: the strongest mode by table, of tables that were there before it."""

    node: Node
    statements: list[str] = field(default_factory=list)
    locks: dict[str, str] = field(default_factory=dict)
    rewritten: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)  # tables and columns that the release before knows
    required: set[str] = field(default_factory=set)  # columns that its writers do not name, or may leave empty
    tables: frozenset[str] = frozenset()  # that were there before it

    @property
    def name(self) -> str:
        """`sync.0014_searches_and_feed`."""
        return ".".join(self.node)


def pending() -> list[Node]:
    """Migrations that the database lacks, in their order."""
    executor = MigrationExecutor(connection)
    return [(one.app_label, one.name) for one, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def observe(nodes: Set[Node]) -> Iterator[MigrationEffects]:
    """Apply all migrations to the empty database that this process uses: first the others, then `nodes`, observed.

    The others must not need any of `nodes`.
    """
    executor = replaced_migrations.executor(nodes)
    state = ProjectState(real_apps=executor.loader.unmigrated_apps)
    plan = [migration for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    for migration in sorted(plan, key=lambda one: (one.app_label, one.name) in nodes):
        node = (migration.app_label, migration.name)
        if node not in nodes:
            state = executor.apply_migration(state, migration)
            continue
        with watched(node) as effects:
            state = executor.apply_migration(state, migration)
        yield effects


@contextmanager
def watched(node: Node) -> Iterator[MigrationEffects]:
    """Observe what is done to the database inside; the effects are complete afterwards."""
    before = _columns()
    effects = MigrationEffects(node, tables=frozenset(one.table for one in before))
    with connection.execute_wrapper(_Watch(effects)):
        yield effects
    _compare(effects, before, _columns())


def _compare(effects: MigrationEffects, before: list[TableColumn], after: list[TableColumn]) -> None:
    known, now = {str(one) for one in before}, {str(one) for one in after}
    tables = {one.table for one in after}
    effects.removed |= {name for name in known - now if name.partition(".")[0] in tables} | (effects.tables - tables)
    free = {str(one) for one in before if not one.is_required}
    effects.required |= {
        str(one)
        for one in after
        if one.is_required and one.table in effects.tables and (str(one) not in known or str(one) in free)
    }


class _Watch:
    """Django's hook around each statement."""

    def __init__(self, effects: MigrationEffects) -> None:
        self._effects = effects

    def __call__(self, execute: Callable[..., Any], statement: Any, params: Any, many: bool, context: Any) -> Any:
        text = statement if isinstance(statement, str) else statement.as_string(connection.connection)
        if _QUIET.match(text) or "django_migrations" in text:
            return execute(statement, params, many, context)
        self._effects.statements.append(" ".join(text.split()))
        if _CONCURRENTLY.search(text):
            return execute(statement, params, many, context)
        before = dict(_ask(_FILES))
        with nullcontext() if connection.in_atomic_block else connection.connection.transaction():
            result = execute(statement, params, many, context)
            for table, mode in _ask(_LOCKS):
                self._lock(table, mode)
        files = dict(_ask(_FILES))
        self._effects.rewritten |= {
            table for table, file in before.items() if table in self._effects.tables and files.get(table, file) != file
        }
        return result

    def _lock(self, table: str, mode: str) -> None:
        locks = self._effects.locks
        if table in self._effects.tables and _STRENGTH[mode] > _STRENGTH.get(locks.get(table, ""), -1):
            locks[table] = mode


def _columns() -> list[TableColumn]:
    connection.ensure_connection()
    return [
        TableColumn(table, name, is_required=is_filled and not has_default)
        for table, name, is_filled, has_default in _ask(_COLUMNS)
        if table != "django_migrations"
    ]


def _ask(query: str) -> list[tuple[Any, ...]]:
    """Below Django's cursor, whose statements are watched."""
    rows: list[tuple[Any, ...]] = connection.connection.execute(query).fetchall()
    return rows
