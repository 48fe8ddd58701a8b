"""Ends the sessions that tests left in the test database, so that it can be dropped, and says what they did last."""

from __future__ import annotations

import sys

from django.db import connection

_END = """
SELECT pg_terminate_backend(pid), state, left(query, 200) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def end_others() -> None:
    """End every other session of the test database. A thread that a test forgot may hold one."""
    connection.close_pool()  # type: ignore[attr-defined]  # of PostgreSQL's backend: these are our own
    with connection.cursor() as cursor:
        cursor.execute(_END)
        left = cursor.fetchall()
    for _, state, query in left:
        sys.stderr.write(f"a test left a session in the database ({state}): {query}\n")
