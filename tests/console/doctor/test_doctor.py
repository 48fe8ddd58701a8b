"""`doctor` finds what is wrong, says what to do, and its exit code says whether something failed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import time_machine
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.models import Sum
from django.test import Client
from pytest_django import Settings

from hlapp.celery import app as celery_app
from integrations.console import audit_export
from integrations.console.doctor import diagnostics, health, standing_checks, webhook_check, worker_ping
from integrations.console.doctor.audit_check import audit_trail
from integrations.console.doctor.findings import Finding, Level
from integrations.console.doctor.health import ProbeResult
from integrations.console.doctor.worker_ping import SweepCount
from integrations.core import audit, clock
from integrations.core.models import AuditHead, AuditHeadExport
from integrations.quota.permits import scripts
from integrations.sync.models import Plan
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from integrations.webhooks import response_counts
from integrations.webhooks.models import Answers, Mailbox
from tests.console.conftest import begin_run
from tests.core import attacker
from tests.quota.permits.test_governor_chaos import Store
from tests.support.own_sleep import replace_sleep
from tests.support.signed import sign

_durability = diagnostics.durability
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
NEWER = "newer:" + "A" * 43 + "="


@pytest.fixture(autouse=True)
def healthy(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> dict[str, ProbeResult]:
    """Services answer (test_health has the real ones), a worker too, and beat beats without our waiting for it."""
    outcomes = {name: ProbeResult(ok=True, ms=1.0, note="answers") for name in health.PROBES}
    monkeypatch.setattr(health, "run_probes", lambda: outcomes)
    counts = iter(range(100))
    monkeypatch.setattr(worker_ping, "count_sweeps", lambda: SweepCount(workers=2, count=next(counts)))
    replace_sleep(monkeypatch)
    monkeypatch.setattr(diagnostics, "durability", lambda: iter(()))  # the tests' PostgreSQL is fast and forgets
    settings.OPERATOR_SECOND_FACTOR = "required"
    return outcomes


def levels(findings: Iterable[Finding]) -> dict[str, Level]:
    """The worst level of each check."""
    order = [Level.OK, Level.UNKNOWN, Level.WARNING, Level.FAILED]
    worst: dict[str, Level] = {}
    for finding in findings:
        worst[finding.check] = max(finding.level, worst.get(finding.check, Level.OK), key=order.index)
    return worst


def test_a_sound_deployment_has_nothing_failed(agency: Installation, operator: Any) -> None:
    found = levels(diagnostics.run_all())
    assert set(found.values()) == {Level.OK}, found
    assert {
        "configuration",
        "webhook keys",
        "spool",
        "database",
        "clock",
        "vault keys",
        "worker",
        "beat",
        "backlog",
    } <= set(found)


def test_whatever_is_not_ok_says_what_to_do(app: App, settings: Settings) -> None:
    settings.VAULT_KEYS = [NEWER]
    settings.ALLOWED_HOSTS = ["elsewhere.example.com"]
    settings.HIGHLEVEL_WEBHOOK_KEYS = ["not a key"]
    App.objects.update(scopes="", shared_secret_sealed=None, halted_at=clock.now())
    Mailbox.objects.create(app=app, tenant="app", due_at=clock.now() - timedelta(hours=1))
    troubled = [finding for finding in diagnostics.run_all() if finding.level != Level.OK]
    assert {"configuration", "webhook keys", "vault keys", "operators", "backlog"} <= {f.check for f in troubled}
    assert all(finding.fix for finding in troubled)


def test_system_checks_are_findings_with_their_ids(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["elsewhere.example.com"]
    settings.DEBUG = True
    settings.SILENCED_SYSTEM_CHECKS = ["hlapp.W001"]
    settings.HTTPS = False
    refused, debug, served = diagnostics.configuration()
    assert (refused.check, refused.level) == ("configuration", Level.FAILED)
    assert refused.found == "Requests to PUBLIC_URL's host are refused. (hlapp.E001)"
    assert refused.fix == "Add app.example.com to ALLOWED_HOSTS."
    assert (debug.level, debug.found) == (
        Level.WARNING,
        "DEBUG is on, and other machines reach elsewhere.example.com. (hlapp.W004)",
    )
    assert served.level == Level.OK


def test_without_a_database_only_that_is_said(healthy: dict[str, ProbeResult]) -> None:
    """No `db` fixture: any query would fail the test."""
    healthy["database"] = ProbeResult(ok=False, ms=2000, note="OperationalError")
    found = diagnostics.run_all()
    assert levels(found)["database"] == Level.FAILED
    assert not {"backlog", "vault"} & levels(found).keys()
    assert "DATABASE_URL" in next(finding.fix for finding in found if finding.check == "database")


@pytest.mark.django_db
def test_without_a_broker_no_worker_is_asked(healthy: dict[str, ProbeResult], app: App) -> None:
    healthy["broker"] = ProbeResult(ok=False, ms=1, note="OperationalError")
    assert "worker" not in levels(diagnostics.run_all())


def test_a_check_that_breaks_is_a_finding(agency: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(now: Any) -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(worker_ping, "overdue", broken)
    assert levels(diagnostics.run_all())["backlog"] == Level.FAILED


@pytest.mark.parametrize(("skew", "level"), [(0.5, Level.OK), (30.0, Level.FAILED), (-30.0, Level.FAILED)])
@pytest.mark.django_db
def test_a_clock_that_is_off_fails(monkeypatch: pytest.MonkeyPatch, skew: float, level: Level) -> None:
    true = clock.now
    monkeypatch.setattr(clock, "now", lambda: true() + timedelta(seconds=skew))
    assert levels(diagnostics.clocks())["clock"] == level


def test_keys_in_the_database_are_held_against_the_ring(agency: Installation, settings: Settings) -> None:
    known = settings.VAULT_KEYS
    settings.VAULT_KEYS = [NEWER, *known]
    found = list(standing_checks.vault())
    assert levels(found)["vault keys"] == Level.WARNING
    assert "5 values" in found[0].found, "with the key of row MACs"
    settings.VAULT_KEYS = [NEWER]
    found = list(standing_checks.vault())
    assert levels(found)["vault keys"] == Level.FAILED
    assert "put it back" in found[0].fix


def test_a_key_that_sealed_nothing_any_more_may_go(agency: Installation, settings: Settings) -> None:
    settings.VAULT_KEYS = [*settings.VAULT_KEYS, "oldest:" + "B" * 43 + "="]
    assert any(finding.found == "no longer needed: oldest" for finding in standing_checks.vault())


@pytest.mark.parametrize(
    ("answers", "worker", "beat"),
    [
        ([SweepCount(0, 0)], Level.FAILED, Level.WARNING),
        ([SweepCount(1, 7), SweepCount(1, 7)], Level.OK, Level.FAILED),
        ([SweepCount(1, 7), SweepCount(1, 8)], Level.OK, Level.OK),
    ],
)
def test_beat_is_seen_by_the_sweeps_that_workers_count(
    monkeypatch: pytest.MonkeyPatch, answers: list[SweepCount], worker: Level, beat: Level
) -> None:
    counts = iter(answers)
    monkeypatch.setattr(worker_ping, "count_sweeps", lambda: next(counts))
    found = levels(diagnostics.workers())
    assert (found["worker"], found["beat"]) == (worker, beat)


def test_only_work_that_nobody_holds_counts_as_overdue(agency: Installation) -> None:
    now = clock.now()
    late, soon = now - timedelta(minutes=5), now + timedelta(minutes=5)
    assert not any(worker_ping.overdue(now).values())
    Credential.objects.update(refresh_due_at=late)
    Credential.objects.filter(resource_id="loc2").update(lease_until=soon)
    Installation.objects.update(reconcile_due_at=late)
    begin_run(Plan.objects.all()[0], due_at=late)
    begin_run(Plan.objects.all()[1], due_at=late, lease_owner="a worker", lease_until=soon)
    Plan.objects.update(due_at=late, enabled=False)
    sign(Plan)
    assert worker_ping.overdue(now) == {
        "refreshes": 1,
        "installations": 3,
        "mailboxes": 0,
        "sync plans": 0,
        "sync runs": 1,
        "jobs": 0,
        "job runs": 0,
    }


def test_a_plan_that_was_asked_for_during_its_run_is_not_overdue(agency: Installation) -> None:
    now = clock.now()
    begin_run(Plan.objects.all()[0], lease_owner="a worker", lease_until=now + timedelta(minutes=1))
    Plan.objects.update(due_at=now - timedelta(minutes=5))
    sign(Plan)
    assert worker_ping.overdue(now)["sync plans"] == 1, "the other one, which nobody has begun"


@pytest.mark.parametrize(
    ("numbers", "level", "said"),
    [
        ({"stored": 990, "duplicate": 5, "unsigned": 5}, Level.OK, "995 answered"),
        ({"stored": 950, "malformed": 50}, Level.WARNING, "5.0% of 1,000 refused in three days (50 malformed)"),
        ({"stored": 20, "unsigned": 9_000, "too_large": 80}, Level.OK, "9,080 posts without a valid"),  # strangers'
        ({"unsigned": 90, "too_large": 5}, Level.WARNING, "no webhook could be verified today (90 unsigned, 5 too"),
        ({"unsigned": 5}, Level.OK, "0 answered"),  # too few to say anything
        ({"stored": 60, "not_stored": 40}, Level.WARNING, "40 not_stored"),
    ],
)
def test_many_refused_webhooks_are_noticed(app: App, numbers: dict[str, int], level: Level, said: str) -> None:
    Answers.objects.create(app=app, day=NOON.date(), **numbers)
    Answers.objects.create(app=app, day=NOON.date() - timedelta(days=3), failed=10_000)
    with time_machine.travel(NOON, tick=False):
        findings = list(webhook_check.webhook_answers())
    assert levels(findings) == {"webhooks": level}
    assert any(said in finding.found for finding in findings)
    assert all(finding.fix for finding in findings if finding.level != Level.OK)


@pytest.mark.parametrize("outcome", [outcome.value for outcome in response_counts.REFUSED])
def test_every_kind_of_refusal_has_its_cure(app: App, outcome: str) -> None:
    Answers.objects.create(app=app, day=NOON.date(), **{outcome: 100})
    Answers.objects.create(app=app, day=NOON.date() - timedelta(days=3), failed=10_000)
    with time_machine.travel(NOON, tick=False):
        (finding,) = [one for one in webhook_check.webhook_answers() if one.level != Level.OK]
    assert finding.fix


@pytest.mark.parametrize(
    ("stored_before", "at", "level"),
    [
        (0, NOON, Level.OK),  # the app never had a verified one
        (30, NOON, Level.OK),  # has few: none until noon says nothing
        (7_000, NOON.replace(hour=0, minute=5), Level.OK),  # the day has begun just now
        (7_000, NOON, Level.WARNING),
    ],
)
def test_what_strangers_post_raises_no_warning_unless_verified_webhooks_stopped(
    app: App, stored_before: int, at: datetime, level: Level
) -> None:
    if stored_before:
        Answers.objects.create(app=app, day=at.date() - timedelta(days=1), stored=stored_before)
    with time_machine.travel(at, tick=False):
        for name in (app.client_id, "nobody"):
            for number in range(20):
                posted = Client().post(f"/webhooks/{name}/", {"type": f"junk {number}"}, "application/json")
                assert posted.status_code == 401
        response_counts.counter.flush()
        assert Answers.objects.filter(day=at.date()).aggregate(Sum("unsigned")) == {"unsigned__sum": 40}
        assert levels(list(webhook_check.webhook_answers())) == {"webhooks": level}


@pytest.mark.parametrize(
    ("days", "origin", "numbers", "said"),
    [
        (2, "app", {}, "enter the webhook URL of the app in the developer portal, or name it in APPS_WITHOUT_WEBHOOKS"),
        (2, "bulk", {"unsigned": 3}, "see that HIGHLEVEL_WEBHOOK_KEYS holds the vendor's signing key"),
        (2, "app", {"unsigned": 3, "stored": 1}, ""),
        (2, "app", {"malformed": 1}, ""),  # its signature was right
        (0.9, "app", {}, ""),
        (2, "operator", {}, ""),  # a token that was entered: HighLevel knows of no installation
    ],
)
def test_an_installed_app_that_never_got_a_verified_webhook_is_noticed(
    app: App, settings: Settings, days: float, origin: str, numbers: dict[str, int], said: str
) -> None:
    of_app = {"app": app, "user_type": "Location", "resource_id": "loc1", "status": "installed", "origin": origin}
    Installation.objects.create(status_at=NOON, created_at=NOON - timedelta(days=days), **of_app)
    Answers.objects.create(app=app, day=NOON.date() - timedelta(days=400), **numbers)
    with time_machine.travel(NOON, tick=False):
        (finding,) = webhook_check.first_webhooks()
        assert (finding.level, finding.fix) == (Level.WARNING if said else Level.OK, said)
        for name in (app.client_id, app.highlevel_id):
            settings.APPS_WITHOUT_WEBHOOKS = [name]
            assert levels(list(webhook_check.first_webhooks())) == {"first webhooks": Level.OK}


def test_the_command_prints_fixes_and_fails_with_one_line(app: App, healthy: dict[str, ProbeResult]) -> None:
    healthy["redis"] = ProbeResult(ok=False, ms=3, note="ConnectionError")
    out = StringIO()
    with pytest.raises(CommandError, match=r"^failed: redis$"):
        call_command("doctor", stdout=out)
    assert "→ start it or correct REDIS_URL" in out.getvalue()


def test_the_command_prints_json(agency: Installation, operator: Any) -> None:
    out = StringIO()
    call_command("doctor", "--json", stdout=out)
    findings = json.loads(out.getvalue())
    assert {finding["level"] for finding in findings} == {"ok"}
    assert set(findings[0]) == {"check", "level", "found", "fix", "link"}


@pytest.mark.slow
def test_no_worker_answers_where_none_runs(clean_redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real question over the real broker."""
    monkeypatch.undo()
    celery_app.set_current()
    assert worker_ping.count_sweeps() == SweepCount(workers=0, count=0)


