"""Admin lists show a tenant's name and id, and searches find rows by either."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule
from integrations.sync.models import Plan
from integrations.tenants import names
from integrations.tenants.models import Installation, Location
from tests.console.conftest import COMPANY, LOCATION, OTHER, begin_run

LISTS = ("tokens/credential", "sync/plan", "sync/run", "jobs/run", "jobs/schedule")


@pytest.fixture
def busy(agency: Installation) -> None:
    """Both locations have something in every list."""
    Location.objects.filter(pk=LOCATION).update(name="東京歯科クリニック")
    now = clock.now()
    for location_id in (LOCATION, OTHER):
        begin_run(Plan.objects.get(location_id=location_id))
        schedule = Schedule.objects.create(
            app=agency.app, job="a.job", level=UserType.LOCATION, tenant_id=location_id, created_at=now
        )
        JobRun.objects.create(schedule=schedule, due_at=now, started_at=now - timedelta(minutes=1))


@pytest.mark.parametrize("page", LISTS)
def test_a_row_shows_its_tenants_name_and_id(operator_client: Client, busy: None, page: str) -> None:
    shown = operator_client.get(f"/admin/{page}/").content.decode()
    assert "東京歯科クリニック" in shown
    assert LOCATION in shown


@pytest.mark.parametrize("page", LISTS)
def test_a_row_is_found_by_its_tenants_name(operator_client: Client, busy: None, page: str) -> None:
    shown = operator_client.get(f"/admin/{page}/", {"q": "歯科"}).content.decode()
    assert LOCATION in shown
    assert OTHER not in shown


@pytest.mark.parametrize("page", LISTS)
def test_a_tenant_without_a_known_name_shows_its_id(operator_client: Client, busy: None, page: str) -> None:
    Location.objects.update(name="")
    shown = operator_client.get(f"/admin/{page}/", {"q": OTHER}).content.decode()
    assert OTHER in shown


def test_names_are_looked_up_by_id(agency: Installation) -> None:
    Location.objects.filter(pk=OTHER).update(name="")
    assert names.by_id([COMPANY, LOCATION, OTHER, "unknown"]) == {
        COMPANY: "Bright Agency",
        LOCATION: f"Studio {LOCATION}",
    }
