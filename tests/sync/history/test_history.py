"""The history of records: exact, whoever writes, sealed where the field is, shown as a difference, and gone in time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from integrations.core import clock
from integrations.sync import plans, records, resource_choices, sealed_fields
from integrations.sync.changes.change_origin import Origin, Source
from integrations.sync.history import shown
from integrations.sync.history.difference import ChangedPlace, differences
from integrations.sync.history.shown import Writer
from integrations.sync.models import HistoryEntry, Plan, Record, ResourceChoice
from integrations.sync.records import Placed
from integrations.sync.resources import Change
from integrations.tenants.models import App
from tests.support.signed import sign
from tests.sync.conftest import HERE, LOCATION, run_once
from tests.sync.listing import Listing

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
LISTED = Origin(Source.LISTING.value, "7")
Kind = Change.Kind


@pytest.fixture
def kept(plan: Plan) -> Plan:
    Plan.objects.update(keeps_history=True)
    sign(Plan)
    plan.refresh_from_db()
    return plan


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def row(record_id: str, minute: int = 0, **fields: Any) -> dict[str, Any]:
    return {"id": record_id, "dateUpdated": at(minute).isoformat(), **fields}


def merge(app: App, *rows: Any, origin: Origin | None = LISTED, **options: Any) -> None:
    records.merge(app.pk, LOCATION, "contacts", rows, origin=origin, **options)


def webhook(app: App, minute: int, kind: Kind = Kind.UPDATED, record_id: str = "a", **payload: Any) -> Placed:
    created_at = at(minute) if kind is Kind.CREATED else None
    change = Change(record_id, payload, at(minute), kind, created_at)
    return Placed(app.pk, LOCATION, "contacts", change, Origin(Source.EVENT.value, f"w{minute}", "ContactUpdate"))


def history(record_id: str = "a") -> list[tuple[str, dict[str, Any], str, str]]:
    rows = HistoryEntry.objects.filter(record_id=record_id).order_by("pk")
    return [(one.what, one.fields, one.source, one.reference) for one in rows]


def test_pages_and_webhooks_leave_what_they_changed(app: App, kept: Plan) -> None:
    merge(app, row("a", firstName="Ann", tags=["x"]), row("b"))
    merge(app, row("a", 1, firstName="Anna", tags=["x"], dnd=True), row("b"))
    records.apply_planned([webhook(app, 2, phone="+1"), webhook(app, 3, Kind.DELETED), webhook(app, 5, Kind.CREATED)])
    said = history()
    assert [what for what, *_ in said] == ["added", "changed", "changed", "deleted", "restored"]
    assert said[1][1] == {
        "dateUpdated": [at(0).isoformat(), at(1).isoformat()],
        "dnd": [None, True],
        "firstName": ["Ann", "Anna"],
    }
    assert (said[2][1], *said[2][2:]) == ({"phone": [None, "+1"]}, "event", "w2")
    assert said[1][2:] == ("listing", "7")
    assert history("b") == [("added", {}, "listing", "7")], "what did not change has no entry"


def test_evidence_that_changes_nothing_leaves_nothing(app: App, kept: Plan) -> None:
    merge(app, row("a", 5, name="new"))
    merge(app, row("a", 4, name="old"), run_id=9, observed_at=at(0))
    records.apply_planned([webhook(app, 1, name="older")])
    merge(app, row("a", 5, name="new"), repair=True, observed_at=at(6))
    assert [what for what, *_ in history()] == ["added"]


def test_without_the_choice_nothing_is_kept_and_no_statement_is_added(app: App, plan: Plan) -> None:
    merge(app, row("a"), origin=None)
    with CaptureQueriesContext(connection) as asked:
        merge(app, row("a", 1), origin=None)
    records.apply_planned([webhook(app, 2, name="x")])
    assert not HistoryEntry.objects.exists()
    texts = [one["sql"] or "" for one in asked]  # None for a prepared statement
    assert not any("historyentry" in text or "last_change =" in text for text in texts)
    assert Record.objects.get().last_change is None


def test_a_page_with_history_costs_no_statement_more(app: App, kept: Plan) -> None:
    counts = []
    for origin in (None, LISTED):
        with CaptureQueriesContext(connection) as asked:
            merge(app, row("a", len(counts)), origin=origin)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_a_run_says_which_one_it_was_and_deletions_have_their_proof(app: App, kept: Plan) -> None:
    vendor = Listing()
    first, second = vendor.add(1), vendor.add(2)
    run = run_once(kept, vendor)
    assert history(first) == [("added", {}, "listing", str(run.pk))]
    del vendor.rows[second]
    again = run_once(kept, vendor, full_due_at=None)
    assert history(second)[1:] == [("deleted", {}, "call", str(again.pk))]
    assert Record.objects.get(record_id=second).deleted_by == "call"


def test_two_that_write_the_same_record_lose_no_step(app: App, kept: Plan) -> None:
    """The old value is read under the row's lock, so it is that of the one before."""
    merge(app, row("a", name="0"))
    with transaction.atomic():
        records.apply_planned([webhook(app, minute, name=str(minute)) for minute in (1, 2, 3)])
        merge(app, row("a", 4, name="4"))
    steps = [fields["name"] for _, fields, *_ in history()[1:]]
    assert steps == [["0", "1"], ["1", "2"], ["2", "3"], ["3", "4"]]


