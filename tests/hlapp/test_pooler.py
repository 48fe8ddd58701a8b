"""PgBouncer that pools transactions, between the app and PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from pytest_django import Settings

from hlapp import database_settings, time_limits
from hlapp.env import ConfigurationError, Env
from integrations.console.doctor import diagnostics
from integrations.quota.parking import parked_rows
from integrations.tenants import marketplace
from tests.support.processes import ROOT, database_url, environment, free_port
from tests.support.waiting import wait_until

THREADS_TIMES = 96
needs_pgbouncer = pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="pgbouncer is not installed")
CONFIG = """[databases]
* = host={host} port={port} user={user}{password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
ignore_startup_parameters = extra_float_digits
logfile = {log}
"""


@pytest.fixture
def pooled() -> Iterator[str]:
    """The URL of the test database through PgBouncer, with three sessions for everybody."""
    server, listen = urlsplit(database_url()), free_port()
    values = {"host": server.hostname, "port": server.port or 5432, "user": server.username or "postgres"}
    values |= {"password": f" password={server.password}" if server.password else "", "listen": listen}
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        place.chmod(0o777)  # it refuses to be root, and whom it becomes writes its log here
        (place / "ini").write_text(CONFIG.format(**values, log=place / "log"))
        command = ["pgbouncer", *(["-u", "nobody"] if os.getuid() == 0 else []), str(place / "ini")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: answers(listen) or process.poll() is not None)
            assert process.poll() is None, (place / "log").read_text()
            yield server._replace(netloc=f"{values['user']}@127.0.0.1:{listen}").geturl()
        finally:
            process.kill()
            process.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def worked(url: str, **env: str) -> dict[str, Any]:
    variables = environment(**{"DATABASE_URL": url, "LOG_LEVEL": "CRITICAL", **env})
    command = [sys.executable, "-m", "tests.hlapp.pooled_work"]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60)  # noqa: PLW1510
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@needs_pgbouncer
@pytest.mark.django_db(transaction=True)
def test_threads_share_the_sessions_of_a_pooler(pooled: str, clean_redis: Any) -> None:
    marketplace.default()
    found = worked(pooled, DATABASE_POOLING="transaction", DATABASE_DIRECT_URL=database_url())
    assert found["failed"] == {}
    assert set(found["done"].values()) == {THREADS_TIMES}
    assert (found["entries"], found["records"]) == (THREADS_TIMES, THREADS_TIMES * 20)
    with psycopg.connect(pooled) as session:
        told = session.info.backend_pid
        assert session.execute("SELECT pg_backend_pid()").fetchone() != (told,), "the doctor knows a pooler by that"


def read(**environ: str) -> tuple[dict[str, Any], dict[str, Any]]:
    env = Env({"DATABASE_URL": "postgresql://me@pooler:6432/app", **environ})
    found = database_settings.read(env), database_settings.direct(env)
    env.check()
    return found


def test_nothing_outlives_a_transaction_in_a_pooler() -> None:
    default, direct = read()
    assert (default["OPTIONS"]["prepare_threshold"], default["DISABLE_SERVER_SIDE_CURSORS"], direct) == (5, False, {})
    url = "postgresql://me:secret@db:5432/app?sslmode=require"
    default, direct = read(DATABASE_POOLING="transaction", DATABASE_DIRECT_URL=url)
    assert (default["OPTIONS"]["prepare_threshold"], default["DISABLE_SERVER_SIDE_CURSORS"]) == (None, True)
    assert direct == {
        "dbname": "app",
        "host": "db",
        "port": 5432,
        "user": "me",
        "password": "secret",
        "sslmode": "require",
    }


def test_a_pooler_of_transactions_needs_the_address_behind_it() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_DIRECT_URL is not set, though DATABASE_POOLING is"):
        read(DATABASE_POOLING="transaction")


def test_commands_work_past_the_pooler() -> None:
    environ = {
        "DATABASE_URL_FILE": "/run/pooled",
        "DATABASE_POOLING": "transaction",
        "DATABASE_DIRECT_URL": "postgresql://db/a",
    }
    database_settings.use_direct("backup", environ)
    assert environ == {"DATABASE_URL": "postgresql://db/a", "DATABASE_DIRECT_URL": "postgresql://db/a"}
    serving = {"DATABASE_URL": "postgresql://pooler/a", "DATABASE_DIRECT_URL": "postgresql://db/a"}
    database_settings.use_direct("serve", serving)
    assert serving["DATABASE_URL"] == "postgresql://pooler/a"
    untouched = {"DATABASE_URL": "postgresql://db/a"}
    database_settings.use_direct("backup", untouched)
    assert untouched == {"DATABASE_URL": "postgresql://db/a"}


def test_no_session_gets_limits_that_another_client_would_inherit(monkeypatch: pytest.MonkeyPatch) -> None:
    here = time_limits.connections["default"].settings_dict
    own = {name: value for name, value in here["OPTIONS"].items() if name != "options"}
    monkeypatch.setitem(here, "OPTIONS", {**own, "prepare_threshold": None})
    time_limits.limit_sessions(time_limits.WEB)
    assert "options" not in here["OPTIONS"]
    assert here["OPTIONS"]["pool"]["connection_class"].longest == time_limits.WEB.answer


@pytest.mark.django_db
def test_the_doctor_looks_for_poolers_and_limits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(diagnostics.pooler()) == []
    settings.DATABASE_DIRECT = {"host": "db"}
    [found] = diagnostics.pooler()
    assert "idle_in_transaction_session_timeout = '10s'" in found.fix
    settings.DATABASE_DIRECT = {}
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", 1)
    [found] = diagnostics.pooler()
    assert "DATABASE_POOLING=transaction" in found.fix


@pytest.mark.django_db
def test_the_leader_of_parked_tasks_listens_past_the_pooler(settings: Settings) -> None:
    settings.DATABASE_DIRECT = {"host": "db.internal", "port": 5433, "dbname": "another"}
    found = parked_rows._parameters()
    assert (found["host"], found["port"]) == ("db.internal", 5433)
    assert found["dbname"] != "another"
