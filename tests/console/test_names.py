"""Operators know places by their names, the rows only by their ids: lists show both and searches find by either."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from integrations.core import clock
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule
from integrations.sync.models import Plan
from integrations.tenants.models import Installation, Location, UserType
from integrations.tenants.names import told
from tests.console.conftest import COMPANY, LOCATION, OTHER, begin_run

LISTS = ("tokens/credential", "sync/plan", "sync/run", "jobs/run", "jobs/schedule")


@pytest.fixture
def busy(agency: Installation) -> None:
    """Both locations have something in every list."""
    Location.objects.filter(pk=LOCATION).update(name="東京歯科クリニック")
    now = clock.now()
    for place in (LOCATION, OTHER):
        begin_run(Plan.objects.get(location_id=place))
        schedule = Schedule.objects.create(
            app=agency.app, job="a.job", level=UserType.LOCATION, tenant_id=place, created_at=now
        )
        JobRun.objects.create(schedule=schedule, due_at=now, started_at=now - timedelta(minutes=1))


@pytest.mark.parametrize("page", LISTS)
def test_a_row_says_whose_it_is(operator_client: Client, busy: None, page: str) -> None:
    shown = operator_client.get(f"/admin/{page}/").content.decode()
    assert "東京歯科クリニック" in shown
    assert LOCATION in shown


@pytest.mark.parametrize("page", LISTS)
def test_a_row_is_found_by_its_places_name(operator_client: Client, busy: None, page: str) -> None:
    shown = operator_client.get(f"/admin/{page}/", {"q": "歯科"}).content.decode()
    assert LOCATION in shown
    assert OTHER not in shown


@pytest.mark.parametrize("page", LISTS)
def test_a_place_whose_name_nobody_told_shows_its_id(operator_client: Client, busy: None, page: str) -> None:
    Location.objects.update(name="")
    shown = operator_client.get(f"/admin/{page}/", {"q": OTHER}).content.decode()
    assert OTHER in shown


def test_names_are_told_by_id(agency: Installation) -> None:
    Location.objects.filter(pk=OTHER).update(name="")
    assert told([COMPANY, LOCATION, OTHER, "nobody"]) == {COMPANY: "Bright Agency", LOCATION: f"Studio {LOCATION}"}
