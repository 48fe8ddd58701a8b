"""`manage.py migrate` waits for locks without making others wait, and builds indexes again that were interrupted."""

from __future__ import annotations

import io
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError
from django.core.management.commands.migrate import Command as DjangoCommand
from django.db import IntegrityError, connection

from hlapp.management.commands import migrate
from tests.support.processes import database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.servers]


class Blocked(io.StringIO):
    """Where complaints go; the first one ends the transaction that holds the lock."""

    def __init__(self, holder: psycopg.Connection[Any] | None) -> None:
        super().__init__()
        self.holder = holder

    def write(self, text: str) -> int:
        if self.holder is not None:
            self.holder.rollback()
        return super().write(text)


@pytest.fixture
def altering(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`migrate` alters a table with a short limit; the list has a line for each attempt that was made."""
    attempts: list[str] = []

    def handle(self: Any, **_: Any) -> None:
        attempts.append("tried")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
            cursor.execute("ALTER TABLE tenants_app SET (fillfactor = 100)")

    monkeypatch.setattr(DjangoCommand, "handle", handle)
    monkeypatch.setattr(migrate, "PAUSE", 0.0)
    return attempts


def test_a_locked_table_is_tried_again(altering: list[str]) -> None:
    with psycopg.connect(database_url()) as holder:
        holder.execute("LOCK TABLE tenants_app IN ACCESS EXCLUSIVE MODE")
        complaints = Blocked(holder)
        migrate.Command(stderr=complaints).handle()
    assert len(altering) == 2
    assert "a table is locked, so this migration is tried again" in complaints.getvalue()


def test_a_table_that_stays_locked_is_one_line(altering: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "TRIES", 2)
    with psycopg.connect(database_url()) as holder:
        holder.execute("LOCK TABLE tenants_app IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(CommandError, match="a table stayed locked"):
            migrate.Command(stderr=Blocked(None)).handle()
    assert len(altering) == 2


def test_other_errors_of_the_database_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(self: Any, **_: Any) -> None:
        raise IntegrityError("a row does not fit")

    monkeypatch.setattr(DjangoCommand, "handle", handle)
    with pytest.raises(IntegrityError):
        migrate.Command().handle()


def test_an_index_whose_build_was_interrupted_is_built_again() -> None:
    build = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS interrupted_once ON built_twice (a)"
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE built_twice AS SELECT 1 AS a UNION ALL SELECT 1")
        try:
            with pytest.raises(IntegrityError):
                cursor.execute(build)
            cursor.execute("DELETE FROM built_twice WHERE ctid = '(0,1)'")
            cursor.execute("SET lock_timeout = '4s'")
            with connection.execute_wrapper(migrate._build_concurrently):
                cursor.execute(build)
            cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'interrupted_once'::regclass")
            assert cursor.fetchall() == [(True,)]
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("4s",)
        finally:
            cursor.execute("DROP TABLE built_twice")
            cursor.execute("RESET lock_timeout")
