"""`/healthz` and `/readyz`: what is asked, how long for, and what is never said."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.test import Client
from pytest_django import Settings

from hlapp.celery import app as celery_app
from integrations.console.doctor import health
from integrations.console.doctor.health import ProbeResult
from integrations.core import clock
from integrations.core.errors import SealBroken, StoreUnavailable
from integrations.tenants import marketplace
from integrations.tenants.models import App

PROBED = ("/healthz", "/readyz", "/metrics")
PASSWORD = "redis-password-canary"


@pytest.fixture(autouse=True)
def our_celery() -> Any:
    """The process's Celery app is ours, whatever another test made of it."""
    celery_app.set_current()
    assert current_app.conf.broker_url == celery_app.conf.broker_url
    return celery_app


def test_healthz_touches_nothing(client: Client, django_assert_num_queries: Any) -> None:
    """No `db` fixture: a query would fail the test."""
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("host", ["10.0.0.5:8000", "[fd00::5]:8000", "not_a_host", ""])
def test_probes_and_scrapers_are_answered_whatever_the_host(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    """After a public report: a probe calls the pod's address."""
    settings.METRICS_TOKEN = "scrape"
    bearer = {"Authorization": "Bearer scrape"}
    statuses = {path: client.get(path, headers={"host": host, **bearer}).status_code for path in PROBED}
    assert statuses == dict.fromkeys(PROBED, 200)
    assert "DisallowedHost" not in caplog.text
    assert client.get("/", headers={"host": "10.0.0.5:8000"}).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_readyz_asks_every_service(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "scrape"
    marketplace.default()
    response = client.get("/readyz", headers={"authorization": "Bearer scrape"})
    body = response.json()
    assert body["status"] == "ok", body
    assert response.status_code == 200
    assert set(body["checks"]) == {"database", "redis", "broker", "vault"}
    assert all(check["ms"] < 2000 for check in body["checks"].values())
    assert body["checks"]["vault"]["note"] == "can decrypt stored secrets"


@pytest.mark.parametrize("debug", [True, False])
def test_one_failure_makes_it_503_and_names_the_culprit(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    settings.DEBUG = debug

    def broken() -> str:
        raise ConnectionError(f"redis://:{PASSWORD}@host refused")

    monkeypatch.setattr(health, "PROBES", {"redis": broken, "other": lambda: "fine"})
    response = client.get("/readyz/")
    assert response.status_code == 503
    checks = response.json()["checks"]
    notes = ("ConnectionError", "fine") if debug else ("", "")
    assert (checks["redis"]["ok"], checks["other"]["ok"]) == (False, True)
    assert (checks["redis"]["note"], checks["other"]["note"]) == notes, "strangers read neither versions nor reasons"
    assert PASSWORD not in response.content.decode()


def found(**results: str) -> dict[str, ProbeResult]:
    """Results of probes, by what each has to say; empty if it answered."""
    return {name: ProbeResult(ok=not note, ms=1.0, note=note) for name, note in results.items()}


def test_many_who_ask_at_once_cost_one_look_and_wait_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask: a flood opens no connections, and takes no thread from webhooks."""
    looks, begun, release = [], threading.Event(), threading.Event()

    def slow() -> dict[str, ProbeResult]:
        looks.append(1)
        if len(looks) > 1:
            begun.set()
            assert release.wait(30)
        return found(redis="")

    monkeypatch.setattr(health, "run_probes", slow)
    readiness = health.Readiness()
    assert readiness.look()["redis"].ok
    assert readiness.look()["redis"].ok
    assert len(looks) == 1, "within a second nobody looks again"
    monkeypatch.setattr(health, "FRESH", 0.0)
    looker = threading.Thread(target=readiness.look)
    looker.start()
    assert begun.wait(30)
    assert [readiness.look()["redis"].ok for _ in range(50)] == [True] * 50, "while another one is looking"
    release.set()
    looker.join(30)
    assert len(looks) == 2


def test_a_service_that_is_late_is_there_for_a_while_and_one_that_refuses_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = {"redis": "", "broker": ""}
    now = [100.0]
    monkeypatch.setattr(health, "run_probes", lambda: found(**said))
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    readiness = health.Readiness()

    def ready(seconds: float, **says: str) -> list[str]:
        now[0] += seconds
        said.update(says)
        return [name for name, result in readiness.look().items() if result.ok]

    assert ready(0, broker=health.LATE) == ["redis"], "it has never answered this process"
    assert ready(2, broker="") == ["redis", "broker"]
    assert ready(10, redis=health.LATE, broker=health.LATE) == ["redis", "broker"], "under load everything is late"
    assert ready(2, broker="ConnectionError") == ["redis"], "at once"
    assert ready(health.PATIENCE) == [], "nor is what does not answer for long"


def test_a_service_that_hangs_costs_the_timeout_and_no_more() -> None:
    release = threading.Event()

    def hangs() -> str:
        release.wait(30)
        return "late"

    started = clock.monotonic()
    outcomes = health.run_probes({"hung": hangs, "also": hangs, "fine": lambda: "quick"}, timeout=0.3)
    took = clock.monotonic() - started
    release.set()
    assert took < 15, "half of what it hangs for"
    assert [outcomes[name].ok for name in ("hung", "also", "fine")] == [False, False, True]
    assert "no answer" in outcomes["hung"].note


def test_a_redis_that_is_away_is_not_ready(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> str:
        raise StoreUnavailable("the quota store does not answer (ConnectionError)")

    monkeypatch.setattr("integrations.quota.permits.queries.health", away)
    assert not health.run_probes({"redis": health.redis})["redis"].ok


def test_a_broker_of_another_app_is_not_ready(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    outcome = health.run_probes({"broker": health.broker})["broker"]
    assert not outcome.ok
    assert "Celery app" in outcome.note


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_missing_is_not_ready(settings: Settings) -> None:
    marketplace.default()
    settings.VAULT_KEYS = ["newer:" + "A" * 43 + "="]
    outcome = health.run_probes({"vault": health.vault})["vault"]
    assert not outcome.ok
    assert "'test'" in outcome.note


@pytest.mark.django_db(transaction=True)
def test_an_app_whose_secret_was_given_up_halts_no_process() -> None:
    marketplace.default()
    App.objects.update(client_secret_sealed=None)
    outcome = health.run_probes({"vault": health.vault})["vault"]
    assert (outcome.ok, outcome.note) == (True, "nothing stored yet")


@pytest.mark.django_db(transaction=True)
def test_missing_migrations_are_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    class Executor(health.MigrationExecutor):  # type: ignore[misc]
        def migration_plan(self, targets: Any, clean_start: bool = False) -> Any:
            return [("0002", False)]

    monkeypatch.setattr(health, "MigrationExecutor", Executor)
    health._require_migrations.cache_clear()
    outcome = health.run_probes({"database": health.database})["database"]
    assert not outcome.ok
    assert "manage.py migrate" in outcome.note


@pytest.mark.django_db(transaction=True)
def test_the_threads_give_their_connections_back() -> None:
    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return int(cursor.fetchone()[0])

    health.run_probes({"database": health.database})
    before = count()
    for _ in range(5):
        health.run_probes({"database": health.database, "vault": health.vault})
    assert count() <= before + 1


def test_the_probe_notes_what_our_own_errors_say() -> None:
    def sealed() -> str:
        raise SealBroken("no key 'old' in VAULT_KEYS")

    assert health.run_probes({"vault": sealed})["vault"].note == "no key 'old' in VAULT_KEYS"
