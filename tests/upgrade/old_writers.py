"""Run as a process: takes the last migration of each app as an upgrade, and writes as the code before it does.

The database has rows in its tables. For each, the old columns are read, and a row with its values is inserted and
updated. A row that is there twice is refused last, after NOT NULL and CHECK constraints, so that refusal is a success.
Prints what failed as JSON, by table, and how many statements found a row.
"""

from __future__ import annotations

import json

import django
import psycopg
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from tests.support.processes import ROOT

COLUMNS = """
SELECT relname, array_agg(attname::text ORDER BY attnum) FROM pg_class
JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace GROUP BY relname
"""
OURS = {path.name for path in (ROOT / "integrations").iterdir()}
SELECT = sql.SQL("SELECT {1} FROM {0} LIMIT 1")
INSERT = sql.SQL("INSERT INTO {0} ({1}) OVERRIDING SYSTEM VALUE SELECT {1} FROM {0} LIMIT 1")
UPDATE = sql.SQL("UPDATE {0} SET ({1}) = ROW({1})")
APPENDED = {"core_auditentry", "core_auditheadexport"}  # a trigger refuses every UPDATE


def main() -> None:
    """See above."""
    django.setup()
    executor = MigrationExecutor(connection)
    graph = executor.loader.graph
    leaves = graph.leaf_nodes()
    parents = {leaf: {parent.key[0] for parent in graph.node_map[leaf].parents} for leaf in leaves}
    last = {leaf for leaf in leaves if leaf[0] in OURS and leaf[0] in parents[leaf]}
    plan = executor.migration_plan(leaves)
    executor.migrate(
        leaves, [one for one in plan if not last & {*graph.forwards_plan((one[0].app_label, one[0].name))}]
    )
    executor.loader.build_graph()
    connection.ensure_connection()
    below = connection.connection
    old = dict(below.execute(COLUMNS).fetchall())
    pending = [f"{one.app_label}.{one.name}" for one, _ in executor.migration_plan(leaves)]
    executor.migrate(leaves)
    tried, failed = 0, {}
    for table, columns in old.items():
        name, named = sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        for query in [SELECT, INSERT] if table in APPENDED else [SELECT, INSERT, UPDATE]:
            try:
                with below.transaction(force_rollback=True):
                    tried += below.execute(query.format(name, named)).rowcount > 0
            except psycopg.errors.UniqueViolation:
                tried += 1
            except psycopg.Error as error:
                failed[table] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    print(json.dumps({"pending": pending, "tried": tried, "failed": failed}))  # noqa: T201


if __name__ == "__main__":
    main()
