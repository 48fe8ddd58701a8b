"""Filters of listings: what they leave out is not stored, and never taken for a deletion."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.gateway.client import Page
from integrations.highlevel.catalogue import catalogue
from integrations.sync import counting, pace, plans, records, resource_choices, runs
from integrations.sync.changes.change_origin import Origin, Source
from integrations.sync.models import Plan, Record, Run
from integrations.sync.records import Placed
from integrations.sync.resources import ALL, RESOURCES, Change
from integrations.sync.resources.listing_filters import ListingFilter
from integrations.tenants.models import App, Installation
from tests.support.signed import sign
from tests.sync.conftest import LOCATION, alive, run_once, start, to_the_end, turn
from tests.sync.listing import Listing

HERE = [(one.name, narrowing) for one in ALL for narrowing in one.filters]


def leads_and_customers(count: int = 10) -> Listing:
    """Even ones are leads."""
    vendor = Listing()
    for number in range(count):
        vendor.add(number, type="customer" if number % 2 else "lead")
    return vendor


def narrow(app: App, tenant: Tenant | None = None, **filters: str) -> int:
    return resource_choices.set_filters(app, ["contacts"], filters, clock.now(), tenant=tenant)


def full(plan: Plan, vendor: Listing) -> Run:
    return to_the_end(start(plan, full_due_at=None), vendor)


def event(app: App, record_id: str, kind: Change.Kind = Change.Kind.UPDATED, **payload: Any) -> None:
    now = clock.now()
    change = Change(record_id, payload, now, kind, now if kind is Change.Kind.CREATED else None)
    records.apply_planned([Placed(app.pk, LOCATION, "contacts", change, Origin(Source.EVENT.value, "w1", "e"))])


@pytest.mark.parametrize(("name", "narrowing"), HERE, ids=[f"{name}-{one.parameter}" for name, one in HERE])
@pytest.mark.parametrize("dialect", ["v2", "v3"])
def test_the_vendor_s_files_know_each_filter(name: str, narrowing: ListingFilter, dialect: str) -> None:
    here = RESOURCES[name].on(dialect)
    assert here is not None
    if narrowing not in here.filters:
        pytest.skip("this API has other filters")
    operation = catalogue(here.api).operation(here.operation)  # type: ignore[arg-type]
    if narrowing.operator:
        assert operation.body is not None
        assert "searchAfter" in operation.body.properties, "a search by `filters`, which the files do not describe"
        return
    known = {one.name: one for one in operation.params if one.part == "query"}
    described = {**dict.fromkeys(operation.body.properties if operation.body else ()), **known}
    assert narrowing.parameter in described
    parameter = described[narrowing.parameter]
    assert parameter is None or not parameter.enum or set(narrowing.values) <= set(parameter.enum)


def test_a_run_asks_for_what_fits_and_stores_nothing_else(app: App, plan: Plan) -> None:
    vendor = leads_and_customers()
    assert narrow(app, type="lead") == 1
    run = full(plan, vendor)
    assert (run.status, run.error_code, run.seen) == ("complete", "", 5)
    assert alive() == {f"c{number:05}" for number in range(0, 10, 2)}
    assert vendor.requests[0]["body"]["filters"] == [{"field": "type", "operator": "eq", "value": "lead"}]
    incremental = run_once(plan, vendor)
    assert incremental.kind == Run.Kind.INCREMENTAL
    assert [one["field"] for one in vendor.requests[-1]["body"]["filters"]] == ["dateUpdated", "type"]


def test_what_a_filter_leaves_out_stays_alive(app: App, plan: Plan) -> None:
    vendor = leads_and_customers()
    full(plan, vendor)
    narrow(app, type="lead")
    for _ in range(3):
        run = full(plan, vendor)
        assert (run.deleted, run.error_code, run.asked) == (0, "", 0)
        Record.objects.update(missing_at=None)
    assert alive() == set(vendor.rows)
    narrow(app)
    assert full(plan, vendor).deleted == 0
    assert alive() == set(vendor.rows)


def test_a_record_that_does_not_fit_any_more_is_asked_for_once_and_stays(app: App, plan: Plan) -> None:
    vendor = leads_and_customers()
    narrow(app, type="lead")
    full(plan, vendor)
    vendor.change("c00002", clock.now(), type="customer")
    run = full(plan, vendor)
    assert (run.deleted, run.error_code) == (0, "")
    assert "c00002" in vendor.asked
    assert Record.objects.get(record_id="c00002").payload["type"] == "customer"
    before = len(vendor.asked)
    assert full(plan, vendor).deleted == 0
    assert len(vendor.asked) == before
    assert "c00002" in alive()


def test_one_that_fits_and_is_gone_is_deleted_by_the_answer_about_it(app: App, plan: Plan) -> None:
    vendor = leads_and_customers()
    narrow(app, type="lead")
    full(plan, vendor)
    del vendor.rows["c00004"]
    run = full(plan, vendor)
    assert run.deleted == 1
    assert Record.objects.get(record_id="c00004").deleted_by == "call"


def test_a_false_narrowed_listing_deletes_nothing_and_says_so(app: App, plan: Plan) -> None:
    vendor = leads_and_customers()
    narrow(app, type="lead")
    full(plan, vendor)
    vendor.hidden = {"c00002", "c00004"}
    run = full(plan, vendor)
    assert (run.deleted, run.error_code) == (0, "incomplete")
    assert "lacks 2 records that exist" in run.error


def test_an_empty_narrowed_listing_proves_nothing_whatever_the_answers_are(app: App, plan: Plan) -> None:
    vendor = leads_and_customers()
    narrow(app, type="lead")
    full(plan, vendor)
    vendor.hidden = set(vendor.rows)
    vendor.record = lambda *_, **__: None  # type: ignore[method-assign]
    for _ in range(3):
        Record.objects.filter(missing_at__isnull=False).update(missing_at=clock.now() - 2 * pace.AGREE_AFTER)
        run = full(plan, vendor)
        assert (run.deleted, run.error_code) == (0, "incomplete")
    assert len(alive()) == 5


@pytest.mark.parametrize(("filters", "left"), [({}, {"e2"}), ({"status": "sent"}, {"e1", "e2"})])
def test_where_no_operation_returns_one_record_a_narrowed_listing_deletes_none(
    app: App, installation: Installation, filters: dict[str, str], left: set[str]
) -> None:
    plan = Plan.objects.create(
        app=app, location_id=LOCATION, resource="estimates", created_at=clock.now(), filters=filters
    )
    assert RESOURCES["estimates"].single is None
    long_ago = clock.now() - timedelta(days=2)
    records.merge(app.pk, LOCATION, "estimates", [{"_id": "e1", "status": "sent"}])
    Record.objects.update(updated_at=long_ago, version_at=long_ago, missing_at=long_ago)

    def page(operation: str, **arguments: Any) -> Page:
        return Page([{"_id": "e2", "status": "sent"}], 1, None)

    runs.advance(start(plan).pk, page=page)
    assert alive() == left


def test_a_filter_without_a_field_looks_for_no_record(app: App, plan: Plan) -> None:
    assert RESOURCES["conversations"].narrowed({"status": "unread"}).fits({"id": "x"}) is None
    unread = next(one for one in RESOURCES["conversations"].filters if one.parameter == "status")
    Record.objects.create(
        app=app,
        location_id=LOCATION,
        resource="conversations",
        record_id="x",
        payload={"status": "unread"},
        version_at=clock.now(),
        updated_at=clock.now(),
    )
    assert not Record.objects.filter(unread.inside("unread")).exists()


def test_counts_are_not_compared_under_a_filter(app: App, plan: Plan) -> None:
    narrow(app, type="lead")
    run = start(plan)
    narrowed = run.plan.definition
    assert narrowed is not None
    assert not counting.is_due(run, narrowed, clock.now())
    assert counting.is_due(run, RESOURCES["contacts"], clock.now())


def test_events_of_what_does_not_fit_bring_no_new_record(app: App, plan: Plan) -> None:
    vendor = leads_and_customers(4)
    narrow(app, type="lead")
    full(plan, vendor)
    event(app, "new", Change.Kind.CREATED, type="customer")
    event(app, "silent", phone="+1")
    event(app, "fits", Change.Kind.CREATED, type="lead")
    event(app, "c00001", type="customer")
    assert alive() == {"c00000", "c00002", "fits"}
    event(app, "c00000", type="customer")
    event(app, "fits", phone="+2")
    assert Record.objects.get(record_id="c00000").payload["type"] == "customer", "what is here stays true"
    assert Record.objects.get(record_id="fits").payload["phone"] == "+2"
    event(app, "c00003", Change.Kind.DELETED)
    assert Record.objects.get(record_id="c00003").deleted_by == "event", "a page under way may still have it"


def test_a_new_choice_ends_runs_and_what_failed_does_not_go_on(app: App, plan: Plan) -> None:
    vendor = leads_and_customers()
    vendor.before = lambda number: narrow(app, type="lead") and None
    run = turn(start(plan), vendor)
    assert (run.status, run.error_code) == ("cancelled", "filter_changed")
    assert not alive(), "its page is not stored"
    vendor.before = lambda number: None
    plan.refresh_from_db()
    assert (plan.full_due_at, plan.listed) == (None, None)
    assert plan.due_at is not None
    failed = start(plan)
    Run.objects.filter(pk=failed.pk).update(
        status="failed", error_code="unreachable", checkpoint={"next": {"searchAfter": [1]}}, finished_at=clock.now()
    )
    narrow(app, type="customer")
    plans.start_due(clock.now())
    assert start(plan).checkpoint == {}


def test_a_plan_that_rests_goes_on_resting(app: App, plan: Plan) -> None:
    narrow(app, type="lead")
    plan.refresh_from_db()
    assert plan.due_at is None


@pytest.mark.parametrize(
    ("filters", "complaint"),
    [
        ({"type": "nobody"}, "takes lead, customer"),
        ({"color": "red"}, "contacts has no filter color"),
        ({"tags": ""}, "100 printable characters"),
        ({"tags": "x" * 101}, "100 printable characters"),
    ],
)
def test_a_filter_that_cannot_be_says_why(app: App, plan: Plan, filters: dict[str, str], complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint):
        narrow(app, **filters)
    with pytest.raises(BadRequest, match="its listing has none"):
        resource_choices.set_filters(app, ["pipelines"], {"status": "open"}, clock.now())


def test_an_api_without_the_filter_refuses_instead_of_reading_everything(app: App, plan: Plan) -> None:
    Plan.objects.filter(pk=plan.pk).update(filters={"gone": "x"})
    sign(Plan)
    vendor = leads_and_customers()
    run = run_once(plan, vendor)
    assert run.status == "failed"
    assert "cannot list contacts by gone" in run.error
    assert not vendor.requests


def test_tags_fit_when_one_of_them_is_the_one(app: App) -> None:
    tags = RESOURCES["contacts"].narrowed({"tags": "vip"})
    assert (tags.fits({"tags": ["a", "VIP"]}), tags.fits({"tags": []}), tags.fits({})) == (True, False, None)
    both = RESOURCES["contacts"].narrowed({"tags": "vip", "type": "lead"})
    assert (both.fits({"tags": ["vip"]}), both.fits({"type": "customer"})) == (None, False)
