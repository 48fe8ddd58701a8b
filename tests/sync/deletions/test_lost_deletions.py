"""A deletion whose webhook was lost, in a listing that has no total to count by: after how many hours it is found."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine

from integrations.core import clock
from integrations.sync import plans, runs
from integrations.sync.models import Plan, Run
from integrations.sync.resources import ALL, RESOURCES, Resource
from integrations.tenants.models import App, Installation
from tests.support.passed_time import time_passes
from tests.sync.conftest import LOCATION, alive
from tests.sync.listing import Page

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# They are asked for what changed, and nobody asks for everything more often than this.
FULL_WALKS = {"conversations": DAY}


def found_within(resource: Resource) -> timedelta:
    """As `docs/decisions/08` has it: the run that lacks it, or the second one where none can be asked for by its id."""
    wait = resource.every if resource.since is None else 1.5 * resource.full_every
    return wait * (1 if resource.single else 2)


def test_each_listing_without_a_total_shows_it_within_hours() -> None:
    """One needs a day, because it is asked for what changed, and its total counts something else."""
    uncounted = [one for one in ALL if not one.has_total and not one.is_visited]
    assert len(uncounted) > 20
    slow = {one.name: one.full_every for one in uncounted if found_within(one) > 12 * HOUR}
    assert slow == FULL_WALKS


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("name", ["pipelines", "calendars", "tags", "orders", "conversations"])
def test_a_deletion_that_nobody_told_is_found_in_time(app: App, installation: Installation, name: str) -> None:
    """The plan runs at its own times, as the dispatcher would start it."""
    resource = RESOURCES[name]
    rows = {f"r{number}": {resource.ids[0]: f"r{number}", "name": f"Name {number}"} for number in range(5)}
    asked: list[Any] = []

    def page(operation: str, **arguments: Any) -> Page:
        asked.append(arguments)
        is_of_changes = resource.since is not None and "startAfterDate" in (arguments["params"] or {})
        return Page([] if is_of_changes else list(rows.values()), None, None)

    def record(_single: Any, record_id: str, **_: Any) -> Any:
        return rows.get(record_id)

    def run_at(moment: datetime) -> Run:
        traveller.move_to(moment)
        plans.start_due(clock.now())
        run = Run.objects.filter(plan=plan).latest("pk")
        for _ in range(5):
            runs.advance(run.pk, page=page, record=record)
            run.refresh_from_db()
            if run.status != "running":
                break
            time_passes(Run, HOUR)
        assert run.status == "complete", run.error
        plan.refresh_from_db()
        return run

    with time_machine.travel(clock.now()) as traveller:
        plan = Plan.objects.create(
            app=app, location_id=LOCATION, resource=name, created_at=clock.now(), due_at=clock.now()
        )
        run_at(clock.now())
        assert plan.due_at is not None
        run_at(plan.due_at)
        del rows["r3"]
        began = clock.now()
        while "r3" in alive():
            assert clock.now() - began < 3 * DAY, f"not found after {len(asked)} listings"
            run_at(plan.due_at)
        assert clock.now() - began <= found_within(resource)
        assert alive() == set(rows)
