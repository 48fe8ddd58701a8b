"""The operator's first page, from an empty system to a troubled one."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.gateway.models import Call
from integrations.quota.models import Parked
from integrations.sync.models import Plan, Run
from integrations.tenants.models import App, Installation, Location
from integrations.tokens.models import Credential
from integrations.webhooks.models import Event, Mailbox
from integrations.webhooks.queries import MOST_COUNTED
from tests.console.conftest import CANARY, LOCATION, OTHER, begin_run


def text(client: Client) -> str:
    response = client.get("/admin/")
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def card(page: str, title: str) -> str:
    found = re.search(rf"{title}</span> <strong>(.*?)</strong> <span class=\"dash-note\">(.*?)</span>", page)
    assert found, title
    return f"{found[1]}: {found[2]}"


def test_an_empty_system_is_no_error(operator_client: Client) -> None:
    page = text(operator_client)
    assert card(page, "Locations installed").startswith("0:")
    assert "No sync is running" in page
    assert "None in the last seven days" in page


def test_it_counts_what_is_there(operator_client: Client, agency: Installation) -> None:
    begin_run(Plan.objects.get(location_id=LOCATION))
    page = text(operator_client)
    assert card(page, "Locations installed") == "2: and 1 company"
    assert card(page, "Credential problems") == "0: all tokens are fresh"
    assert card(page, "Syncs under way") == "1: 6 records kept"
    assert 'max="100" value="40"' in page
    assert CANARY not in page


def test_it_counts_no_day_of_events(operator_client: Client) -> None:
    with CaptureQueriesContext(connection) as asked:
        text(operator_client)
    days = [query["sql"] for query in asked if '"webhooks_event"."received_at" >=' in query["sql"]]
    assert [sql for sql in days if not sql.endswith(f"LIMIT {MOST_COUNTED}")] == []


def test_trouble_is_shown_with_what_support_asks_for(operator_client: Client, agency: Installation) -> None:
    now = clock.now()
    Credential.objects.filter(resource_id=LOCATION).update(
        state="needs_reconnect",
        failures=2,
        last_error_code="grant_revoked",
        last_trace_id="trace-9",
        intent_at=now,
        intent_generation=1,
    )
    Credential.objects.filter(resource_id=OTHER).update(expires_at=now - timedelta(minutes=1))
    begin_run(
        Plan.objects.get(location_id=OTHER), status=Run.Status.FAILED, finished_at=now, error_code="scope_missing"
    )
    page = text(operator_client)
    assert card(page, "Credential problems").startswith("2:")
    assert 'href="/admin/tokens/credential/?need=yes"' in page
    assert operator_client.get("/admin/tokens/credential/?need=yes").context["cl"].result_count == 2
    assert "trace-9" in page
    assert "scope_missing" in page


def test_failed_calls_are_shown_beside_the_failures(operator_client: Client, agency: Installation) -> None:
    call = {
        "app_id": agency.app_id,
        "resource_id": LOCATION,
        "lane": "bulk",
        "took_ms": 9,
        "method": "GET",
        "path": "/",
    }
    now = clock.now()
    for fields in ({"code": "server_fault"}, {"code": "", "slow": True}, {"code": "x", "at": now - timedelta(days=8)}):
        Call.objects.create(**call | {"at": now, "operation": "contacts.get-contact"} | fields)
    page = text(operator_client)
    assert 'href="/admin/gateway/call/?since=week">1 API call</a> failed in that time' in page


def test_quotas_are_shown_by_name(operator_client: Client, agency: Installation) -> None:
    Location.objects.filter(pk=OTHER).update(name="")
    page = text(operator_client)
    assert f"<b>Studio {LOCATION}</b> Location {LOCATION}" in page
    assert f"<b>{OTHER}</b> Location" in page


def test_where_tasks_wait_for_quota_is_shown_first(operator_client: Client, agency: Installation) -> None:
    now = clock.now()
    begin_run(Plan.objects.get(location_id=LOCATION))  # the busiest otherwise
    key, task = f"{agency.app.client_id}:{OTHER}", {"task": "sync.advance", "kwargs": {"run_id": 1}}
    Parked.objects.create(key=key, lane="bulk", parked_at=now, place_at=now, due_at=now, reason="day", **task)
    page = text(operator_client)
    assert page.index(f"<b>Studio {OTHER}</b>") < page.index(f"<b>Studio {LOCATION}</b> Location")


def test_a_failure_says_whose_and_why_and_leads_to_its_page(operator_client: Client, agency: Installation) -> None:
    plan, now = Plan.objects.get(location_id=OTHER), clock.now()
    run = begin_run(plan, status=Run.Status.FAILED, finished_at=now, error_code="scope_missing", error="add the scope")
    event = failed_event(agency.app, LOCATION)
    page = text(operator_client)
    tenant = f'<a class="tenant-link" href="/admin/tenants/location/{OTHER}/change/" title="Location {OTHER}">'
    assert f'href="/admin/sync/run/{run.pk}/change/">sync of contacts</a></td><td>{tenant}Studio {OTHER}' in page
    assert "add the scope <code>scope_missing</code>" in page
    assert f'href="/admin/webhooks/event/{event.pk}/change/">event ContactCreate</a>' in page
    assert f'title="Location {LOCATION}">Studio {LOCATION}</a></td>' in page


def failed_event(app: App, location_id: str) -> Event:
    now = clock.now()
    moments = {"occurred_at": now, "received_at": now, "due_at": now}
    box = Mailbox.objects.create(app=app, tenant=f"location:{location_id}")
    return Event.objects.create(
        app=app, mailbox=box, webhook_id="w1", type="ContactCreate", payload={}, status="poisoned", **moments
    )


def test_it_comes_without_the_quota_store_too(
    operator_client: Client, agency: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr("integrations.quota.permits.queries.snapshot", away)
    page = text(operator_client)
    assert "The quota store does not answer" in page
    assert card(page, "Locations installed").startswith("2:")


def test_its_cost_does_not_grow_with_the_tenants(
    operator_client: Client, agency: Installation, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(120):
        text(operator_client)


def test_only_operators_get_in(client: Client, django_user_model: Any) -> None:
    assert client.get("/admin/").status_code == 302
    client.force_login(django_user_model.objects.create_user("plain"))
    assert client.get("/admin/").status_code == 302


def test_the_sidebar_shows_what_the_operator_may_view(client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("limited", is_staff=True))
    page = text(client)
    assert "/admin/tenants/installation/" not in re.sub(r'class="dash.*', "", page.split('id="main"')[0])
