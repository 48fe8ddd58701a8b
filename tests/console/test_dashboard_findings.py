"""The dashboard says first what is wrong, and calls nothing good that was not proven."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from integrations.console import dashboard_findings
from integrations.console.doctor import (
    beat_proof,
    diagnostics,
    heartbeat_checks,
    live_checks,
    spool_check,
    tenant_checks,
)
from integrations.console.doctor.findings import Finding, Level
from integrations.console.tasks import heartbeat
from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.core.models import LeaderLease, WorkerProcess
from integrations.gateway.models import Call
from integrations.gateway.stats import upkeep
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule
from integrations.quota.models import Parked
from integrations.quota.models import Usage as QuotaUsage
from integrations.quota.parking.parked_task_sender import LEASE_NAME
from integrations.quota.permits.replies import StateReply
from integrations.sync.models import Plan, Run
from integrations.tenants.models import Installation
from integrations.webhooks.models import Mailbox
from tests.console.conftest import LOCATION, OTHER, begin_run


@pytest.fixture
def alive(agency: Installation) -> Installation:
    """An agency, a worker that has just reported, and beat, whose last message it got."""
    now = clock.now()
    WorkerProcess.objects.create(name="host:1", queues=["urgent"], threads=16, started_at=now, seen_at=now)
    heartbeat(proof=beat_proof.make())
    return agency


def found(check: str) -> Finding:
    """The worst finding of this name."""
    order = [Level.FAILED, Level.WARNING, Level.UNKNOWN, Level.OK]
    checks = (*live_checks.HEARTBEATS, *live_checks.CHECKS)
    mine = [one for live in checks for one in live_checks.guarded(live.run) if one.check == check]
    return min(mine, key=lambda one: order.index(one.level))


def test_it_is_calm_when_everything_was_proven(alive: Installation, operator_client: Client) -> None:
    shown = operator_client.get("/admin/").context["findings"]
    assert [(row.finding.check, row.finding.found) for row in shown.rows] == []
    assert shown.tone == "good"
    assert shown.words.startswith("All calm: ")


def test_a_stopped_worker_and_a_hundred_thousand_events_are_red(alive: Installation, operator_client: Client) -> None:
    now = clock.now()
    WorkerProcess.objects.update(seen_at=now - timedelta(minutes=6))
    LeaderLease.objects.update(until=now - timedelta(minutes=6))
    box = Mailbox.objects.create(app=alive.app, tenant=f"location:{LOCATION}", due_at=now)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO webhooks_event (app_id, mailbox_id, webhook_id, type, occurred_at, received_at, payload,"
            " status, attempts, due_at, error_code, error) SELECT %s, %s, 'w' || n, 'ContactCreate', %s, %s, '{}',"
            " 'pending', 0, %s, '', '' FROM generate_series(1, 100000) n",
            [alive.app_id, box.pk, now, now - timedelta(minutes=6), now],
        )
    page = operator_client.get("/admin/")
    shown = page.context["findings"]
    assert shown.tone == "bad"
    rows = {row.finding.check: row.finding for row in shown.rows}
    assert rows["worker"].level is Level.FAILED
    assert "6 min ago" in rows["worker"].found
    assert rows["beat"].level is Level.UNKNOWN, "without a worker nothing is known of beat"
    assert rows["events"].level is Level.FAILED
    assert "100,000 pending, the oldest has waited 6 min" in rows["events"].found
    assert all(row.finding.fix for row in shown.rows)
    text = page.content.decode()
    assert text.index("no worker runs") < text.index("dash-cards")


def test_beat_that_stopped_is_seen_while_a_worker_runs(alive: Installation) -> None:
    assert found("beat").level is Level.OK
    LeaderLease.objects.filter(name=heartbeat_checks.BEAT).update(until=clock.now() - timedelta(minutes=2))
    assert found("beat").level is Level.FAILED
    LeaderLease.objects.all().delete()
    assert "no message of it has arrived yet" in found("beat").found


def test_the_latest_run_of_a_plan_and_of_a_schedule_counts(alive: Installation) -> None:
    now, plan = clock.now(), Plan.objects.get(location_id=LOCATION)
    ended: dict[str, Any] = {"status": "failed", "finished_at": now, "error_code": "x"}
    begin_run(plan, **ended)
    schedule = Schedule.objects.create(app=alive.app, job="a.job", level="Location", tenant_id=OTHER, created_at=now)
    JobRun.objects.create(schedule=schedule, due_at=now, started_at=now, **ended)
    assert found("syncs").found == "the latest run of 1 failed"
    assert found("job runs").level is Level.FAILED
    begin_run(plan, status=Run.Status.COMPLETE, finished_at=now)
    assert found("syncs").level is Level.OK


def test_parked_work_needs_a_worker_that_hands_it_out(alive: Installation) -> None:
    now = clock.now()
    task = {"task": "sync.advance", "kwargs": {"run_id": 1}, "lane": "bulk", "key": f"x:{LOCATION}"}
    Parked.objects.create(parked_at=now - timedelta(hours=7), place_at=now, due_at=now, **task)
    assert found("parked tasks").level is Level.FAILED
    LeaderLease.objects.create(name=LEASE_NAME, owner="host:1", since=now, until=now + timedelta(minutes=1))
    assert found("parked tasks").level is Level.WARNING
    Parked.objects.update(parked_at=now)
    assert found("parked tasks").level is Level.OK


def test_expired_rows_that_stay_for_a_day_are_seen(alive: Installation) -> None:
    now = clock.now()
    assert found("retention").level is Level.OK
    kept = timedelta(days=settings.CALL_RETENTION_DAYS)
    call = {"resource_id": LOCATION, "operation": "x", "lane": "bulk", "took_ms": 1, "method": "GET", "path": "/"}
    row = Call.objects.create(app=alive.app, at=now - kept - timedelta(hours=23), **call)
    assert found("retention").level is Level.OK, "beat is only a little late"
    Call.objects.filter(pk=row.pk).update(at=now - kept - timedelta(days=3))
    assert found("retention").found == "failed calls should have been deleted 3 d ago"
    upkeep.expire(now)
    assert found("retention").level is Level.OK


def test_a_day_near_its_end_is_seen_and_a_store_that_is_away_is_not_known(
    alive: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, now = f"{alive.app.client_id}:{LOCATION}", clock.now()
    QuotaUsage.objects.create(key=key, bucket_at=now, lane="bulk", calls=5)
    state = StateReply("1", 100, 100, 0, None, day_limit=1000, day_remaining=50, day_used=950, day_foreign=0, day=None)
    monkeypatch.setattr(tenant_checks.quota, "states", lambda keys: [state for _ in keys])
    assert found("day budgets").found == f"1 near their end, such as {LOCATION}"

    def away(keys: Any) -> Any:
        raise StoreUnavailable("the quota store does not answer")

    monkeypatch.setattr(tenant_checks.quota, "states", away)
    assert found("day budgets").level is Level.UNKNOWN


@pytest.mark.parametrize(("free", "level"), [(1, Level.FAILED), (5, Level.WARNING), (50, Level.OK)])
def test_a_disk_that_fills_up_is_noticed(monkeypatch: pytest.MonkeyPatch, free: int, level: Level) -> None:
    usage = type("Usage", (), {"total": 100, "free": free})
    monkeypatch.setattr(spool_check.shutil, "disk_usage", lambda _: usage)
    assert [one.level for one in spool_check.spool_disk()] == [level]


def test_what_a_role_may_not_see_is_not_called_calm(alive: Installation) -> None:
    seen = dashboard_findings.read(lambda permission: permission == "sync.view_run", str)
    assert seen is not None
    assert seen.tone == "unknown"
    assert "not shown to your role" in seen.words
    assert dashboard_findings.read(lambda permission: False, str) is None


def test_doctor_runs_the_same_checks(alive: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "services", lambda: iter([Finding("broker", Level.FAILED, "away")]))
    names = {one.check for one in diagnostics.run_all()}
    shared = {one.check for live in live_checks.CHECKS for one in live_checks.guarded(live.run)}
    assert shared <= names
