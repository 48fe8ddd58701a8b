"""Every alarm of the dashboard leads to a page that the operator who sees the alarm may open."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.console import dashboard_findings
from integrations.console.doctor import live_checks, spool_check, tenant_checks
from integrations.console.doctor.findings import Finding, Level
from integrations.core import audit, clock
from integrations.core.errors import StoreUnavailable
from integrations.core.models import AuditHeadExport
from integrations.jobs.models import JobState
from integrations.problems import roll_up
from integrations.quota.models import Parked
from integrations.sync.models import Plan
from integrations.tenants.app_version import AppVersion
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from integrations.vault import row_macs
from integrations.vault.models import RowMacKey
from integrations.webhooks.models import Answers, Event, FailedAttempt, Mailbox
from tests.console.conftest import LOCATION, OTHER, begin_run
from tests.operators.conftest import SignIn
from tests.operators.conftest import sign_in as sign_in
from tests.operators.conftest import unrendered as unrendered
from tests.problems.conftest import one_of_each as one_of_each
from tests.problems.conftest import poison

pytestmark = pytest.mark.django_db
ROLES = ("viewer", "support", "operator", "owner")


@pytest.fixture
def everything_is_wrong(agency: Installation, second_app: App, one_of_each: None, monkeypatch: Any) -> None:
    """At least one finding that is not good of every check. No worker runs, and a secret of `second_app` is damaged."""
    app, now = agency.app, clock.now()
    old = now - timedelta(hours=7)
    for number in range(2, 8):
        poison(app, number, occurred_at=now, received_at=now)
    poison(app, 8, type="ProviderOutboundMessage", occurred_at=now, received_at=now)
    FailedAttempt.objects.update(at=now)
    Event.objects.filter(webhook_id="w2").update(status="pending", received_at=old, due_at=old)
    Credential.objects.filter(resource_id=LOCATION).update(state="needs_reconnect", reason="invalid_grant")
    begin_run(Plan.objects.get(location_id=LOCATION), status="failed", finished_at=now)
    begin_run(Plan.objects.get(location_id=OTHER), due_at=old)
    job = app_schedule(app)
    job.runs.create(status="failed", due_at=now, started_at=now, finished_at=now, error_code="hung", error="in tag")
    JobState.objects.create(job="a.job", paused_at=now, reason="it hung")
    Answers.objects.create(app=app, day=now.date(), stored=60, not_stored=40)
    parked = {"task": "sync.advance", "kwargs": {"run_id": 1}, "lane": "bulk", "key": f"{app.client_id}:{LOCATION}"}
    Parked.objects.create(parked_at=old, place_at=old, due_at=old, **parked)
    fall_silent(second_app, now - timedelta(hours=4))
    Installation.objects.filter(pk=agency.pk).update(braked_at=now, missing=40, version_id="v1")
    App.objects.filter(pk=app.pk).update(scopes="contacts.readonly workflows.readonly")
    Credential.objects.filter(resource_id=OTHER).update(scopes="contacts.readonly")
    AppVersion.objects.create(app=app, version_id="v1", deprecated_at=now + timedelta(days=3), created_at=now)
    unheard = {"app": second_app, "user_type": "Location", "resource_id": "unheard", "status": "installed"}
    Installation.objects.create(origin="bulk", status_at=old, created_at=now - timedelta(days=2), **unheard)
    row_macs.mac(b"")
    RowMacKey.objects.update(misfits={"sync.Plan": 2})
    audit.record("a.thing", actor="system", subject="test")
    AuditHeadExport.objects.create(number=1, head={}, exported_at=now, trouble="the file cannot be written")

    def away(*_: Any) -> Any:
        raise StoreUnavailable("the quota store does not answer")

    def read_only() -> None:
        raise OSError("read-only file system")

    monkeypatch.setattr(tenant_checks.quota, "states", away)
    monkeypatch.setattr(spool_check.DISK, "prove", read_only)
    monkeypatch.setattr(spool_check.shutil, "disk_usage", lambda _: type("Usage", (), {"total": 100, "free": 1}))
    for minutes in (1, 2):
        roll_up.roll_up(now + timedelta(minutes=minutes))


def fall_silent(app: App, at: datetime) -> None:
    """Events each ten minutes of nine days, and none after `at`."""
    box = Mailbox.objects.create(app=app, tenant="location:elsewhere")
    moments = [at - number * timedelta(minutes=10) for number in range(9 * 24 * 6)]
    Event.objects.bulk_create(
        Event(
            app=app,
            mailbox=box,
            webhook_id=f"regular-{number}",
            type="ContactUpdate",
            payload={},
            status="done",
            **dict.fromkeys(("occurred_at", "received_at", "due_at"), moment),
        )
        for number, moment in enumerate(moments)
    )


def app_schedule(app: App) -> Any:
    return app.job_schedules.get(job="a.job")


@pytest.mark.slow
@pytest.mark.usefixtures("everything_is_wrong", "unrendered")
def test_each_alarm_leads_to_a_page_that_opens_for_each_role_that_sees_it(sign_in: SignIn) -> None:
    troubled = {check.run for check in checks() if any(one.level is not Level.OK for one in check.findings())}
    assert {check.run.__name__ for check in checks()} == {run.__name__ for run in troubled}, "all of them found trouble"
    for role in ROLES:
        client, user = sign_in(role), User.objects.get(username=f"the-{role}")
        shown = dashboard_findings.read(user.has_perm, str)
        assert shown is not None
        answers = {link: opened(client, link) for link in {row.finding.link for row in shown.rows}}
        refused = {f"{row.finding.check}: {row.finding.link}" for row in shown.rows if answers[row.finding.link] != 200}
        assert refused == set(), role


@pytest.mark.slow
@pytest.mark.usefixtures("unrendered")
def test_the_page_of_a_check_opens_even_where_the_check_itself_fails(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what a check says newly has a link, too."""

    def fails() -> Any:
        raise StoreUnavailable("away")

    client = sign_in("owner")
    for check in checks():
        (finding,) = live_checks.LiveCheck(fails, check.permission, check.page).findings()
        assert finding == Finding("fails", Level.FAILED, "the check failed", "away", finding.link)
        assert opened(client, finding.link) == 200, check.page


def checks() -> list[live_checks.LiveCheck]:
    return [*live_checks.HEARTBEATS, *live_checks.CHECKS]


def opened(client: Client, link: str) -> int:
    """The status of the page; a link without an address is none."""
    return client.get(link.partition("#")[0]).status_code if link else 0
