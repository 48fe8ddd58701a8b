"""A scratch database whose owner was killed is dropped by the next check or backup; one that is used never is."""

from __future__ import annotations

import base64
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from integrations.backups import scratch_database
from integrations.core import audit
from tests.support.processes import Process, running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def owned_by(process: Process) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if "_check_" in line and " " not in line.strip():
            return line.strip()
    pytest.fail("it has no scratch database")


def exists(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        return cursor.fetchone() is not None


def has_sessions(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_stat_activity WHERE datname = %s", [name])
        return cursor.fetchone() is not None


def test_the_next_backup_drops_what_a_killed_check_left(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BACKUP_KEY = base64.b64encode(os.urandom(32)).decode()
    audit.record("test.before", actor="test", subject="the backup")
    monkeypatch.setattr(scratch_database, "YOUNG", timedelta(seconds=-5))
    with running("-m", "tests.backups.scratch_owner") as owner:
        name = owned_by(owner)
        assert len(name) < 64
        assert scratch_database.drop_leftovers() == [], "its owner lives, although it asks nothing"
        owner.die()
    wait_until(lambda: not has_sessions(name))
    monkeypatch.setattr(scratch_database, "YOUNG", timedelta(minutes=5))
    assert scratch_database.drop_leftovers() == [], "a young one may be about to be used"
    assert exists(name)
    monkeypatch.setattr(scratch_database, "YOUNG", timedelta(seconds=-5))
    call_command("backup", str(tmp_path), "--json")
    assert not exists(name)


def test_databases_that_look_alike_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch_database, "YOUNG", timedelta(0))
    own = connection.settings_dict["NAME"][:38]
    name = f"{own}_check_20260101"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        try:
            assert scratch_database.drop_leftovers() == []
            assert exists(name)
        finally:
            cursor.execute(f'DROP DATABASE "{name}"')


def test_a_check_begins_by_dropping_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch_database, "YOUNG", timedelta(0))
    name = f"{connection.settings_dict['NAME'][:38]}_check_65920080_0123abcd"
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    with scratch_database.scratch_database():
        pass
    assert not exists(name)
