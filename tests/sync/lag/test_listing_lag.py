"""The measured time of full listings, by resource."""

from __future__ import annotations

from datetime import timedelta

from integrations.core import clock
from integrations.sync.lag import listing_lag
from integrations.sync.lag.measured_lag import MeasuredLag
from integrations.sync.models import Plan, Run
from integrations.tenants.models import App
from tests.sync.conftest import LOCATION, run_once
from tests.sync.listing import of


def took(plan: Plan, *seconds: float, kind: str = "full", status: str = "complete", ago: float = 60) -> None:
    for each in seconds:
        end = clock.now() - timedelta(seconds=ago)
        begin = end - timedelta(seconds=each)
        Run.objects.create(plan=plan, kind=kind, status=status, started_at=begin, finished_at=end, due_at=end)


def other(app: App, resource: str, location_id: str = LOCATION) -> Plan:
    return Plan.objects.create(app=app, location_id=location_id, resource=resource, created_at=clock.now())


def test_the_lag_is_the_time_of_complete_full_runs(app: App, plan: Plan) -> None:
    took(plan, 10, 20, 30)
    took(plan, 5, kind="repair")
    took(plan, 1, kind="incremental")
    took(plan, 900, status="failed")
    took(plan, 900, ago=3 * 86_400)
    took(other(app, "orders"), 400)
    took(other(app, "notes"), 80_000)
    took(other(app, "contacts", "elsewhere"), 1_000)
    now = clock.now()
    mine = {one.resource: (one.count, round(one.median)) for one in listing_lag.of_location([app.pk], LOCATION, now)}
    assert mine == {"contacts": (4, 15), "orders": (1, 400)}
    everywhere = {one.resource: one for one in listing_lag.of_all(now)}
    assert (everywhere["contacts"].count, round(everywhere["contacts"].median)) == (5, 20)
    assert everywhere["orders"].words == "6 min, 95 % within 6 min"
    assert listing_lag.of_location([app.pk + 1], LOCATION, now) == []


def test_a_real_run_is_measured(app: App, plan: Plan) -> None:
    run_once(plan, of(3))
    (found,) = listing_lag.of_location([app.pk], LOCATION, clock.now())
    assert found.count == 1
    assert 0 <= found.median < 60


def test_the_words_have_tenths_where_they_say_something() -> None:
    assert MeasuredLag("contacts", 1, 0.44, 150.0).words == "0.4 s, 95 % within 2 min"
