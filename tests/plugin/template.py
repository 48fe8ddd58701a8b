"""One migrated database for all xdist workers of a run, who copy it: migrations take seconds, a copy a tenth of one.

The worker that comes first creates it; the others wait for that at an advisory lock. The controller names it in the
environment, which workers inherit, and drops it when the run is over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

import psycopg
from django.core.management import call_command
from django.db import connection
from psycopg import sql

_NAME = "TEST_TEMPLATE_DATABASE"
_LOCK = 7_203_115  # any number that no other program uses for its advisory locks on a server for tests


def choose(environ: MutableMapping[str, str]) -> None:
    """Name the template of this run. The controller calls this before workers start."""
    environ[_NAME] = f"test_template_{os.getpid()}"


def use() -> None:
    """Let the test database of this worker be a copy of the template, which is created if it is not there."""
    name = os.environ[_NAME]
    with _server() as server:
        server.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        if not server.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            _migrate(name)
    connection.settings_dict["TEST"]["TEMPLATE"] = name


def drop() -> None:
    """Remove the template. The controller calls this after its workers have ended."""
    if name := os.environ.get(_NAME):
        with _server() as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _migrate(name: str) -> None:
    database, connection.settings_dict["NAME"] = connection.settings_dict["NAME"], name
    try:
        call_command("migrate", verbosity=0)
    finally:
        connection.close()
        connection.close_pool()  # a database is copied only while nobody is connected to it
        connection.settings_dict["NAME"] = database


@contextmanager
def _server() -> Iterator[psycopg.Connection]:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        yield server
