"""Variants of a resource: plans of their own, which wait for no other, over the same records."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.core import clock
from integrations.core.errors import BadRequest, QuotaExhausted
from integrations.core.models import AuditEntry
from integrations.core.tenant import Tenant
from integrations.sync import plans, records, resource_choices
from integrations.sync.changes.change_origin import Origin, Source
from integrations.sync.choose import dropping, variant_choice
from integrations.sync.choose.variant_choice import Variant
from integrations.sync.models import ChosenVariant, Plan, Record, Run
from integrations.sync.records import Placed
from integrations.sync.resources import Change
from integrations.sync.signed import plan_macs
from integrations.tenants.models import App, Installation
from tests.support.signed import sign
from tests.sync.conftest import HERE, LOCATION, alive, run_once, start, to_the_end, turn
from tests.sync.listing import Listing

LEADS = Variant("contacts", "leads", {"type": "lead"}, timedelta(minutes=5))
EVEN = {f"c{number:05}" for number in range(0, 300, 2)}


def vendor_of(count: int = 300) -> Listing:
    """Even ones are leads."""
    vendor = Listing()
    for number in range(count):
        vendor.add(number, type="customer" if number % 2 else "lead")
    return vendor


def choose(app: App, wanted: Variant = LEADS, tenant: Tenant | None = None) -> None:
    variant_choice.choose(app, wanted, clock.now(), actor="the test", tenant=tenant)
    plans.make(app.pk, LOCATION)


def of_variant(name: str = "leads") -> Plan:
    return Plan.objects.get(location_id=LOCATION, variant=name)


@pytest.fixture
def variant(app: App, plan: Plan) -> Plan:
    choose(app)
    return of_variant()


def full(plan: Plan, vendor: Listing) -> Run:
    return to_the_end(start(plan, full_due_at=None), vendor)


def test_each_tenant_has_a_plan_with_what_was_chosen(app: App, variant: Plan) -> None:
    assert (variant.resource, variant.filters, variant.every) == ("contacts", {"type": "lead"}, timedelta(minutes=5))
    assert plan_macs.fits(variant)
    assert Plan.objects.filter(location_id=LOCATION, resource="contacts").count() == 2
    entry = AuditEntry.objects.get(action="sync.variant")
    assert (entry.actor, entry.detail["variant"]) == ("the test", "leads")
    assert entry.detail["changed"]["filters"] == [None, {"type": "lead"}]


def test_a_variant_lists_what_fits_and_finds_its_own_deletions(variant: Plan) -> None:
    vendor = vendor_of()
    run = full(variant, vendor)
    assert (run.status, run.seen, alive()) == ("complete", 150, EVEN)
    gone = "c00004"
    del vendor.rows[gone]
    for record_id in ("c00001", "c00003"):
        Record.objects.create(
            app=variant.app,
            location_id=LOCATION,
            resource="contacts",
            record_id=record_id,
            payload=vendor.rows[record_id],
            version_at=clock.now() - timedelta(days=3),
            updated_at=clock.now() - timedelta(days=3),
        )
    Record.objects.update(alive_at=None, updated_at=clock.now() - timedelta(hours=1))
    run = full(variant, vendor)
    assert (run.deleted, vendor.asked) == (1, ["c00000", gone])
    assert alive() == EVEN - {gone} | {"c00001", "c00003"}, "customers are not this listing's to look for"


def test_a_slow_one_blocks_no_other(plan: Plan, variant: Plan) -> None:
    """The run of all contacts waits for quota in its middle; that of the variant begins and ends meanwhile."""
    vendor = vendor_of()

    def before(number: int) -> None:
        if number == 2:
            raise QuotaExhausted("none", retry_after=3_600.0)

    vendor.before = before
    slow = turn(start(plan), vendor)
    assert (slow.status, slow.pages) == ("running", 1)
    quick = to_the_end(start(variant), vendor_of())
    slow.refresh_from_db()
    assert (quick.status, quick.seen, slow.status) == ("complete", 150, "running")


@pytest.mark.parametrize("columns", [{}, {"repair_asked_at": clock.now()}], ids=["full", "repair"])
def test_runs_side_by_side_take_no_record_for_missing(plan: Plan, variant: Plan, columns: dict[str, Any]) -> None:
    """Each marks what it saw; neither takes the other's mark for one of a record that its listing lacks."""
    vendor = vendor_of()
    full(plan, vendor)
    Record.objects.update(alive_at=None, updated_at=clock.now() - timedelta(days=2))
    later = start(plan, full_due_at=None, **columns)

    def before(number: int) -> None:
        if len(vendor.requests) == number and number == first + 2:
            other = to_the_end(start(variant, full_due_at=None), vendor_of())
            assert other.status == "complete"

    first = len(vendor.requests)
    vendor.before = before
    run = to_the_end(later, vendor)
    assert (run.status, run.error_code, run.deleted, vendor.asked) == ("complete", "", 0, [])
    assert len(alive()) == 300


