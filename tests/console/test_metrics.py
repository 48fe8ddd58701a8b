"""What a scraper reads, and who may read it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from integrations.console import metrics
from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.sync.models import Plan
from integrations.tenants.models import Installation
from integrations.webhooks.models import Event, Mailbox
from tests.console.conftest import CANARY, begin_run


def samples() -> dict[tuple[str, ...], float]:
    """Every sample under its name and label values."""
    families = text_string_to_metric_families(metrics.render().decode())
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
    assert found["hlapp_quota_burst_free", client_id, "loc1", "Location"] > 0
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
            received_at=now,
            due_at=now,
            payload={},
            status=status,
        )
    found = samples()
    assert (found["hlapp_events", "pending"], found["hlapp_events", "poisoned"]) == (2, 1)
    assert found["hlapp_events_oldest_pending_seconds",] >= 0
    assert found["hlapp_mailboxes_behind",] == 1


@pytest.mark.django_db
def test_without_its_quota_store_the_rest_still_comes(agency: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr("integrations.quota.queries.snapshot", away)
    found = samples()
    assert found["hlapp_quota_store_up",] == 0
    assert found["hlapp_records",] == 6


def test_the_process_itself_is_measured(app: Any) -> None:
    assert samples()["process_resident_memory_bytes",] > 1_000_000


def test_no_secret_is_exposed(agency: Installation) -> None:
    assert CANARY.encode() not in metrics.render()


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
