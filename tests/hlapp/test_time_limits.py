"""Every session of the web and of workers has its limits, a command has none, and no answer is waited for for ever."""

from __future__ import annotations

import json
from time import monotonic
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections

from hlapp import time_limits
from hlapp.time_limits import BoundedConnection, SessionLimits
from tests.support.processes import running

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_SHOWN = """
import json, django
{start}
from django.db import connection
from celery import current_app
shown = {{}}
with connection.cursor() as cursor:
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        cursor.execute(f"SHOW {{name}}")
        shown[name] = cursor.fetchone()[0]
shown["answer"] = connection.connection.longest
shown["broker"] = current_app.conf.broker_transport_options["socket_timeout"]
print(json.dumps(shown))
"""


def shown(limits: SessionLimits, broker: float) -> dict[str, Any]:
    lock = "0" if limits.lock is None else f"{limits.lock}s"
    values = (_words(limits.statement), lock, _words(limits.idle_in_transaction))
    return {**dict(zip(LIMITS, values, strict=True)), "answer": limits.answer, "broker": broker}


def _words(seconds: int) -> str:
    return f"{seconds // 60}min" if seconds % 60 == 0 else f"{seconds}s"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("import hlapp.wsgi", shown(time_limits.WEB, time_limits.WEB_BROKER_SECONDS)),
        ("import hlapp.asgi", shown(time_limits.WEB, time_limits.WEB_BROKER_SECONDS)),
        ("django.setup(); import hlapp.celery; hlapp.celery._before_work()", shown(time_limits.WORKER, 30)),
    ],
    ids=["wsgi", "asgi", "worker"],
)
def test_the_sessions_of_a_process_have_its_limits(start: str, expected: dict[str, Any]) -> None:
    with running("-c", _SHOWN.format(start=start), LOG_LEVEL="CRITICAL") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == expected


@pytest.mark.django_db
def test_a_management_command_has_no_limit_but_keepalives() -> None:
    with connection.cursor() as cursor:
        for name in LIMITS:
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == ("0",)
    options = settings.DATABASES["default"]["OPTIONS"]
    assert (options["keepalives"], options["keepalives_idle"], options["tcp_user_timeout"]) == (1, 30, 20_000)


def test_what_the_database_url_sets_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    here = connections["default"].settings_dict
    monkeypatch.setitem(here, "OPTIONS", {**here["OPTIONS"], "options": "-c lock_timeout=7s"})
    time_limits.limit_sessions(time_limits.WEB)
    with psycopg.connect(**connections["default"].get_connection_params()) as session:
        assert session.execute("SHOW lock_timeout").fetchone() == ("7s",)
        assert session.execute("SHOW statement_timeout").fetchone() == ("8s",)


@pytest.fixture
def bounded(db: None) -> Any:
    session = BoundedConnection.connect(**connections["default"].get_connection_params(), autocommit=True)
    backend = session.info.backend_pid
    yield session
    session.close()
    with connections["default"].cursor() as cursor:  # its statement may go on without it
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])


def test_an_answer_that_does_not_come_is_given_up(bounded: Any) -> None:
    """A PostgreSQL that is frozen itself ends no statement."""
    bounded.longest = 0.2
    started = monotonic()
    with pytest.raises(psycopg.OperationalError, match=r"did not answer within 0\.2 s"):
        bounded.execute("SELECT pg_sleep(30)")
    assert monotonic() - started < 15
    assert bounded.closed


def test_a_connection_that_has_just_answered_is_not_checked_again(bounded: Any) -> None:
    bounded.execute("SELECT 1")
    sent: list[Any] = []
    wait = bounded.wait
    bounded.wait = lambda gen, **how: sent.append(gen) or wait(gen, **how)
    bounded.execute("")
    assert sent == []
    bounded.answered_at -= BoundedConnection.FRESH
    bounded.execute("")
    assert len(sent) == 1