def test_an_older_run_leaves_the_mark_of_a_newer_one(app: App, plan: Plan) -> None:
    rows = [{"id": "a", "dateUpdated": "2026-01-01T00:00:00.000Z"}]
    for run_id, seen in ((7, 7), (5, 7), (9, 9)):
        records.merge(app.pk, LOCATION, "contacts", rows, run_id=run_id, observed_at=clock.now())
        assert Record.objects.get().seen_run == seen


def event(app: App, record_id: str, kind: str) -> None:
    now = clock.now()
    change = Change(record_id, {"type": kind}, now, Change.Kind.CREATED, now)
    records.apply_planned([Placed(app.pk, LOCATION, "contacts", change, Origin(Source.EVENT.value, "w", "e"))])


def test_webhooks_bring_what_fits_some_variant(app: App, plan: Plan, variant: Plan) -> None:
    event(app, "all", "customer")
    assert alive() == {"all"}, "the resource itself is synced whole"
    resource_choices.choose(app, ["contacts"], clock.now(), enabled=False)
    event(app, "customer", "customer")
    event(app, "lead", "lead")
    assert alive() == {"all", "lead"}
    resource_choices.choose(app, ["contacts"], clock.now(), enabled=True)
    resource_choices.set_filters(app, ["contacts"], {"type": "customer"}, clock.now())
    event(app, "customer-again", "customer")
    event(app, "lead-again", "lead")
    event(app, "other", "other")
    assert alive() == {"all", "lead", "customer-again", "lead-again"}


def test_fields_and_history_are_the_resource_s(app: App, plan: Plan, variant: Plan) -> None:
    resource_choices.set_history(app, ["contacts"], clock.now(), keeps=True)
    variant.refresh_from_db()
    assert not variant.keeps_history
    full(variant, vendor_of(4))
    assert Record.objects.get(record_id="c00002").last_change is None
    vendor = vendor_of(4)
    vendor.change("c00002", clock.now(), firstName="Other")
    run_once(variant, vendor)
    last = Record.objects.get(record_id="c00002").last_change
    assert last is not None
    assert "firstName" in last


def test_a_tenant_s_own_choice_counts_there(app: App, variant: Plan) -> None:
    own = Variant("contacts", "leads", {"type": "customer"}, timedelta(days=1))
    choose(app, own, HERE)
    variant.refresh_from_db()
    assert (variant.filters, variant.every, variant.is_own_choice) == ({"type": "customer"}, timedelta(days=1), True)
    assert plan_macs.fits(variant)
    off = Variant("contacts", "leads", {"type": "customer"}, enabled=False)
    choose(app, off, HERE)
    assert not Plan.objects.filter(variant="leads").exists()
    variant_choice.remove(app, "contacts", "leads", clock.now(), actor="the test", tenant=HERE)
    plans.make(app.pk, LOCATION)
    assert of_variant().filters == {"type": "lead"}


def test_other_filters_end_the_run_under_way_and_read_everything(app: App, variant: Plan) -> None:
    full(variant, vendor_of(4))
    run = start(variant)
    choose(app, Variant("contacts", "leads", {"type": "customer"}))
    run.refresh_from_db()
    variant.refresh_from_db()
    assert (run.status, run.error_code, variant.full_due_at) == ("cancelled", "filter_changed", None)