def test_sealed_fields_stay_sealed_and_open_for_those_who_may(app: App, kept: Plan, settings: Any) -> None:
    settings.SEALED_FIELDS = ["contacts.email"]
    merge(app, row("a", email="old@example.com"))
    merge(app, row("a", 1, email="new@example.com"))
    change = HistoryEntry.objects.get(what="changed")
    assert "example.com" not in json.dumps(change.fields)
    assert all(sealed_fields.is_sealed(value) for value in change.fields["email"])
    record = Record.objects.get()
    (latest, _) = shown.of(record, clock.now(), masked=False)
    assert ("email", "old@example.com", "new@example.com") in [
        (one.path, one.old, one.new) for one in latest.differences
    ]
    (masked, _) = shown.of(record, clock.now(), masked=True)
    assert "example.com" not in str(masked)


def test_another_setting_of_sealed_fields_is_no_change(app: App, kept: Plan, settings: Any) -> None:
    merge(app, row("a", email="ann@example.com"))
    settings.SEALED_FIELDS = ["contacts.email"]
    merge(app, row("a", 1, email="ann@example.com", dnd=True))
    assert "email" not in HistoryEntry.objects.get(what="changed").fields, "else the plain value would stay here"
    merge(app, row("a", 2, dnd=True))
    merge(app, row("a", 3, dnd=True, email="back@example.com"))
    assert HistoryEntry.objects.latest("pk").fields["email"][0] is None, "a new value is one"


def test_a_choice_reaches_the_plans_and_new_locations(app: App, kept: Plan) -> None:
    resource_choices.set_history(app, ["contacts", "orders"], clock.now(), keeps=False)
    assert not Plan.objects.filter(keeps_history=True).exists()
    resource_choices.set_history(app, ["contacts"], clock.now(), keeps=True)
    assert Plan.objects.get().keeps_history
    assert list(ResourceChoice.objects.filter(keeps_history=True).values_list("resource", "enabled")) == [
        ("contacts", True)
    ]
    resource_choices.set_history(app, ["contacts"], clock.now(), keeps=False, tenant=HERE)
    resource_choices.follow_app(app, ["contacts"], clock.now(), tenant=HERE)
    assert Plan.objects.get().keeps_history


def test_writes_of_ours_shortly_before_are_named(app: App, kept: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    merge(app, row("a"))
    merge(app, row("a", 1))
    now = clock.now()

    def find(record: Record, since: datetime, until: datetime) -> list[Writer]:
        return [Writer(now - timedelta(minutes=2), "job tidy called contacts.update-contact"), Writer(since, "old")]

    monkeypatch.setattr(shown, "WRITERS", [find])
    (latest, _) = shown.of(Record.objects.get(), clock.now(), masked=False)
    assert next(one.words for one in latest.writers).startswith("job tidy")


def test_the_command_prints_it(app: App, kept: Plan) -> None:
    merge(app, row("a", firstName="Ann"))
    records.apply_planned([webhook(app, 1, firstName="Anna")])
    out = StringIO()
    place = ("--location", LOCATION, "--app", app.client_id)
    call_command("records", "history", "contacts", "a", *place, stdout=out)
    assert "changed, shown by a webhook ContactUpdate" in out.getvalue()
    assert "firstName: Ann → Anna" in out.getvalue()
    out = StringIO()
    call_command("records", "history", "contacts", "a", *place, "--json", stdout=out)
    assert [one["what"] for one in json.loads(out.getvalue())] == ["changed", "added"]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, [("x.a.b", 1, 3)]),
        (["u", "v"], ["v", "w"], [("x[]", "u", None), ("x[]", None, "w")]),
        (["u", "v"], ["v", "u"], [("x", ["u", "v"], ["v", "u"])]),
        (
            [{"id": "f1", "value": 1}, {"id": "f2", "value": 2}],
            [{"id": "f2", "value": 3}],
            [("x[id=f1]", {"id": "f1", "value": 1}, None), ("x[id=f2].value", 2, 3)],
        ),
        ([1, 1], [1], [("x", [1, 1], [1])]),
        (True, 1, [("x", True, 1)]),
        (None, "n", [("x", None, "n")]),
        ({"k": list(range(9))}, {"k": "text"}, [("x.k", list(range(9)), "text")]),
    ],
)
def test_a_difference_names_the_places(old: Any, new: Any, found: list[tuple[str, Any, Any]]) -> None:
    assert differences({"x": [old, new]}) == [ChangedPlace(*one) for one in found]


def test_a_change_of_everything_is_one_place() -> None:
    many = {str(number): number for number in range(500)}
    assert [one.path for one in differences({"x": [many, {}]})] == ["x"]
    assert django_settings.RECORD_HISTORY_RETENTION_DAYS == 90


def test_what_is_deleted_takes_its_history_along(app: App, kept: Plan) -> None:
    merge(app, row("a"), row("b"))
    merge(app, row("a", 1))
    assert plans.delete_records(2, app=app, location_id=LOCATION) == (2, 2)
    assert plans.delete_records(2, app=app, location_id=LOCATION) == (0, 1)
    assert not HistoryEntry.objects.exists()
