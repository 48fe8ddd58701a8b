"""Prepared statements: a cursor for the statements that run most often, parsed once per connection.

Django sends every statement as text with its values inside. For a statement with several parts PostgreSQL then spends
more time on the plan than on the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection


class _PreparedCursor(psycopg.Cursor[Any]):
    """A cursor that binds values on the server and prepares every statement at its first use."""

    def execute(self, query: Any, params: Any = None, **_: Any) -> Any:
        return super().execute(query, params, prepare=True)


@contextmanager
def cursor() -> Iterator[Any]:
    """A cursor like `connection.cursor()`, in the same transaction, whose statements are prepared.

    A value's Python type has to be the same each time, and its SQL type has to be clear from the statement: write
    `%(name)s::text` where a column does not say it.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors:
        bare: Any = _PreparedCursor(connection.connection)
    wrap = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    with wrap(bare) as wrapped:
        yield wrapped