def test_when_a_variant_goes_its_records_stay(app: App, variant: Plan) -> None:
    full(variant, vendor_of(4))
    variant_choice.remove(app, "contacts", "leads", clock.now(), actor="the test")
    plans.make(app.pk, LOCATION)
    assert not Plan.objects.exclude(variant="").exists()
    assert alive() == {"c00000", "c00002"}
    with pytest.raises(BadRequest, match="was chosen here"):
        variant_choice.remove(app, "contacts", "leads", clock.now(), actor="the test")


def test_records_that_a_variant_keeps_synced_are_not_dropped(app: App, plan: Plan, variant: Plan) -> None:
    full(variant, vendor_of(4))
    resource_choices.choose(app, ["contacts"], clock.now(), enabled=False)
    assert dropping.ask(app, ["contacts"], clock.now()) == 1
    assert dropping.drop(plan.pk) == 0
    assert alive() == {"c00000", "c00002"}
    plan.refresh_from_db()
    assert plan.drop_due_at is None


def test_an_uninstall_takes_plans_and_own_choices_along(app: App, installation: Installation, variant: Plan) -> None:
    choose(app, LEADS, HERE)
    Installation.objects.update(status=Installation.Status.UNINSTALLED)
    assert plans.delete_plans(app.pk, LOCATION)
    assert not Plan.objects.exists()
    assert list(ChosenVariant.objects.values_list("location_id", flat=True)) == [""]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Variant("contacts", "Big Ones", {"type": "lead"}), "small letters"),
        (Variant("contacts", "leads", {}), "needs a filter"),
        (Variant("contacts", "leads", {"colour": "red"}), "no filter colour"),
        (Variant("contacts", "leads", {"type": "lead"}, timedelta(minutes=1)), "5 minutes"),
        (Variant("pipelines", "some", {"a": "b"}), "its listing has none"),
        (Variant("nothing", "some", {"a": "b"}), "no resource nothing"),
    ],
)
def test_what_no_variant_can_be(app: App, installation: Installation, wanted: Variant, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        choose(app, wanted)
    assert not ChosenVariant.objects.exists()


def test_one_that_somebody_else_wrote_makes_no_plan(app: App, installation: Installation) -> None:
    row = ChosenVariant.objects.create(app=app, resource="contacts", name="ours", filters={"type": "lead"})
    ChosenVariant.objects.filter(pk=row.pk).update(name="theirs")
    plans.make(app.pk, LOCATION)
    assert not Plan.objects.exclude(variant="").exists()
    sign(ChosenVariant)
    plans.make(app.pk, LOCATION)
    assert of_variant("theirs").enabled


def test_a_plan_that_was_made_a_variant_fetches_nothing(plan: Plan) -> None:
    run_once(plan, vendor_of(4))
    plan_macs.write(Plan.objects.filter(pk=plan.pk), due_at=clock.now())
    Plan.objects.filter(pk=plan.pk).update(variant="other")
    plans.start_due(clock.now())
    plan.refresh_from_db()
    assert not plan.enabled


def test_the_command(app: App, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> str:
        call_command("sync", "variant", *words, "--app", app.client_id)
        return capsys.readouterr().out

    assert "No variant" in run()
    assert "Nothing was changed" in run("contacts", "leads", "--filter", "type=lead", "--estimate")
    assert not ChosenVariant.objects.exists()
    assert "type=lead, every 15 min" in run("contacts", "leads", "--filter", "type=lead", "--every", "15m")
    assert "every 1 h" in run("contacts", "leads", "--every", "1h", "--location", LOCATION)
    shown = json.loads(run("--location", LOCATION, "--json"))
    assert [(one["name"], one["every"], one["filters"], one["is_own"]) for one in shown] == [
        ("leads", "1h", {"type": "lead"}, True)
    ]
    assert "off" in run("contacts", "leads", "--off", "--location", LOCATION)
    assert "every 15 min" in run("contacts", "leads", "--remove", "--location", LOCATION)
    assert "No variant" in run("contacts", "leads", "--remove")
    with pytest.raises(CommandError, match="which variant"):
        run("contacts")
    with pytest.raises(CommandError, match="needs a filter"):
        run("contacts", "leads")
