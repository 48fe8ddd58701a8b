"""Children of single records: read where the parent changed, within the plan's calls of a day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import RequestRejected, VendorAnswer
from integrations.gateway import client
from integrations.highlevel.catalogue import Operation, PreparedRequest
from integrations.highlevel.http.transport import Response
from integrations.sync import pace, runs, visits
from integrations.sync.models import Plan, Record, Run
from integrations.sync.resources import RESOURCES
from integrations.tenants.models import App, Installation
from tests.sync.conftest import LOCATION, alive, start
from tests.sync.resources import every_resource
from tests.sync.resources.every_resource import AnyVendor

NOTES = RESOURCES["notes"]


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch, app: App, installation: Installation) -> AnyVendor:
    """Three contacts in the copy, with one note each at the vendor."""
    answering = AnyVendor(LOCATION)
    monkeypatch.setattr(client, "perform", answering.perform)
    for number in range(3):
        place(app, f"c{number}", clock.now() - timedelta(hours=3, minutes=-number))
    answering.give(NOTES, [note(number) for number in range(3)])
    return answering


def place(app: App, contact: str, changed_at: datetime, **fields: Any) -> None:
    columns = {"payload": {"id": contact}, "version_at": changed_at, "updated_at": changed_at, **fields}
    Record.objects.update_or_create(
        app=app, location_id=LOCATION, resource="contacts", record_id=contact, defaults=columns
    )


def note(number: int, **fields: Any) -> dict[str, Any]:
    return every_resource.row(NOTES, number, clock.now() - timedelta(days=1), contactId=f"c{number % 3}", **fields)


def visit(app: App, **fields: Any) -> Run:
    plan = Plan.objects.filter(resource="notes").first()
    plan = plan or Plan.objects.create(app=app, location_id=LOCATION, resource="notes", created_at=clock.now())
    run = start(plan, **fields)
    runs.advance(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error) == ("complete", "")
    return run


def plan() -> Plan:
    return Plan.objects.get(resource="notes")


def test_only_parents_that_changed_are_visited(app: App, vendor: AnyVendor) -> None:
    run = visit(app)
    assert (run.kind, run.pages, run.seen) == ("full", 3, 3)
    assert alive(resource="notes") == {NOTES.record_id(note(number)) for number in range(3)}
    assert plan().synced_at is not None
    assert plan().full_due_at > clock.now() + pace.VISIT_ALL_EVERY * 0.45

    place(app, "c1", clock.now() - timedelta(hours=1))
    run = visit(app)
    assert (run.kind, run.pages) == ("incremental", 1)
    place(app, "c1", clock.now())
    assert visit(app).pages == 0, "what changed this minute may not be all that changed until then"


def test_the_days_calls_end_a_run_and_the_next_day_goes_on(app: App, vendor: AnyVendor) -> None:
    run = visit(app, calls_per_day=2)
    assert (run.pages, len(alive(resource="notes"))) == (2, 2)
    row = plan()
    assert (row.calls_today, row.synced_at) == (2, None), "not all parents were visited once"
    assert row.due_at >= clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert visit(app).pages == 0
    Plan.objects.update(calls_on=clock.now().date() - timedelta(days=1))
    run = visit(app)
    assert (run.kind, run.pages, len(alive(resource="notes"))) == ("incremental", 1, 3)
    assert plan().synced_at is not None


def test_a_turn_that_ends_in_between_goes_on_where_it_was(
    app: App, vendor: AnyVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    Plan.objects.create(app=app, location_id=LOCATION, resource="notes", created_at=clock.now())
    run = start(plan())
    over = iter([False, True])
    monkeypatch.setattr(runs.SyncTurn, "_is_over", lambda _: next(over, False))
    runs.advance(run.pk)
    run.refresh_from_db()
    assert (run.status, run.pages, run.checkpoint["done"]) == ("running", 1, 1)
    runs.advance(run.pk)
    run.refresh_from_db()
    assert (run.status, run.pages) == ("complete", 3)


def test_a_note_that_its_contact_lacks_is_asked_for_before_it_is_deleted(app: App, vendor: AnyVendor) -> None:
    visit(app)
    vendor.give(NOTES, [note(number) for number in (0, 2)])
    place(app, "c0", clock.now() - timedelta(hours=1))
    assert visit(app).asked == 0, "the contact that lost one was not visited"
    place(app, "c1", clock.now() - timedelta(minutes=30))
    run = visit(app)
    assert (run.asked, run.deleted) == (1, 1)
    gone = Record.objects.get(resource="notes", deleted_at__isnull=False)
    assert (gone.record_id, gone.deleted_by) == (NOTES.record_id(note(1)), "call")


def test_notes_are_deleted_with_their_contact(app: App, vendor: AnyVendor) -> None:
    visit(app)
    place(app, "c2", clock.now() - timedelta(hours=1), deleted_at=clock.now(), deleted_by="event")
    run = visit(app)
    assert (run.pages, run.deleted) == (0, 1)
    assert Record.objects.get(resource="notes", deleted_at__isnull=False).deleted_by == "parent"


def test_a_contact_that_is_gone_at_the_vendor_costs_one_call_and_no_run(
    app: App, vendor: AnyVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy does not know yet. The others are read, and the notes that it had are asked for one by one."""
    visit(app)
    for number in range(3):
        place(app, f"c{number}", clock.now() - timedelta(hours=1, minutes=-number))

    def perform(operation: Operation, key: Any, request: PreparedRequest, **how: Any) -> Response:
        if "/c1/" not in request.path:
            return vendor.perform(operation, key, request, **how)
        vendor.asked.append(operation.key)
        said = VendorAnswer(status=404, message="Contact with id c1 not found")
        raise RequestRejected("not found", vendor=said)

    monkeypatch.setattr(client, "perform", perform)
    vendor.asked.clear()
    run = visit(app)
    assert (run.pages, run.asked, run.deleted) == (3, 1, 1)
    assert vendor.asked.count(NOTES.operation) == 3
    assert alive(resource="notes") == {NOTES.record_id(note(number)) for number in (0, 2)}
    assert visits.calls_left(plan(), clock.now()) == pace.VISIT_CALLS_A_DAY - 6


def test_a_full_run_visits_every_contact_again(app: App, vendor: AnyVendor) -> None:
    visit(app)
    assert visit(app).pages == 0
    run = visit(app, full_due_at=None)
    assert (run.kind, run.pages) == ("full", 3)
