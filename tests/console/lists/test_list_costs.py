"""What a list costs does not grow with its rows."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.core import audit, clock
from integrations.core.tenant import UserType
from integrations.jobs.models import Schedule
from integrations.sync.models import Plan
from integrations.tenants.models import App, Installation
from integrations.webhooks.models import Event, Mailbox
from tests.console.conftest import LOCATION


def fill(app: App, number: int) -> None:
    """A mailbox with a pending event, and a schedule."""
    now, place = clock.now(), f"place{number}"
    box = Mailbox.objects.create(app=app, tenant=f"location:{place}", due_at=now)
    moments = {"occurred_at": now, "received_at": now, "due_at": now}
    Event.objects.create(app=app, mailbox=box, webhook_id=place, type="ContactCreate", payload={}, **moments)
    Schedule.objects.create(app=app, job="a.job", level=UserType.LOCATION, tenant_id=place, created_at=now)


def cost(client: Client, page: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(f"/admin/{page}/").status_code == 200
    return len(asked)


@pytest.mark.parametrize("page", ["webhooks/mailbox", "jobs/schedule"])
def test_a_list_asks_nothing_for_each_row(operator_client: Client, app: App, page: str) -> None:
    fill(app, 0)
    cost(operator_client, page)  # what is asked once in a process is asked here
    before = cost(operator_client, page)
    for number in range(1, 9):
        fill(app, number)
    assert cost(operator_client, page) == before


@pytest.mark.parametrize("page", ["sync/record", "sync/run", "jobs/run", "webhooks/event", "gateway/call"])
def test_a_large_list_offers_no_order_that_no_index_serves(operator_client: Client, app: App, page: str) -> None:
    shown = operator_client.get(f"/admin/{page}/").context["cl"]
    assert shown.list_per_page == 25
    assert set(shown.sortable_by) <= {"at", "received_at"}


def test_each_field_of_a_page_is_made_once(operator_client: Client, agency: Installation) -> None:
    url = f"/admin/tenants/installation/{agency.pk}/change/"
    operator_client.get(url)
    with CaptureQueriesContext(connection) as asked:
        operator_client.get(url)
    statements = [query["sql"] for query in asked]
    assert max(statements.count(one) for one in statements if "tenants_installationchange" in one) == 1


def test_a_search_by_tenant_goes_by_the_keys_of_its_plans(operator_client: Client, agency: Installation) -> None:
    """With a join PostgreSQL would read the runs of all tenants until a page is full."""
    plan = Plan.objects.get(location_id=LOCATION)
    with CaptureQueriesContext(connection) as asked:
        operator_client.get(f"/admin/sync/run/?q={LOCATION}")
    counted = next(query["sql"] for query in asked if "COUNT(*)" in query["sql"] and "sync_run" in query["sql"])
    assert f'"sync_run"."plan_id" IN ({plan.pk})' in counted
    assert "JOIN" not in counted


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Studio loc1", {"sync.asked"}),
        (LOCATION, {"sync.asked"}),
        ("Location:", {"sync.asked"}),
        ("job.", {"job.paused"}),
        ("operator anna", {"job.paused"}),
        ("nobody", set()),
    ],
)
def test_the_audit_trail_is_searched_by_tenant_subject_action_and_actor(
    operator_client: Client, agency: Installation, text: str, found: set[str]
) -> None:
    audit.record("sync.asked", actor="worker", subject=f"Location:{LOCATION}")
    audit.record("job.paused", actor="operator anna", subject="jobs")
    listed = operator_client.get("/admin/core/auditentry/", {"q": text}).context["cl"].result_list
    assert {entry.action for entry in listed} == found
