"""The figures that pages, commands and the demo show."""

from __future__ import annotations

from pytest_django import DjangoAssertNumQueries

from integrations.core import clock
from integrations.sync import queries, records
from integrations.sync.models import Plan, Run
from integrations.sync.resources import Change
from tests.sync.conftest import LOCATION, run_once, start
from tests.sync.listing import of


def test_records_are_those_that_are_not_deleted(plan: Plan) -> None:
    run_once(plan, of(3))
    records.apply(plan.app_id, LOCATION, "contacts", Change("c00001", {}, clock.now(), Change.Kind.DELETED))
    found = queries.records(plan.app, LOCATION, "contacts")
    assert {record.record_id for record in found} == {"c00000", "c00002"}


def test_progress_is_that_of_the_latest_run(plan: Plan) -> None:
    run_once(plan, of(3))
    run = start(plan)
    Run.objects.filter(pk=run.pk).update(seen=30, total=120)
    (entry,) = queries.progress(Plan.objects.all())
    assert (entry.run_id, entry.status, entry.seen, entry.total) == (run.pk, "running", 30, 120)
    assert entry.synced_at is not None


def test_progress_of_a_plan_that_never_ran(plan: Plan) -> None:
    (entry,) = queries.progress(Plan.objects.all())
    assert (entry.run_id, entry.status) == (None, "")


def test_progress_takes_two_queries_whatever_the_number(
    plan: Plan, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        other = Plan.objects.create(app=plan.app, location_id=f"l{number}", resource="contacts", created_at=clock.now())
        run_once(other, of(1))
    with django_assert_num_queries(2):
        assert len(queries.progress(Plan.objects.all())) == 6


def test_totals_of_an_app(plan: Plan) -> None:
    other = Plan.objects.create(app=plan.app, location_id="other", resource="contacts", created_at=clock.now())
    run_once(plan, of(3))
    (totals,) = queries.totals(plan.app)
    assert (totals.resource, totals.records, totals.plans, totals.synced) == ("contacts", 3, 2, 1)
    assert totals.oldest_sync is None, "one was never synced, so nothing bounds how stale it is"
    run_once(other, of(4))
    start(other)
    (totals,) = queries.totals(plan.app)
    assert (totals.records, totals.synced, totals.running) == (7, 2, 1)
    assert totals.oldest_sync == Plan.objects.get(pk=plan.pk).synced_at
