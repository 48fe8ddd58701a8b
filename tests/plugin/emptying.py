"""Empties the database after a test that commits, at a tenth of the cost of Django's `flush`.

`flush` truncates every table, then sends `post_migrate`, whose receivers make all permissions and roles again: together
that took longer than most of these tests. Here only tables with rows are truncated, and permissions and roles stay. A
test that changed those gets the real `flush`. The key of row MACs, which a migration makes, is put back.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase

from tests.plugin import append_only

# What migrations and `post_migrate` fill.
_KEY = "vault_rowmackey"
KEPT = ("auth_group", "auth_group_permissions", "auth_permission", "django_content_type")
_PUT_BACK = f"""
INSERT INTO {_KEY} (id, sealed, created_at) VALUES (%s, %s, %s)
ON CONFLICT (id) DO UPDATE SET sealed = EXCLUDED.sealed, created_at = EXCLUDED.created_at
"""
_SUM = "SELECT " + ", ".join(
    f"(SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} AS t)" for table in KEPT
)


class Emptying:
    """The tables of this process's test database, and what those in `KEPT` held at first."""

    def __init__(self) -> None:
        self._flush = TransactionTestCase._fixture_teardown
        self._kept: tuple[str, ...] | None = None
        self._with_rows = ""
        self._key: tuple[Any, ...] | None = None

    def install(self) -> None:
        """Replace what Django does after each TransactionTestCase, which pytest-django uses as well."""
        emptying = self

        def teardown(self: TransactionTestCase) -> None:
            if not emptying.empty():
                emptying._flush(self)
            emptying.put_key_back()

        TransactionTestCase._fixture_teardown = teardown

    def remember(self) -> None:
        """Note what the tables in `KEPT` hold, before the first test."""
        with connection.cursor() as cursor:
            self._kept = self._sum(cursor)
            cursor.execute(f"SELECT id, sealed, created_at FROM {_KEY}")
            self._key = cursor.fetchone()
        tables = [
            name
            for name in connection.introspection.django_table_names(only_existing=True)
            if name not in (*KEPT, _KEY)
        ]
        quote = connection.ops.quote_name
        self._with_rows = " UNION ALL ".join(
            f"SELECT '{quote(name)}' WHERE EXISTS (SELECT FROM {quote(name)})" for name in tables
        )

    def empty(self) -> bool:
        """Empty the tables with rows. False when a kept table changed, or was not noted."""
        if self._kept is None:
            return False
        with connection.cursor() as cursor:
            if self._sum(cursor) != self._kept:
                return False
            cursor.execute(self._with_rows)
            tables = ", ".join(name for (name,) in cursor.fetchall())
            if tables:
                with transaction.atomic():
                    cursor.execute(append_only.LIFT)
                    cursor.execute(f"TRUNCATE {tables} CASCADE")
        return True

    def put_key_back(self) -> None:
        """Restore the row of the key of row MACs that the migration made."""
        if self._key is not None:
            with connection.cursor() as cursor:
                cursor.execute(_PUT_BACK, self._key)

    @staticmethod
    def _sum(cursor: CursorWrapper) -> tuple[Any, ...]:
        cursor.execute(_SUM)
        return tuple(cursor.fetchone())
