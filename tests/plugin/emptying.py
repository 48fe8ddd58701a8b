"""Empties the database after a test that commits, at a tenth of the cost of Django's `flush`.

`flush` truncates every table, then sends `post_migrate`, whose receivers make all permissions and roles again: together
that took longer than most of these tests. Here only tables with rows are emptied, and permissions and roles stay. A
test that changed those gets the real `flush`. The key of row MACs, which a migration makes, and the check value of the
key that sealed it are put back.

A small table is emptied by DELETE, without triggers and foreign keys, which only a superuser may switch off: TRUNCATE
makes new files for the table and each of its indexes, and a server that is not embedded waits for the disk each time.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Model
from django.test import TransactionTestCase

from tests.plugin import append_only

# What migrations and `post_migrate` fill.
KEPT = ("auth_group", "auth_group_permissions", "auth_permission", "django_content_type")
_PUT_BACK = ("vault_rowmackey", "vault_witness")
_SMALL = 256 * 1024  # bytes; in a larger table what was deleted would be in the way of the tests that come
_IS_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
_SUM = "SELECT " + ", ".join(
    f"(SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} AS t)" for table in KEPT
)


class Emptying:
    """The tables of this process's test database, and what those in `KEPT` held at first."""

    def __init__(self) -> None:
        self._flush = TransactionTestCase._fixture_teardown
        self._kept: tuple[str, ...] | None = None
        self._with_rows = ""
        self._may_delete = False
        self._rows: list[Model] = []

    def install(self) -> None:
        """Replace what Django does after each TransactionTestCase, which pytest-django uses as well."""
        emptying = self

        def teardown(self: TransactionTestCase) -> None:
            if not emptying.empty():
                emptying._flush(self)
            emptying.put_rows_back()

        TransactionTestCase._fixture_teardown = teardown

    def remember(self) -> None:
        """Note what the tables hold before the first test, when the key of the tests is proven."""
        from integrations.vault.models import KeyCheckValue, RowMacKey  # noqa: PLC0415 - not before Django is set up

        self._rows = [*RowMacKey.objects.all(), *self._proven(KeyCheckValue)]
        self.put_rows_back()
        with connection.cursor() as cursor:
            self._kept = self._sum(cursor)
            cursor.execute(_IS_SUPERUSER)
            (self._may_delete,) = cursor.fetchone()
        tables = [
            name
            for name in connection.introspection.django_table_names(only_existing=True)
            if name not in (*KEPT, *_PUT_BACK)
        ]
        quote = connection.ops.quote_name
        self._with_rows = " UNION ALL ".join(
            f"SELECT '{quote(name)}', pg_relation_size('{quote(name)}') WHERE EXISTS (SELECT FROM {quote(name)})"
            for name in tables
        )

    def empty(self) -> bool:
        """Empty the tables with rows. False when a kept table changed, or was not noted."""
        if self._kept is None:
            return False
        with connection.cursor() as cursor:
            if self._sum(cursor) != self._kept:
                return False
            cursor.execute(self._with_rows)
            sizes = dict(cursor.fetchall())
            small = {name for name, size in sizes.items() if size < _SMALL} if self._may_delete else set()
            with transaction.atomic():
                if large := sizes.keys() - small:
                    cursor.execute(append_only.LIFT)
                    cursor.execute(f"TRUNCATE {', '.join(large)} CASCADE")
                if small:
                    cursor.execute(f"LOCK {', '.join(small)} IN SHARE ROW EXCLUSIVE MODE")  # waits for writers
                    cursor.execute("SET LOCAL session_replication_role = replica")
                    cursor.execute("; ".join(f"DELETE FROM {name}" for name in small))
        return True

    def put_rows_back(self) -> None:
        """Restore the rows of the vault that were there before the first test, and no others."""
        for row in self._rows:
            type(row)._default_manager.exclude(pk=row.pk).delete()
            row.save()

    @staticmethod
    def _proven(check_values: type[Model]) -> list[Model]:
        """The check value of the key of the tests.

        The proof of a key without one records an entry, which whatever test uses the key first would count as its own.
        """
        from integrations.vault import keys  # noqa: PLC0415

        with transaction.atomic():
            keys.ring()
            found = list(check_values._default_manager.all())
            transaction.set_rollback(True)
        return found

    @staticmethod
    def _sum(cursor: CursorWrapper) -> tuple[Any, ...]:
        cursor.execute(_SUM)
        return tuple(cursor.fetchone())
