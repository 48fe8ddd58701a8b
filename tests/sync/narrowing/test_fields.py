"""Fields that are left out: neither stored nor in history, feeds and exports; read anew when they come back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.models import AuditEntry
from integrations.core.tenant import Tenant
from integrations.sync import records, resource_choices, tasks
from integrations.sync.changes.change_origin import Origin, Source
from integrations.sync.choose import stripped_fields, wanted
from integrations.sync.choose.wanted import WantedChoice
from integrations.sync.export import layout
from integrations.sync.feed.change_feed import ChangeFeed
from integrations.sync.models import HistoryEntry, Plan, Record, ResourceChoice, Run
from integrations.sync.narrowing.field_choice import FieldChoice, needed
from integrations.sync.records import Placed
from integrations.sync.resources import RESOURCES, Change
from integrations.tenants.models import App
from tests.support.signed import sign
from tests.sync.conftest import HERE, LOCATION, run_once, start, to_the_end, turn
from tests.sync.feed.test_feed import settle
from tests.sync.listing import Listing

WITHOUT_PHONE = FieldChoice.parse("without phone")


def people() -> Listing:
    vendor = Listing()
    for number in range(3):
        vendor.add(number, email=f"p{number}@example.com", phone=f"+1{number}")
    return vendor


def keep(app: App, text: str, *, tenant: Tenant | None = None) -> int:
    choice = FieldChoice.parse(text)
    return resource_choices.set_fields(app, ["contacts"], choice, clock.now(), tenant=tenant)


def stored_fields(resource: str = "contacts") -> set[str]:
    return {
        name
        for payload in Record.objects.filter(resource=resource).values_list("payload", flat=True)
        for name in payload
    }


def forget(plan: Plan) -> int:
    """Until the worker has made both passes."""
    count = stripped_fields.forget(plan.pk)
    Plan.objects.filter(pk=plan.pk, fields_chosen_at__isnull=False).update(
        fields_chosen_at=clock.now() - timedelta(minutes=5)
    )
    count += stripped_fields.forget(plan.pk)
    assert Plan.objects.get(pk=plan.pk).fields_due_at is None
    return count


def event(app: App, record_id: str, kind: Change.Kind = Change.Kind.UPDATED, **payload: Any) -> Placed:
    now = clock.now()
    change = Change(record_id, payload, now, kind, now if kind is Change.Kind.CREATED else None)
    return Placed(app.pk, LOCATION, "contacts", change, Origin(Source.EVENT.value, "w1", "ContactUpdate"))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("all", {"a", "b", "id"}),
        ("only a", {"a", "id"}),
        ("without a", {"b", "id"}),
        ("Without b,a", {"id"}),
        ("", {"a", "b", "id"}),
    ],
)
def test_a_choice_reads_as_it_is_written_and_keeps_what_it_says(text: str, kept: set[str]) -> None:
    choice = FieldChoice.parse(text)
    assert set(choice.kept({"a": 1, "b": 2, "id": "x"}, frozenset({"id"}))) == kept
    assert FieldChoice.parse(choice.text) == choice == FieldChoice.of_json(choice.json)


@pytest.mark.parametrize(
    ("new", "old", "is_within"),
    [
        ("without a", "all", True),
        ("all", "without a", False),
        ("without a b", "without a", True),
        ("without a", "without a b", False),
        ("only a", "only a b", True),
        ("only a b", "only a", False),
        ("only a", "without b", True),
        ("only a b", "without b", False),
        ("without b", "only a", False),
        ("all", "all", True),
    ],
)
def test_only_what_comes_back_has_to_be_read_again(new: str, old: str, is_within: bool) -> None:
    assert FieldChoice.parse(new).is_within(FieldChoice.parse(old)) is is_within


@pytest.mark.parametrize("text", ["some", "only", "without", "all a", "only " + "x" * 101, "only a\x00b"])
def test_other_texts_are_no_choice(text: str) -> None:
    with pytest.raises(BadRequest):
        FieldChoice.parse(text)


def test_what_the_sync_needs_cannot_be_left_out(app: App, plan: Plan) -> None:
    with pytest.raises(BadRequest, match="id of contacts cannot be left out"):
        keep(app, "without id")
    with pytest.raises(BadRequest, match="no field nonsense"):
        keep(app, "only nonsense")
    assert {"contactId", "id", "locationId"} <= needed(RESOURCES["notes"])
    assert "orderId" in needed(RESOURCES["order_fulfillments"])
    assert not ResourceChoice.objects.exists()


def test_pages_events_and_answers_store_only_what_is_kept(app: App, plan: Plan) -> None:
    vendor = people()
    keep(app, "without phone")
    run_once(plan, vendor)
    records.apply_planned(
        [
            event(app, "c00001", email="new@example.com", phone="+49"),
            event(app, "new", Change.Kind.CREATED, id="new", phone="+50"),
        ]
    )
    records.apply(app.pk, LOCATION, "contacts", event(app, "c00002", phone="+51").change)
    vendor.hidden = {"c00000"}
    vendor.change("c00000", clock.now(), email="late@example.com", phone="+52")
    to_the_end(start(plan, full_due_at=None), vendor)
    assert "c00000" in vendor.asked, "its answer had the field, too"
    assert Record.objects.get(record_id="c00000").payload["email"] == "late@example.com"
    assert "phone" not in stored_fields()
    assert {"email", "firstName"} <= stored_fields()


def test_what_is_left_out_goes_from_records_history_and_feeds(app: App, plan: Plan) -> None:
    resource_choices.set_history(app, ["contacts"], clock.now(), keeps=True)
    vendor = people()
    plan.refresh_from_db()
    run_once(plan, vendor)
    records.apply_planned([event(app, "c00001", phone="+49"), event(app, "c00002", phone="+50", email="x@example.com")])
    settle(1)
    feed = ChangeFeed(app, "warehouse", "contacts")
    feed.acknowledge(feed.read())
    assert not feed.read()
    before = dict(Record.objects.values_list("record_id", "updated_at"))
    entries = HistoryEntry.objects.filter(what="changed")
    assert [set(one.fields) for one in entries.order_by("pk")] == [{"phone"}, {"phone", "email"}]
    keep(app, "without phone")
    plan.refresh_from_db()
    assert plan.fields_due_at is not None
    assert not plan.runs.running().exists(), "nothing is read again for that"
    assert tasks.FORGET_SOURCE.take(10, clock.now()) == [plan.pk]
    assert forget(plan) > 0
    assert "phone" not in stored_fields()
    assert [one.fields.keys() for one in entries.order_by("pk")] == [{"email"}], "an entry of nothing else is gone"
    assert Record.objects.exclude(last_change=None).count() == 0
    assert dict(Record.objects.values_list("record_id", "updated_at")) == before, "nothing has changed at the vendor"
    assert "phone" not in layout.of(app, "contacts").columns
    settle(2)
    again = {change.id: change.fields for change in feed.read()}
    assert again.keys() == before.keys(), "who reads the feed learns it"
    assert not any("phone" in fields for fields in again.values())


def test_a_field_that_a_page_under_way_brings_back_goes_in_the_second_pass(app: App, plan: Plan) -> None:
    run_once(plan, people())
    keep(app, "without phone")
    assert stripped_fields.forget(plan.pk) == 3
    late = Record.objects.get(record_id="c00001")
    Record.objects.filter(pk=late.pk).update(payload={**late.payload, "phone": "+1"})
    plan.refresh_from_db()
    assert plan.fields_chosen_at is not None
    assert plan.fields_due_at is not None
    assert plan.fields_due_at > plan.fields_chosen_at + timedelta(minutes=1)
    assert forget(plan) == 1
    assert "phone" not in stored_fields()


def test_many_records_go_in_batches(app: App, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    run_once(plan, people())
    keep(app, "only email")
    monkeypatch.setattr(stripped_fields, "ROWS", 2)
    monkeypatch.setattr(stripped_fields, "SECONDS", 0.0)
    assert stripped_fields.forget(plan.pk) == 0
    assert tasks.FORGET_SOURCE.take(10, clock.now()) == [plan.pk], "it is due again"
    monkeypatch.setattr(stripped_fields, "SECONDS", 10.0)
    assert forget(plan) == 3
    assert stored_fields() == {"id", "email", "dateAdded", "dateUpdated"}


def test_a_field_that_comes_back_is_read_anew(app: App, plan: Plan) -> None:
    vendor = people()
    keep(app, "without phone email")
    run_once(plan, vendor)
    Plan.objects.update(due_at=clock.now() + timedelta(hours=1), full_due_at=clock.now() + timedelta(days=1))
    sign(Plan)
    keep(app, "without email")
    plan.refresh_from_db()
    run = to_the_end(start(plan), vendor)
    assert run.kind == Run.Kind.FULL
    forget(plan)
    assert "phone" in stored_fields()
    assert "email" not in stored_fields()


def test_a_full_run_under_way_does_not_count_as_reading_anew(app: App, plan: Plan) -> None:
    vendor = people()
    keep(app, "without phone")
    run = start(plan)
    vendor.before = lambda number: keep(app, "all") and None
    turn(run, vendor)
    assert run.status == Run.Status.COMPLETE
    plan.refresh_from_db()
    assert plan.full_due_at is None
    assert plan.due_at is not None
    assert plan.due_at <= clock.now()


def test_a_location_keeps_its_own_fields_and_a_new_one_gets_the_app_s(app: App, plan: Plan) -> None:
    other = Plan.objects.create(app=app, location_id="other", resource="contacts", created_at=clock.now())
    assert keep(app, "only email", tenant=HERE) == 1
    assert keep(app, "without phone") == 1
    assert [Plan.objects.get(pk=one.pk).fields for one in (plan, other)] == [
        {"only": ["email"]},
        {"without": ["phone"]},
    ]
    columns = resource_choices.chosen_for(resource_choices.of_app(app.pk), "contacts")
    assert columns["fields"] == {"without": ["phone"]}
    resource_choices.follow_app(app, ["contacts"], clock.now(), tenant=HERE)
    plan.refresh_from_db()
    assert plan.fields == {"without": ["phone"]}
    assert plan.full_due_at is None, "what comes back is read"


def test_the_choice_is_in_the_audit_trail(app: App, plan: Plan) -> None:
    asked = WantedChoice(fields={"contacts": WITHOUT_PHONE})
    assert wanted.make(app, asked, clock.now(), actor="ann") == ["contacts"]
    assert AuditEntry.objects.get(action="sync.fields").detail["fields"] == "without phone"


def test_a_newer_choice_is_not_overtaken_by_the_older_one(
    app: App, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_once(plan, people())
    keep(app, "without phone")
    honest = stripped_fields._ids

    def find(*args: Any, **fields: Any) -> list[int]:
        found = honest(*args, **fields)
        if Plan.objects.filter(pk=plan.pk, fields={"without": ["phone"]}).exists():
            keep(app, "all")
        return found

    monkeypatch.setattr(stripped_fields, "_ids", find)
    assert stripped_fields.forget(plan.pk) == 0
    assert "phone" in stored_fields()
