"""Which resources are synced, for an app and for a location; what each costs; what of the vendor's API that covers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.core import clock
from integrations.core.errors import BadRequest, Unreachable
from integrations.core.models import AuditEntry
from integrations.core.tenant import UserType
from integrations.gateway.client import Page
from integrations.highlevel.catalogue import catalogue, fields
from integrations.highlevel.catalogue.event_types import event_types
from integrations.highlevel.catalogue.remarks import remarks
from integrations.highlevel.oauth.dialects import DIALECTS, DialectName
from integrations.sync import listing, plans, resource_choices
from integrations.sync.choose import (
    adaptive_intervals,
    asked_totals,
    coverage,
    dropping,
    estimates,
    later_runs,
    offers,
    variant_choice,
    wanted,
)
from integrations.sync.choose.adaptive_intervals import Bounds
from integrations.sync.choose.variant_choice import Variant
from integrations.sync.models import Plan, Record, ResourceChoice, Run
from integrations.sync.resources import DEFAULTS, RESOURCES, Resource, at_level
from integrations.tenants.models import App, Installation
from tests.sync.conftest import HERE, LOCATION, run_once
from tests.sync.listing import Listing

DOCUMENT = Path(__file__).parents[3] / "docs/sync-coverage.md"
SCOPES = "contacts.readonly payments/orders.readonly opportunities.readonly"


@pytest.fixture
def here(app: App, installation: Installation) -> App:
    App.objects.update(scopes=SCOPES)
    app.refresh_from_db()
    plans.make(app.pk, LOCATION)
    return app


def enabled() -> set[str]:
    return set(Plan.objects.filter(enabled=True).values_list("resource", flat=True))


def follow(app: App) -> None:
    """What the dispatcher makes of `Installation.sync_due_at`."""
    row = Installation.objects.get()
    assert row.sync_due_at is not None
    plans.apply_installation_change(row.pk)


def resources(*options: str) -> list[dict[str, object]]:
    out = StringIO()
    call_command("sync", "resources", "--json", "--app", "66a0419a0dffa47fb5f8b22e", *options, stdout=out)
    found: list[dict[str, object]] = json.loads(out.getvalue())
    return found


def test_the_defaults_are_synced_until_somebody_chooses(here: App) -> None:
    assert enabled() == {"contacts", "opportunities", "pipelines"}
    assert resource_choices.chosen(here.pk) == set(DEFAULTS)
    resources("--enable", "orders", "--disable", "pipelines")
    follow(here)
    assert enabled() == {"contacts", "opportunities", "orders"}
    assert resource_choices.chosen(here.pk) == {*DEFAULTS, "orders"} - {"pipelines"}
    resources("--enable", "pipelines")
    follow(here)
    assert "pipelines" in enabled()
    assert [entry.action for entry in AuditEntry.objects.filter(action="sync.chosen")] == ["sync.chosen"] * 3


def test_one_location_chooses_for_itself(here: App) -> None:
    resource_choices.choose(here, ["orders"], clock.now(), enabled=True, tenant=HERE)
    follow(here)
    plan = Plan.objects.get(resource="orders")
    assert plan.enabled
    assert plan.runs.count() == 1
    resource_choices.choose(here, ["orders", "contacts"], clock.now(), enabled=False, tenant=HERE)
    assert enabled() == {"opportunities", "pipelines"}
    assert resource_choices.chosen(here.pk) == set(DEFAULTS), "the app's choice is another"


def test_children_of_single_records_bring_their_parents(here: App) -> None:
    assert resource_choices.choose(here, ["order_fulfillments"], clock.now(), enabled=True) == [
        "order_fulfillments",
        "orders",
    ]
    assert resource_choices.choose(here, ["relations"], clock.now(), enabled=True) == ["custom_records", "relations"]


def test_without_its_scope_a_chosen_resource_rests_and_says_so(here: App) -> None:
    resource_choices.choose(here, ["invoices", "service_bookings"], clock.now(), enabled=True, tenant=HERE)
    follow(here)
    assert Plan.objects.get(resource="invoices").due_at is None
    assert not Plan.objects.get(resource="invoices").runs.exists()
    said = {offer.resource: offer for offer in offers.offers(here, HERE)}
    assert (said["invoices"].state, said["invoices"].hindrance) == ("stopped", "needs the scope invoices.readonly")
    assert said["service_bookings"].hindrance == "API v2 does not list it"
    assert (said["contacts"].state, said["tags"].state) == ("on", "off")
    assert set(said) == set(at_level(UserType.LOCATION))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--enable", "nothing"], "there is no resource nothing"),
        (["--enable", "orders", "--location", "nowhere"], "not installed on location nowhere"),
        (["--calls-per-day", "notes=many"], "notes=2000"),
        (["--calls-per-day", "orders=5"], "have no limit of their own"),
    ],
)
def test_a_choice_that_cannot_be_says_why(here: App, options: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        resources(*options)
    with pytest.raises(BadRequest):
        resource_choices.limit_calls(here, "orders", 5)


def test_a_cost_is_known_from_the_copy_or_a_lower_bound(here: App) -> None:
    at = clock.now()
    Record.objects.bulk_create(
        Record(
            app=here,
            location_id=LOCATION,
            resource="contacts",
            record_id=f"c{number}",
            payload={},
            version_at=at,
            updated_at=at,
        )
        for number in range(250)
    )
    found = estimates.of(here.pk, LOCATION, "v2", {"orders": 1_001, "calendars": 3, "contacts": 250})
    assert (found["contacts"].calls, found["contacts"].is_bound) == (3, False)
    assert found["contacts"].calls_a_day == 3 + 144, "one full listing, and a call every ten minutes"
    assert (found["orders"].calls, found["orders"].calls_a_day) == (11, 44 + 24), "and a call an hour for new ones"
    assert (found["notes"].calls, found["notes"].is_bound) == (250, False)
    assert found["calendar_events"].calls == 1 + 3 * 6, "the calendars, and six windows for each"
    assert found["invoices"].is_bound
    big = estimates.of(here.pk, LOCATION, "v2", {"contacts": 100_000})["notes"]
    assert (big.calls, big.calls_a_day, round(big.share, 2), big.seconds / 86_400) == (100_000, 10_000, 0.05, 10)


def test_the_calls_of_a_day_are_set_per_plan(here: App) -> None:
    resource_choices.choose(here, ["notes"], clock.now(), enabled=True, tenant=HERE)
    resources("--calls-per-day", "notes=2000", "--location", LOCATION)
    assert Plan.objects.get(resource="notes").calls_per_day == 2_000
    out = StringIO()
    call_command("sync", "resources", "--app", here.client_id, "--location", LOCATION, stdout=out)
    assert "notes                   on" in out.getvalue()
    assert "needs the scope" in out.getvalue()


def install_at(app: App, count: int) -> list[str]:
    """So many more locations with the app, and their plans."""
    names, now = [f"more{number}" for number in range(count)], clock.now()
    Installation.objects.bulk_create(
        Installation(
            app=app,
            user_type=UserType.LOCATION,
            resource_id=name,
            status=Installation.Status.INSTALLED,
            origin=Installation.Origin.BULK,
            status_at=now,
            created_at=now,
        )
        for name in names
    )
    for name in names:
        plans.make(app.pk, name)
    return names


def keep_records(app: App, resource: str, count: int) -> None:
    at = clock.now()
    Record.objects.bulk_create(
        Record(
            app=app,
            location_id=LOCATION,
            resource=resource,
            record_id=f"{resource}{number}",
            payload={},
            version_at=at,
            updated_at=at,
        )
        for number in range(count)
    )


def test_a_location_keeps_its_own_choice_until_it_follows_the_app_again(here: App) -> None:
    now = clock.now()
    install_at(here, 1)
    resource_choices.choose(here, ["pipelines"], now, enabled=False, tenant=HERE)
    resource_choices.set_interval(here, ["contacts"], timedelta(hours=6), now, tenant=HERE)
    resource_choices.choose(here, ["pipelines"], now, enabled=True)
    resource_choices.set_interval(here, ["contacts", "opportunities"], timedelta(hours=2), now)
    mine = {plan.resource: plan for plan in Plan.objects.filter(location_id=LOCATION)}
    other = {plan.resource: plan for plan in Plan.objects.filter(location_id="more0")}
    assert (mine["pipelines"].enabled, other["pipelines"].enabled) == (False, True)
    assert (mine["contacts"].every, other["contacts"].every) == (timedelta(hours=6), timedelta(hours=2))
    assert mine["opportunities"].every == timedelta(hours=2), "it has no choice of its own there"
    assert resource_choices.follow_app(here, ["pipelines", "contacts", "users"], now, tenant=HERE) == 2
    again = {plan.resource: plan for plan in Plan.objects.filter(location_id=LOCATION)}
    assert again["pipelines"].enabled
    assert (again["contacts"].every, again["contacts"].is_own_choice) == (timedelta(hours=2), False)


def test_a_new_location_gets_the_intervals_of_the_app(here: App) -> None:
    resource_choices.set_interval(here, ["contacts", "orders"], timedelta(days=2), clock.now())
    assert resource_choices.chosen(here.pk) == set(DEFAULTS), "an interval chooses nothing"
    install_at(here, 1)
    plan = Plan.objects.get(location_id="more0", resource="contacts")
    definition = plan.definition
    assert definition is not None
    assert (plan.every, definition.every, definition.full_every) == (timedelta(days=2),) * 3
    resource_choices.set_interval(here, ["contacts"], None, clock.now())
    assert Plan.objects.get(pk=plan.pk).every is None


def test_the_chosen_interval_is_the_wait_after_a_run(here: App) -> None:
    resource_choices.set_interval(here, ["contacts"], timedelta(hours=6), clock.now())
    plan = Plan.objects.get(resource="contacts")
    plan.runs.all().delete()
    vendor = Listing()
    vendor.add(1)
    vendor.add(2)
    run = run_once(plan, vendor)
    assert run.status == Run.Status.COMPLETE
    plan.refresh_from_db()
    assert plan.due_at is not None
    assert timedelta(hours=4.7) < plan.due_at - clock.now() <= timedelta(hours=6)
    assert plan.listed == 2
    resource_choices.set_interval(here, ["contacts"], timedelta(minutes=15), clock.now())
    plan.refresh_from_db()
    assert plan.due_at <= clock.now() + timedelta(minutes=15), "a shorter interval counts at once"


def test_a_choice_for_many_locations_costs_a_few_statements(here: App) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            resource_choices.choose(here, ["pipelines"], clock.now(), enabled=False)
            resource_choices.set_interval(here, ["contacts"], timedelta(hours=3), clock.now())
            offers.offers(here)
            resource_choices.choose(here, ["pipelines"], clock.now(), enabled=True)
        return len(asked)

    before = cost()
    install_at(here, 5)
    assert cost() == before <= 35


def test_leaving_a_resource_out_ends_its_runs_and_takes_its_children_along(here: App) -> None:
    resource_choices.choose(here, ["notes"], clock.now(), enabled=True)
    follow(here)
    assert Run.objects.filter(plan__resource="contacts").running().count() == 1
    assert resource_choices.choose(here, ["contacts"], clock.now(), enabled=False) == ["contacts", "notes"]
    run = Run.objects.get(plan__resource="contacts")
    assert (run.status, run.error_code) == ("cancelled", "left_out")
    assert enabled() == {"opportunities", "pipelines"}
    plan = Plan.objects.get(resource="contacts")
    assert plan.is_left_out
    plans.switch(Plan.objects.filter(pk=plan.pk), clock.now(), enabled=True)
    plan.refresh_from_db()
    assert (plan.is_left_out, plan.is_own_choice, plan.enabled) == (False, True, True)


def test_records_of_what_is_left_out_stay_unless_their_deletion_is_asked_for(
    here: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_records(here, "contacts", 5)
    plan = Plan.objects.get(resource="contacts")
    Plan.objects.filter(pk=plan.pk).update(cursor_at=clock.now(), synced_at=clock.now())
    assert dropping.ask(here, ["contacts"], clock.now()) == 0, "it is synced"
    resource_choices.choose(here, ["contacts"], clock.now(), enabled=False)
    assert Record.objects.count() == 5
    monkeypatch.setattr(dropping, "ROWS", 2)
    assert dropping.ask(here, ["contacts"], clock.now()) == 1
    monkeypatch.setattr(dropping, "SECONDS", 0.0)
    assert dropping.drop(plan.pk) == 0
    plan.refresh_from_db()
    assert plan.drop_due_at is not None, "it goes on"
    monkeypatch.setattr(dropping, "SECONDS", 10.0)
    assert dropping.drop(plan.pk) == 5
    plan.refresh_from_db()
    assert (plan.drop_due_at, plan.cursor_at, plan.synced_at) == (None, None, None), "the next run reads everything"
    assert not Record.objects.exists()


def test_what_is_chosen_again_is_not_deleted(here: App) -> None:
    keep_records(here, "contacts", 2)
    resource_choices.choose(here, ["contacts"], clock.now(), enabled=False)
    dropping.ask(here, ["contacts"], clock.now())
    resource_choices.choose(here, ["contacts"], clock.now(), enabled=True)
    plan = Plan.objects.get(resource="contacts")
    assert (plan.drop_due_at, dropping.drop(plan.pk)) == (None, 0)
    assert Record.objects.count() == 2


def test_the_app_s_cost_is_that_of_all_its_locations(here: App) -> None:
    names = [LOCATION, *install_at(here, 3)]
    for name, rows in zip(names[:2], (100, 5_000), strict=True):
        Plan.objects.filter(location_id=name, resource="contacts").update(listed=rows)
    found = {one.resource: one for one in offers.offers(here)}["contacts"]
    assert (found.estimate.calls, found.estimate.rows, found.known_at) == (50, 5_000, 2)
    assert found.all_calls_a_day == 4 * (26 + 144), "the mean of the two that are known, at four"
    slower = offers.offers(here, overlay=offers.Overlay(every={"contacts": timedelta(days=1)}))
    assert {one.resource: one for one in slower}["contacts"].all_calls_a_day == 4 * (26 + 1)


def test_the_vendor_is_asked_for_what_nobody_knows(here: App, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def page(operation: str, **arguments: Any) -> Page:
        asked.append(operation)
        if "opportunit" in operation:
            raise Unreachable("the vendor does not answer")
        return Page([{}], 1_234, None)

    monkeypatch.setattr(listing, "page", page)
    totals, refused = asked_totals.ask(here, HERE, ["contacts", "opportunities", "pipelines"])
    assert totals == {"contacts": 1_234}
    assert list(refused) == ["opportunities"]
    assert len(asked) == 2, "the listing of pipelines has no total"
    out = StringIO()
    call_command(
        "sync",
        "choose",
        "contacts",
        "--location",
        LOCATION,
        "--count",
        "--estimate",
        "--app",
        here.client_id,
        stdout=out,
    )
    assert "13" in out.getvalue()
    assert "Nothing was changed." in out.getvalue()


def choose(*options: str) -> dict[str, Any]:
    out = StringIO()
    call_command("sync", "choose", *options, "--app", "66a0419a0dffa47fb5f8b22e", "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


@pytest.mark.slow
def test_the_command_estimates_chooses_and_writes_the_audit_trail(here: App) -> None:
    said = choose("orders", "--on", "--every", "1d", "--estimate")
    assert (said["changed"], "orders" in resource_choices.chosen(here.pk)) == (False, False)
    assert said["calls_a_day"] > said["calls_a_day_before"]
    assert choose("orders", "--on", "--every", "1d")["changed"]
    assert ResourceChoice.objects.get(resource="orders").every == timedelta(days=1)
    choose("orders", "--off", "--drop")
    choose("pipelines", "--off", "--location", LOCATION)
    choose("pipelines", "--as-app", "--location", LOCATION)
    actions = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["sync.chosen", "sync.interval", "sync.chosen", "sync.dropped", "sync.chosen", "sync.follows_app"]
    assert "pipelines" in enabled()


def test_fields_and_filters_by_command(here: App) -> None:
    choose("contacts", "--fields", "without email phone", "--filter", "type=lead", "--filter", "tags=vip")
    plan = Plan.objects.get(resource="contacts")
    assert plan.fields == {"without": ["email", "phone"]}
    assert plan.filters == {"type": "lead", "tags": "vip"}
    choose("contacts", "--filter", "type=")
    plan.refresh_from_db()
    assert plan.filters == {"tags": "vip"}, "the other one stays"
    out = StringIO()
    call_command("sync", "choose", "contacts", "--estimate", "--app", here.client_id, stdout=out)
    assert "fields: without email, phone; filters: tags=vip" in out.getvalue()
    for row in AuditEntry.objects.filter(action="sync.filters"):
        assert row.actor == "manage.py sync"


@pytest.mark.slow
def test_the_audit_trail_has_the_old_and_the_new_value_of_each_choice(here: App) -> None:
    choose("contacts", "--every", "1d", "--fields", "without email", "--filter", "type=lead")
    choose("contacts", "--every", "15m", "--fields", "without phone", "--filter", "type=customer")
    choose("contacts", "--off", "--location", LOCATION)
    choose("contacts", "--as-app", "--location", LOCATION)
    told: dict[str, Any] = {}
    for action, detail in AuditEntry.objects.order_by("id").values_list("action", "detail"):
        told.setdefault(action, []).append(detail["changed"])
    every, fields, filters = "contacts.every", "contacts.fields", "contacts.filters"
    assert [one[every] for one in told["sync.interval"]] == [[None, "1 day, 0:00:00"], ["1 day, 0:00:00", "0:15:00"]]
    assert told["sync.fields"][1] == {fields: [{"without": ["email"]}, {"without": ["phone"]}]}
    assert told["sync.filters"][1] == {filters: [{"type": "lead"}, {"type": "customer"}]}
    off, (back,) = told["sync.chosen"][0], told["sync.follows_app"]
    assert (off["contacts.enabled"], off["contacts.is_own_choice"]) == ([True, False], [False, True])
    assert (back["contacts.enabled"], back["contacts.is_own_choice"]) == ([False, True], [True, False])
    now, everything = clock.now(), {"shortest": timedelta(minutes=5), "longest": timedelta(days=1)}
    adaptive_intervals.choose(here, Bounds(enabled=True, calls_per_day=500, **everything), now, actor="the test")
    adaptive_intervals.choose(here, Bounds(enabled=False, calls_per_day=700, **everything), now, actor="the test")
    variant = Variant("contacts", "leads", {"type": "lead"}, timedelta(minutes=5))
    variant_choice.choose(here, variant, now, actor="the test")
    variant_choice.choose(here, replace(variant, filters={"type": "customer"}), now, actor="the test")
    variant_choice.remove(here, "contacts", "leads", now, actor="the test")
    newest = AuditEntry.objects.order_by("-id").values_list("detail", flat=True)
    removed, changed, _, adapted = (detail["changed"] for detail in newest[:4])
    assert adapted == {"enabled": [True, False], "calls_per_day": [500, 700]}
    assert changed == {"filters": [{"type": "lead"}, {"type": "customer"}]}
    assert removed == {"enabled": [True, None], "filters": [{"type": "customer"}, None], "every": ["0:05:00", None]}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--every", "soon"), "such as 15m"),
        (("--fields", "some of them"), "`only` or `without`"),
        (("--fields", "without id"), "cannot be left out"),
        (("--filter", "type"), "such as status=open"),
        (("--filter", "colour=red"), "has no filter colour"),
        (("--every", "1m"), "5 minutes at least"),
        (("--every", "90d"), "28 days at most"),
        (("--as-app",), "only a location"),
        (("--on", "--location", "nowhere"), "not installed"),
    ],
)
def test_a_wish_that_cannot_be_says_why(here: App, options: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        choose("contacts", *options)


@pytest.mark.parametrize("text", ["own", "15m", "6h", "2d", "28d"])
def test_intervals_are_read_as_they_are_written(text: str) -> None:
    assert wanted.interval_text(wanted.interval_of(text)) == text


def test_the_coverage_document_is_what_the_command_writes() -> None:
    out = StringIO()
    call_command("sync", "coverage", stdout=out)
    assert out.getvalue() == DOCUMENT.read_text(encoding="utf-8"), "manage.py sync coverage > docs/sync-coverage.md"


def test_every_listing_and_every_event_has_a_resource_or_a_reason() -> None:
    rows = coverage.covered()
    assert [f"{one.dialect} {one.operation}" for one in rows if not one.resource and not one.reason] == []
    assert {one.resource for one in rows} >= set(RESOURCES)
    assert [name for name, said in coverage.events() if not said] == []
    assert len(list(coverage.events())) == len(event_types())


def test_a_listing_with_a_filter_by_date_asks_for_what_is_new_or_says_why_not() -> None:
    here = [found for one in RESOURCES.values() for api in DIALECTS if (found := one.on(api)) is not None]
    bounded = {one.name for one in here if later_runs.bounds(catalogue(_dialect(one)).operation(one.operation))}
    looking_back = {one.name for one in here if one.since is not None}
    assert bounded - looking_back == set(later_runs.REASONS)
    assert looking_back - bounded == {"contacts", "opportunities"}, "these two filter by a field, in the body"
    for one in here:
        named = later_runs.parameters(one)
        assert bool(named) == (one.since is not None), one.name
        if one.since is None or one.request("x", clock.now()).body is not None:
            continue
        first = dict(one.style.first()) if one.style else {}
        asked = {**first, **(one.request("x", clock.now()).params or {})}
        where: dict[str, Any] = {"tenant": {"locationId": "x", "companyId": "c"}, "dialect": _dialect(one)}
        assert remarks(catalogue(_dialect(one)).operation(one.operation), asked, None, **where) == [], one.name


def _dialect(resource: Resource) -> DialectName:
    return "v3" if resource.api == "v3" else "v2"


def test_every_get_is_a_listing_with_a_reason_or_about_one_object() -> None:
    """What the vendor does not describe counts as a listing, so that none is missing for want of a description."""
    for dialect in DIALECTS:
        listings = {one.operation for one in coverage.covered() if one.dialect == dialect}
        described = fields.committed(dialect)
        for operation in catalogue(dialect).operations():
            if operation.method != "GET" or operation.key in listings:
                continue
            said = described.get(operation.key, {}).get("response fields", {})
            top = {kind.rstrip("!") for path, kind in said.items() if "." not in path}
            of_one = operation.path.rstrip("/").endswith("}")
            assert of_one or (said and "object[]" not in top), operation.key
