"""Other sessions of the test database: which wait, and one that holds rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, connections, models

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def somebody_waits_for_a_lock() -> bool:
    """Whether a connection stands before a row or an advisory lock that another one holds."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        return bool(cursor.fetchone()[0])


@contextmanager
def locked(model: type[models.Model], pks: Collection[Any]) -> Iterator[None]:
    """Another session holds these rows in a transaction that stays open."""
    assert pks
    meta = model._meta
    assert meta.pk is not None
    with psycopg.connect(**connections["default"].get_connection_params()) as other:
        found = other.execute(
            f"SELECT count(*) FROM (SELECT FROM {meta.db_table} WHERE {meta.pk.column} = ANY(%s) FOR UPDATE) row",
            [[*pks]],
        )
        assert found.fetchone() == (len(pks),)
        yield
        other.rollback()
