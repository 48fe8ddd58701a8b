"""What is older than its retention goes, and later webhooks about a purged contact are emptied."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from integrations.core import clock
from integrations.core.sql import batched_deletion
from integrations.core.tenant import Tenant
from integrations.gateway.models import Call
from integrations.gateway.models import Usage as ApiUsage
from integrations.gateway.stats import upkeep
from integrations.installs.models import InstallState
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule, Trigger, Write
from integrations.operators.models import OperatorSession
from integrations.privacy import contact_rows, purge_requests, retention_sweep
from integrations.sync.models import HistoryEntry
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App
from integrations.webhooks import retention
from integrations.webhooks.models import Event
from tests.privacy.conftest import ANN, BOB_PLACE, EVE, deliver, work

pytestmark = pytest.mark.django_db
PLACE = Tenant.location(BOB_PLACE)


@pytest.fixture
def now() -> datetime:
    return clock.now()


@pytest.mark.slow
def test_each_kind_goes_after_its_own_days(planted: App, settings: Settings, now: datetime) -> None:
    JobRun.objects.filter(schedule__tenant_id=BOB_PLACE).update(finished_at=now - timedelta(days=8))
    InstallationChange.objects.filter(installation__resource_id=BOB_PLACE).update(recorded_at=now - timedelta(days=8))
    settings.JOB_RUN_RETENTION_DAYS = 8
    counts = retention_sweep.tidy(now)
    assert set(counts.values()) == {0}, "not before its day is over"
    settings.RECORD_HISTORY_RETENTION_DAYS = 7
    HistoryEntry.objects.filter(location_id=BOB_PLACE).update(at=now - timedelta(days=8))
    assert retention_sweep.tidy(now)["history of records"] == 2
    settings.JOB_RUN_RETENTION_DAYS = settings.HISTORY_RETENTION_DAYS = 7
    InstallState.objects.filter(installation__resource_id=BOB_PLACE).update(expires_at=now - timedelta(days=2))
    InstallationChange.objects.filter(installation__resource_id=BOB_PLACE).update(due_at=now)
    assert retention_sweep.tidy(now)["history"] == 0, "hooks are to be called for it"
    InstallationChange.objects.update(due_at=None)
    left = [model.objects.count() for model in (JobRun, InstallState, InstallationChange)]
    assert left == [2, 2, 3]
    assert retention_sweep.tidy(now)["history"] == 1
    Write.objects.update(settled_at=now - timedelta(days=400))
    Write.objects.filter(schedule__tenant_id=BOB_PLACE).update(key="")
    counts = retention_sweep.tidy(now)
    assert (counts["writes of runs"], counts["writes with a key"]) == (1, 0)
    assert retention_sweep.tidy(now + timedelta(minutes=1))["writes with a key"] == 2
    Call.objects.filter(resource_id=BOB_PLACE).update(at=now - timedelta(days=2))
    ApiUsage.objects.filter(resource_id=BOB_PLACE).update(at=now - timedelta(days=5), span=ApiUsage.Span.HOUR)
    settings.CALL_RETENTION_DAYS, settings.USAGE_RETENTION_DAYS = 1, 4
    upkeep.expire(now)
    assert not Call.objects.filter(resource_id=BOB_PLACE).exists()
    assert not ApiUsage.objects.filter(resource_id=BOB_PLACE).exists()
    assert Call.objects.count() == ApiUsage.objects.count() == 2


def test_sessions_that_have_expired_go(client: Client, now: datetime) -> None:
    """A stranger makes one by each sign-in that they begin at the identity provider."""
    client.force_login(User.objects.create_superuser("olga"))
    assert retention_sweep.tidy(now)["sessions of operators"] == 0
    assert retention_sweep.tidy(now + timedelta(days=15))["sessions of operators"] == 1
    assert not OperatorSession.objects.exists()


def test_poisoned_webhooks_stay_unless_they_have_days_of_their_own(
    planted: App, settings: Settings, now: datetime
) -> None:
    old = deliver(planted, PLACE, EVE, status="poisoned", received_at=now - timedelta(days=90))
    assert retention.tidy(now) == 0
    settings.POISONED_RETENTION_DAYS = 60
    assert retention.tidy(now) == 1
    assert not Event.objects.filter(pk=old.pk).exists()


@pytest.mark.slow
def test_a_later_webhook_about_a_purged_contact_is_emptied_when_no_job_waits_for_it(
    planted: App, now: datetime
) -> None:
    work(purge_requests.request(PLACE, actor="operator ann", contact=ANN["id"]))
    late, waits, of_eve = (deliver(planted, PLACE, person) for person in (ANN, ANN, EVE))
    nested = deliver(planted, PLACE, {"message": {"to": [{"contactId": ANN["id"]}]}})  # type: ignore[dict-item]
    pending = deliver(planted, PLACE, ANN, status="pending")
    Trigger.objects.create(schedule=Schedule.objects.get(tenant_id=BOB_PLACE), event=waits)
    assert retention_sweep.tidy(now)["webhooks emptied"] == 2
    payloads = {event.pk: event.payload for event in Event.objects.all()}
    assert payloads[late.pk] == payloads[nested.pk] == contact_rows.EMPTIED
    for untouched in (waits, of_eve, pending):
        assert payloads[untouched.pk] == untouched.payload
    Trigger.objects.all().delete()
    assert retention_sweep.tidy(now)["webhooks emptied"] == 1


def test_the_table_in_the_documents_has_every_setting_with_its_default() -> None:
    root = Path(__file__).resolve().parents[2]
    table = dict(re.findall(r"\| `(\w+_RETENTION_DAYS)` \| (\d+) \|", (root / "docs" / "personal-data.md").read_text()))
    names = {name for name in dir(configured) if name.endswith("_RETENTION_DAYS")}
    assert table == {name: str(getattr(configured, name)) for name in names}


def test_the_history_is_searched_no_further_than_its_oldest_rows(
    planted: App, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its dates have no index: a search through all of it would read a hundred million rows, and find nothing."""
    monkeypatch.setattr(batched_deletion, "BATCH", 2)
    _, second, *others = HistoryEntry.objects.order_by("pk")
    assert len(others) >= 1
    HistoryEntry.objects.exclude(pk=second.pk).update(at=now - timedelta(days=92))
    assert retention_sweep.overdue(now)["history of records"] == timedelta(days=2)
    assert retention_sweep.tidy(now)["history of records"] == 1, "behind a young row all others are young"
    assert list(HistoryEntry.objects.order_by("pk")) == [second, *others]
    HistoryEntry.objects.update(at=now - timedelta(days=92))
    assert retention_sweep.tidy(now)["history of records"] == 1 + len(others)
    assert retention_sweep.overdue(now)["history of records"] == timedelta()
