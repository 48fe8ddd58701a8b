"""A database beside the configured one that lives as long as a check. Nothing of the deployment's own is changed.

Its owner keeps a session in it from the beginning to the end. A killed process loses its sessions and leaves the
database behind: one without a session, which the next check or backup drops. The name has the time at which it was
made, by the server's clock, because it exists for a moment before its first session.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg import sql

from integrations.core.errors import BadRequest

log = structlog.get_logger(__name__)

YOUNG = timedelta(minutes=5)  # a younger one may still wait for its first session
_PREFIX = 38  # characters of the configured database's name; a name has at most 63 bytes


@contextmanager
def scratch_database() -> Iterator[str]:
    """Inside, this process uses a new empty database, which is dropped afterwards. Leftovers are dropped first.

    Raises BadRequest without the right to create a database.
    """
    drop_leftovers()
    own, namespace = connection.settings_dict["NAME"], settings.NAMESPACE
    try:
        name = _create(own)
    except psycopg.Error as error:
        words = " ".join(str(error).split())
        raise BadRequest(f"a database for the check cannot be created: {words}: the user needs CREATEDB") from error
    try:
        with _connect(dbname=name) as session:
            session.execute("SET idle_session_timeout = 0")
            _use(name, name)
            yield name
    finally:
        _use(own, namespace)
        with _connect() as server:
            server.execute(_named("DROP DATABASE {} WITH (FORCE)", name))


def drop_leftovers() -> list[str]:
    """Drop scratch databases whose owners are gone: of this database and user, not young, without a session. Their
    names. What cannot be dropped stays for the next time.
    """
    dropped: list[str] = []
    with suppress(psycopg.Error), _connect() as server:
        for name in _leftovers(server, connection.settings_dict["NAME"]):
            with suppress(psycopg.Error):  # a session came, or another process was quicker
                server.execute(_named("DROP DATABASE {}", name))
                dropped.append(name)
    if dropped:
        log.info("backup.leftovers_dropped", databases=dropped)
    return dropped


def _create(own: str) -> str:
    with _connect() as server:
        (made_at,) = server.execute("SELECT extract(epoch FROM now())::bigint").fetchone() or (0,)
        name = f"{own[:_PREFIX]}_check_{made_at:08x}_{secrets.token_hex(4)}"
        server.execute(_named("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0", name))
    return name


def _leftovers(server: psycopg.Connection[Any], own: str) -> list[str]:
    ours = re.compile(re.escape(own[:_PREFIX]) + r"_check_([0-9a-f]{8})_[0-9a-f]{8}")
    rows = server.execute(_UNUSED).fetchall()
    found = [(match, now) for name, now in rows if (match := ours.fullmatch(name))]
    return [match[0] for match, now in found if int(match[1], 16) <= now - YOUNG.total_seconds()]


def _use(name: str, namespace: str) -> None:
    used = connections["default"]
    used.close()
    if isinstance(used, DatabaseWrapper):
        used.close_pool()
    used.settings_dict["NAME"], settings.NAMESPACE = name, namespace


def _connect(**more: str) -> psycopg.Connection[Any]:
    params = {key: value for key, value in connection.get_connection_params().items() if key in _LOGIN}
    return psycopg.connect(**params | more, autocommit=True)


def _named(statement: Any, name: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(name))


_UNUSED = """
    SELECT d.datname, extract(epoch FROM now())::float8 FROM pg_database d
    WHERE d.datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user) AND NOT EXISTS (
        SELECT FROM pg_stat_activity a WHERE a.datid = d.oid AND a.backend_type = 'client backend')
    ORDER BY d.datname
"""
_LOGIN = {
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "connect_timeout",
}
