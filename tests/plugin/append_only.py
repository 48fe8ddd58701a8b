"""Lets the tables of the audit trail be emptied between tests: outside of tests their triggers refuse TRUNCATE."""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql.operations import DatabaseOperations

LIFT = "SET LOCAL hlapp.audit_path = 'retention'"


def let_flush_pass() -> None:
    """Django's `flush`, which empties all tables after a test that commits, runs its statements in one transaction."""
    original = DatabaseOperations.sql_flush

    def sql_flush(self: DatabaseOperations, *args: Any, **options: Any) -> list[str]:
        found = original(self, *args, **options)
        return [LIFT, *found] if found else found

    DatabaseOperations.sql_flush = sql_flush
