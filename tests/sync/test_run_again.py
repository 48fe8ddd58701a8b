"""A failed run is run again from the list where the dashboard's alarm leads."""

from __future__ import annotations

from django.test import Client

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.sync.models import Plan, Run
from integrations.tenants.models import Installation
from tests.console.conftest import LOCATION, begin_run
from tests.console.conftest import agency as agency
from tests.console.conftest import app as app
from tests.console.conftest import operator as operator
from tests.console.conftest import operator_client as operator_client


def test_the_plans_of_failed_runs_start_once_each(agency: Installation, operator_client: Client) -> None:
    plan, now = Plan.objects.get(location_id=LOCATION), clock.now()
    failed = [
        begin_run(plan, status=Run.Status.FAILED, finished_at=now, error_code="server_fault").pk for _ in range(2)
    ]
    answer = operator_client.post("/admin/sync/run/", {"action": "run_again", "_selected_action": failed}, follow=True)
    assert "1 plans are due now." in answer.content.decode()
    assert list(Run.objects.running().values_list("plan", flat=True)) == [plan.pk]
    assert AuditEntry.objects.get(action="sync.asked").detail["plans"] == [plan.pk]