def test_a_store_that_drops_what_it_keeps_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Store(tmp_path)
    own.start()
    try:
        with redis.Redis(port=own.port) as client:
            monkeypatch.setattr(scripts, "client", lambda: client)
            client.config_set("maxmemory-policy", "allkeys-lru")
            assert list(diagnostics.eviction()) == [], "it has no limit"
            client.config_set("maxmemory", "64mb")
            [finding] = diagnostics.eviction()
            client.config_set("maxmemory-policy", "noeviction")
            assert list(diagnostics.eviction()) == []
    finally:
        own.kill()
    assert (finding.level, finding.found) == (Level.WARNING, "maxmemory-policy allkeys-lru")


@pytest.mark.django_db
def test_a_database_that_takes_ascii_only_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(diagnostics.database()) == {"postgresql": Level.OK}
    where: dict[str, Any] = connection.get_connection_params()
    name = f"{where['dbname']}_ascii"
    with psycopg.connect(**where, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
        try:
            with psycopg.connect(**where | {"dbname": name}) as ascii_only:
                monkeypatch.setattr(diagnostics, "connection", ascii_only)
                finding, _ = diagnostics.database()
        finally:
            server.execute(f"DROP DATABASE {name}")
    assert (finding.level, finding.found) == (Level.FAILED, "encoding SQL_ASCII")


@pytest.mark.django_db
def test_the_audit_trail_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.found for finding in audit_trail()] == ["has no entry yet"]
    audit.record("x", actor="a", subject="b")
    assert levels(audit_trail()) == {"audit trail": Level.OK}
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=6))
    assert [finding.fix for finding in audit_trail()] == ["start beat and a worker"]
    audit_export.export(now)
    assert levels(audit_trail()) == {"audit trail": Level.OK}
    with attacker.superuser():
        AuditHeadExport.objects.update(trouble="file: full")
    assert "not exported everywhere: file: full" in next(audit_trail()).found
    AuditHead.objects.update(number=0)
    assert levels(audit_trail()) == {"audit trail": Level.FAILED}


@pytest.mark.django_db
def test_commits_that_a_crash_would_lose_are_a_failure() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync')")
        (fsync,) = cursor.fetchone()
        cursor.execute("SET LOCAL synchronous_commit = on")
        assert [found.found.split()[0] for found in _durability()] == ["fsync"] * (fsync == "off")
        cursor.execute("SET LOCAL synchronous_commit = off")
        *_, last = _durability()
    assert (last.level, last.found.split()[0]) == (Level.FAILED, "synchronous_commit")
