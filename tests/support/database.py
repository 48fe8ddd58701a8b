"""What the test database can say of its other connections."""

from __future__ import annotations

from django.db import connection

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def somebody_waits_for_a_lock() -> bool:
    """Whether a connection stands before a row or an advisory lock that another one holds."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        return bool(cursor.fetchone()[0])
