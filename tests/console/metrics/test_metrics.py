"""What a scraper reads, and who may read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from integrations.console import report
from integrations.console.metrics import registry
from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.core.tenant import UserType
from integrations.gateway.models import Usage
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule
from integrations.quota.models import Parked
from integrations.sync.models import Plan
from integrations.tenants.models import App, Installation, Location
from integrations.tokens.models import Credential
from integrations.webhooks.models import Answers, Event, Mailbox
from tests.console.conftest import CANARY, begin_run, connect, install, keep


def samples() -> dict[tuple[str, ...], float]:
    """Every sample under its name and label values."""
    families = text_string_to_metric_families(registry.render().decode())
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_rows_are_counted(agency: Installation) -> None:
    client_id = agency.app.client_id
    begin_run(Plan.objects.all()[0])
    found = samples()
    assert found["hlapp_installations", client_id, "installed", "Location"] == 2
    assert found["hlapp_installations", client_id, "installed", "Company"] == 1
    assert found["hlapp_credentials", client_id, "active", "Location"] == 2
    assert found["hlapp_records",] == 6
    assert found["hlapp_sync_runs", "contacts", "running"] == 1
    assert found["hlapp_quota_store_up",] == 1
    assert found["hlapp_quota_burst_free_least", client_id, "Location"] > 0
    assert found["hlapp_apps_halted",] == 0


def test_events_are_counted_by_what_they_wait_for(agency: Installation) -> None:
    now = clock.now()
    mailbox = Mailbox.objects.create(app=agency.app, tenant="location:loc1", due_at=now)
    for number, status in enumerate(["pending", "pending", "poisoned", "done"]):
        Event.objects.create(
            app=agency.app,
            mailbox=mailbox,
            webhook_id=str(number),
            type="T",
            occurred_at=now,
            received_at=now - timedelta(minutes=5),
            due_at=now,
            payload={},
            status=status,
        )
    found = samples()
    assert (found["hlapp_events", "pending"], found["hlapp_events", "poisoned"]) == (2, 1)
    assert found["hlapp_events_oldest_seconds", "pending"] >= 300
    assert found["hlapp_events_oldest_seconds", "poisoned"] >= 300
    assert found["hlapp_mailboxes_behind",] == 1
    assert found["hlapp_mailbox_delay_seconds", "median"] >= 300
    assert found["hlapp_mailbox_delay_seconds", "longest"] >= 300
    inbox = report.collect(now)["inbox"]
    assert (inbox["delay_median_seconds"], inbox["delay_longest_seconds"]) == (300, 300)
    assert inbox["delay_longest_of"] == "location:loc1"


@pytest.mark.django_db
def test_events_that_should_have_been_deleted(agency: Installation) -> None:
    now = clock.now()
    assert samples()["hlapp_retention_overdue_seconds", "events"] == 0
    mailbox = Mailbox.objects.create(app=agency.app, tenant="location:loc1", due_at=None)
    at = now - timedelta(days=settings.WEBHOOK_RETENTION_DAYS + 2)
    times = {"received_at": at, "occurred_at": at, "due_at": at}
    Event.objects.create(app=agency.app, mailbox=mailbox, webhook_id="w", type="x", payload={}, status="done", **times)
    assert samples()["hlapp_retention_overdue_seconds", "events"] == pytest.approx(2 * 86_400, abs=60)


def test_without_its_quota_store_the_rest_still_comes(agency: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr("integrations.quota.permits.queries.snapshot", away)
    found = samples()
    assert found["hlapp_quota_store_up",] == 0
    assert found["hlapp_records",] == 6


NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)


def test_the_next_expiry_is_that_of_the_first_active_token(agency: Installation) -> None:
    first = clock.now().replace(microsecond=0) + timedelta(minutes=7)
    credentials = list(Credential.objects.filter(user_type=UserType.LOCATION))
    Credential.objects.filter(pk=credentials[0].pk).update(expires_at=first)
    Credential.objects.filter(pk=credentials[1].pk).update(
        expires_at=first - timedelta(days=1), state="revoked", access_sealed=None, refresh_sealed=None
    )
    name = "hlapp_credentials_next_expiry_timestamp_seconds"
    assert samples()[name, agency.app.client_id] == first.timestamp()


def test_how_far_behind_the_syncs_are(agency: Installation) -> None:
    with time_machine.travel(NOW, tick=False):
        stale, *_ = Plan.objects.all()
        Plan.objects.update(synced_at=NOW - timedelta(minutes=1))
        Plan.objects.filter(pk=stale.pk).update(synced_at=NOW - timedelta(minutes=20))
        for enabled in (True, False):
            location = f"late {enabled}"
            Plan.objects.create(
                app=agency.app, location_id=location, resource="contacts", enabled=enabled, created_at=NOW
            )
        found = samples()
    assert found["hlapp_sync_lag_seconds", "contacts"] == 1_200
    assert found["hlapp_sync_plans_never_synced", "contacts"] == 1


def test_job_runs_and_what_is_overdue(agency: Installation) -> None:
    with time_machine.travel(NOW, tick=False):
        schedule = Schedule.objects.create(
            app=agency.app, job="tidy_up", level="Location", tenant_id="loc1", created_at=NOW
        )
        late = NOW - timedelta(minutes=3)
        JobRun.objects.create(schedule=schedule, started_at=late, due_at=late)
        found = samples()
    assert found["hlapp_job_runs", "tidy_up", "running"] == 1
    assert found["hlapp_overdue", "job runs"] == 1
    assert found["hlapp_overdue", "mailboxes"] == 0


def test_complete_runs_are_not_counted(agency: Installation) -> None:
    plan = Plan.objects.all()[0]
    schedule = Schedule.objects.create(
        app=agency.app, job="tidy_up", level="Location", tenant_id="loc1", created_at=NOW
    )
    for status in ("complete", "failed", "running"):
        end = None if status == "running" else NOW
        begin_run(plan, status=status, finished_at=end)
        JobRun.objects.create(schedule=schedule, status=status, started_at=NOW, due_at=NOW, finished_at=end)
    found = samples()
    for labels in (("hlapp_sync_runs", "contacts"), ("hlapp_job_runs", "tidy_up")):
        assert {name[2]: count for name, count in found.items() if name[:2] == labels} == {"failed": 1, "running": 1}


def test_parked_tasks_and_refused_permits(agency: Installation) -> None:
    client_id = agency.app.client_id
    with time_machine.travel(NOW, tick=False):
        assert samples()["hlapp_parked_oldest_seconds",] == 0
        for number, state in enumerate(("waiting", "waiting", "running")):
            at = NOW - timedelta(seconds=60 * (number + 1))
            Parked.objects.create(
                key="k", lane="bulk", task="t", kwargs={"n": number}, state=state, parked_at=at, place_at=at, due_at=at
            )
        line = {
            "span": 60,
            "app_id": agency.app.pk,
            "lane": "bulk",
            "operation": "o",
            "took_ms": 0,
            "slowest_ms": 0,
            "buckets": [],
        }
        for number, (minutes, code, calls, spent) in enumerate(
            [(1, "", 50, 50), (2, "", 7, 7), (1, "quota_exhausted", 9, 4), (6, "", 1_000, 1_000)]
        ):
            at = NOW - timedelta(minutes=minutes)
            Usage.objects.create(**line, at=at, code=code, calls=calls, spent=spent, resource_id=f"loc{number}")
        found = samples()
    assert (found["hlapp_parked_tasks", "bulk", "waiting"], found["hlapp_parked_tasks", "bulk", "running"]) == (2, 1)
    assert found["hlapp_parked_oldest_seconds",] == 120
    assert found["hlapp_api_calls", client_id, "", "bulk"] == 57
    assert found["hlapp_api_calls", client_id, "quota_exhausted", "bulk"] == 4
    assert found["hlapp_permits_refused", client_id, "bulk"] == 5


def test_the_answers_to_the_vendor_are_a_counter(agency: Installation) -> None:
    day = clock.now().date()
    Answers.objects.create(app=agency.app, day=day, stored=3, unsigned=1)
    Answers.objects.create(app=agency.app, day=day - timedelta(days=400), stored=2)
    Answers.objects.create(app=None, day=day, unsigned=5)
    found = samples()
    assert found["hlapp_webhook_answers_total", agency.app.client_id, "stored"] == 5
    assert found["hlapp_webhook_answers_total", agency.app.client_id, "unsigned"] == 1
    assert found["hlapp_webhook_answers_total", agency.app.client_id, "failed"] == 0
    assert found["hlapp_webhook_answers_total", "", "unsigned"] == 5


def test_the_text_is_what_the_format_demands(agency: Installation) -> None:
    """Each family once, with its help and type; each sample once, and finite; a name with a quote comes back whole."""
    odd = 'app "one"\\ two\n'
    App.objects.create(
        name="Odd", client_id=odd, highlevel_id="odd", api_url="-", marketplace_url="-", created_at=clock.now()
    )
    install(App.objects.get(client_id=odd), UserType.LOCATION, "odd")
    families = list(text_string_to_metric_families(registry.render().decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    assert all(family.documentation and family.type in ("gauge", "counter", "info") for family in families)
    found = [(one.name, tuple(sorted(one.labels.items()))) for family in families for one in family.samples]
    assert len(found) == len(set(found))
    assert odd in {dict(labels).get("app") for _, labels in found}


def test_more_tenants_make_no_more_series(agency: Installation) -> None:
    before = set(samples())
    now = clock.now()
    for number in range(30):
        location = Location.objects.create(id=f"more{number}", name="More", created_at=now)
        install(agency.app, UserType.LOCATION, location.id, location=location)
        connect(agency.app, location.id)
        plan = Plan.objects.create(
            app=agency.app, location_id=location.id, resource="contacts", synced_at=now, created_at=now
        )
        keep(plan, 1)
    after = set(samples())
    assert after == before
    assert not [labels for labels in after if any("more" in label for label in labels[1:])]


def test_the_process_itself_is_measured(app: Any) -> None:
    assert samples()["process_resident_memory_bytes",] > 1_000_000


def test_no_secret_is_exposed(agency: Installation) -> None:
    assert CANARY.encode() not in registry.render()


@pytest.mark.parametrize(
    ("token", "header", "status"),
    [
        ("scrape-me", "Bearer scrape-me", 200),
        ("scrape-me", "Bearer scrape-you", 401),
        ("scrape-me", "Bearer ", 401),
        ("scrape-me", None, 401),
        ("", "Bearer ", 401),
        ("", "Bearer None", 401),
        ("", None, 401),
    ],
)
def test_a_scraper_needs_the_token(
    client: Client, app: Any, settings: Settings, token: str, header: str | None, status: int
) -> None:
    settings.METRICS_TOKEN = token
    response = client.get("/metrics", headers={"authorization": header} if header else {})
    assert response.status_code == status
    assert (b"hlapp_" in response.content) is (status == 200)


def test_an_operator_may_look_and_another_user_may_not(operator_client: Client, client: Client, app: Any) -> None:
    assert operator_client.get("/metrics").status_code == 200
    client.force_login(User.objects.create_user("somebody"))
    assert client.get("/metrics").status_code == 401
