"""Migrations that others replace: an executor which runs them one by one, as a database of an earlier release does.

In an empty database Django runs what replaces them: one migration an app, which makes its tables as they are now.
"""

from __future__ import annotations

from collections.abc import Set

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration

Node = tuple[str, str]


def known() -> frozenset[Node]:
    """All migrations of the code."""
    return frozenset(_on_disk())


def every() -> frozenset[Node]:
    """All migrations that upgrades run: those that others replace, and not these others."""
    found = _on_disk()
    return frozenset(node for node, migration in found.items() if found.keys().isdisjoint(migration.replaces))


def shortest(nodes: frozenset[Node]) -> frozenset[Node]:
    """These migrations, with what replaces them where all that it replaces are there."""
    had = nodes
    for node, migration in _on_disk().items():
        if migration.replaces and had.issuperset(migration.replaces):
            had = had.difference(migration.replaces) | {node}
    return had


def executor(nodes: Set[Node]) -> MigrationExecutor:
    """An executor for an empty database, whose graph has these nodes although others replace them."""
    found = MigrationExecutor(connection)
    found.recorder.ensure_schema()
    replaces = [migration.replaces for migration in found.loader.disk_migrations.values()]
    replaced = [several[0] for several in replaces if not nodes.isdisjoint(several)]
    # Django takes the replaced ones where it finds one of them applied.
    for node in replaced:
        found.recorder.record_applied(*node)
    found.loader.build_graph()
    for node in replaced:
        found.recorder.record_unapplied(*node)
    found.loader.applied_migrations = {}
    return found


def _on_disk() -> dict[Node, Migration]:
    """The migrations of the code; the database is not asked."""
    return MigrationLoader(None).disk_migrations
