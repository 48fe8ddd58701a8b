"""What a list costs does not grow with its rows."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.jobs.models import Schedule
from integrations.tenants.models import App
from integrations.webhooks.models import Event, Mailbox


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
