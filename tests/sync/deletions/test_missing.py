"""False listings: a record that exists is never deleted, and a false answer costs minutes and few calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import RequestRejected, ServerFault, VendorAnswer
from integrations.sync import deletions, missing, pace, runs
from integrations.sync import listing as vendor_side
from integrations.sync.evidence import INDEX_LAG
from integrations.sync.models import Plan, Record, Run
from integrations.sync.resources import RESOURCES
from tests.support.signed import sign
from tests.sync.conftest import LOCATION, alive, start, to_the_end, turn, wake
from tests.sync.listing import Listing, Page, of


def full(plan: Plan, listing: Listing) -> Run:
    return to_the_end(start(plan, full_due_at=None), listing)


def synced(plan: Plan, count: int) -> Listing:
    listing = of(count)
    full(plan, listing)
    return listing


def empty_from(page: int) -> Callable[[Listing], None]:
    """From this page on the listing is empty, and its total 0."""

    def lie(listing: Listing) -> None:
        honest, base = listing.page, len(listing.requests)

        def page_of(operation: str, **arguments: Any) -> Any:
            got = honest(operation, **arguments)
            return Page([], 0, None) if len(listing.requests) >= base + page else got

        listing.page = page_of  # type: ignore[method-assign]

    return lie


def silent(listing: Listing) -> None:
    """A part of the index is silent, and the total is that of the rest."""
    listing.hidden = {record_id for record_id in listing.rows if int(record_id[1:]) % 5 == 0}


def without_total(listing: Listing) -> None:
    silent(listing)
    listing.total_is = lambda count: None


def cut_by_total(listing: Listing) -> None:
    """The first page calls itself the last, and its total agrees."""
    honest = listing.page

    def page_of(operation: str, **arguments: Any) -> Any:
        got = honest(operation, **arguments)
        return Page(got.items, len(got.items), None)

    listing.page = page_of  # type: ignore[method-assign]


LIES = {
    "empty at once": empty_from(1),
    "empty in the middle": empty_from(2),
    "a silent part": silent,
    "without a total": without_total,
    "cut by its total": cut_by_total,
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
@pytest.mark.parametrize("count", [5, 250])
def test_no_false_listing_deletes_a_record(plan: Plan, lie: Callable[[Listing], None], count: int) -> None:
    listing = synced(plan, count)
    base = len(listing.asked)
    lie(listing)
    run = full(plan, listing)
    assert (run.status, run.deleted, len(alive())) == ("complete", 0, count)
    assert len(listing.asked) - base <= 2 * missing.FALSE_LISTING + 52, "the run stops asking"
    if count == 250:
        plan.refresh_from_db()
        assert run.error_code == deletions.INCOMPLETE
        assert plan.due_at is not None
        assert plan.due_at <= clock.now() + pace.FULL_AGAIN, "minutes, not an hour"


def test_an_empty_answer_in_the_middle_is_asked_for_again_at_its_page(plan: Plan) -> None:
    listing, honest = of(250), of(250)
    empty_from(2)(listing)
    run, before = turn(start(plan), listing), clock.now()
    assert (run.status, run.pages, run.error_code) == ("running", 1, "payload_anomalous")
    assert run.due_at - before < timedelta(seconds=10)
    to_the_end(run, honest)
    assert (run.status, run.seen, run.total, run.error_code) == ("complete", 250, 250, "")
    assert len(honest.requests) == 2, "it begins at the page that was false"


def test_true_deletions_are_found_though_the_listing_is_false(plan: Plan) -> None:
    listing = synced(plan, 60)
    for record_id in ("c00003", "c00007"):
        del listing.rows[record_id]
    listing.hidden = {"c00010", "c00020"}
    run = full(plan, listing)
    assert (run.deleted, run.error_code) == (2, deletions.INCOMPLETE)
    assert alive() == set(listing.rows)
    assert "the listing lacks 2 records that exist" in run.error


def test_a_wrong_total_delays_no_deletion(plan: Plan) -> None:
    listing = synced(plan, 20)
    del listing.rows["c00004"]
    listing.total_is = lambda count: count + 3
    run = full(plan, listing)
    assert (run.deleted, run.error_code, run.error) == (1, deletions.INCOMPLETE, "saw 19 of 22 records")


def test_the_waits_grow_while_the_total_stays_wrong(plan: Plan) -> None:
    listing = of(20)
    listing.total_is = lambda count: count + 3
    waits = []
    for _ in range(6):
        finished = full(plan, listing).finished_at
        plan.refresh_from_db()
        assert plan.full_due_at is not None
        assert finished is not None
        waits.append((plan.full_due_at - finished) / timedelta(minutes=1))
    assert [round(wait / waits[0]) for wait in waits[:5]] == [1, 4, 16, 64, 256]
    assert waits[0] <= 2
    assert waits[5] <= 24 * 60


@pytest.mark.parametrize(("kind", "column"), [("full", "alive_at"), ("repair", "updated_at")])
def test_what_the_index_may_not_show_yet_is_not_asked_for(plan: Plan, kind: str, column: str) -> None:
    """A record that was there right before the listing: its absence says nothing.

    A repair does not believe the vendor's dates, so it goes by the time of the last write here.
    """
    listing = synced(plan, 20)
    old = clock.now() - timedelta(days=1)
    Record.objects.update(alive_at=old, updated_at=old)
    listing.hidden = {"c00004", "c00005"}
    for record_id, age in (
        ("c00004", INDEX_LAG - timedelta(seconds=20)),
        ("c00005", INDEX_LAG + timedelta(seconds=20)),
    ):
        Record.objects.filter(record_id=record_id).update(**{column: clock.now() - age})
    if kind == "repair":
        Plan.objects.update(repair_asked_at=clock.now())
    base = len(listing.asked)
    run = full(plan, listing)
    assert run.kind == kind
    assert [one for one in listing.asked[base:] if one in listing.hidden] == ["c00005"]


@pytest.mark.parametrize(
    ("row", "here"),
    [
        ({"locationId": LOCATION}, True),
        ({"locationId": None}, True),
        ({}, True),
        ({"locationId": "another"}, False),
        ({"locationId": LOCATION, "deleted": True}, False),
        ({"roles": {"locationIds": [LOCATION, "another"]}}, True),
        ({"roles": {"locationIds": ["another"]}}, False),
        ({"roles": {"locationIds": []}}, True),
    ],
)
def test_an_answer_about_another_locations_record_is_not_about_ours(row: dict[str, Any], here: bool) -> None:
    assert RESOURCES["users"].is_in(row, LOCATION) is here


def test_an_operation_that_denies_what_the_listing_shows_proves_nothing(plan: Plan) -> None:
    listing = synced(plan, 20)
    del listing.rows["c00004"]
    listing.record = lambda *_, **__: None  # type: ignore[method-assign]
    run = full(plan, listing)
    assert (run.deleted, len(alive()), run.error_code) == (0, 20, deletions.INCOMPLETE)
    assert "a listed record does not exist" in run.error


def test_a_listing_that_is_empty_has_to_stay_so(plan: Plan) -> None:
    """There is no record left by which the answers could be judged."""
    listing = synced(plan, 5)
    listing.rows.clear()
    run = full(plan, listing)
    assert (run.deleted, len(alive()), run.error_code) == (0, 5, deletions.INCOMPLETE)
    Record.objects.update(missing_at=clock.now() - pace.AGREE_AFTER - timedelta(minutes=1))
    run = full(plan, listing)
    assert (run.deleted, run.error_code, alive()) == (5, "", set())


def test_an_answer_that_says_neither_keeps_the_record(plan: Plan) -> None:
    listing = synced(plan, 20)
    honest = listing.record
    for record_id in ("c00004", "c00005"):
        del listing.rows[record_id]

    def refuse(single: Any, record_id: str, **arguments: Any) -> Any:
        if record_id == "c00004":
            raise RequestRejected("no access", vendor=VendorAnswer(status=403))
        return honest(single, record_id, **arguments)

    listing.record = refuse  # type: ignore[method-assign]
    run = full(plan, listing)
    assert (run.deleted, run.error_code) == (1, deletions.INCOMPLETE)
    assert "c00004" in alive()


def test_a_record_that_breaks_the_vendor_fails_no_run(plan: Plan) -> None:
    listing = synced(plan, 20)
    honest = listing.record
    for record_id in ("c00004", "c00005"):
        del listing.rows[record_id]

    def broken(single: Any, record_id: str, **arguments: Any) -> Any:
        if record_id == "c00004":
            raise ServerFault("502")
        return honest(single, record_id, **arguments)

    listing.record = broken  # type: ignore[method-assign]
    run = full(plan, listing)
    assert (run.status, run.deleted) == ("complete", 1)


def test_a_run_asks_for_a_limited_number(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "MOST_ASKED", 7)
    monkeypatch.setattr(pace, "MOST_ASKED_PER_PAGE", 1)
    listing = synced(plan, 60)
    for number in range(10):
        del listing.rows[f"c{number:05}"]
    run = full(plan, listing)
    assert (run.asked, run.deleted, run.error) == (7, 6, "4 missing records are not checked yet")
    assert full(plan, listing).deleted == 4
    assert alive() == set(listing.rows)


def test_the_questions_go_on_where_the_last_turn_stopped(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = synced(plan, 60)
    for number in range(10):
        del listing.rows[f"c{number:05}"]
    base, run = len(listing.asked), start(plan, full_due_at=None)
    honest, times = listing.record, iter([False] * 5 + [True] + [False] * 99)

    def sometimes(single: Any, record_id: str, **arguments: Any) -> Any:
        if next(times):
            raise ServerFault("502")
        return honest(single, record_id, **arguments)

    listing.record = sometimes  # type: ignore[method-assign]
    turn(run, listing)
    assert (run.status, run.attempts) == ("running", 1)
    pages = len(listing.requests)
    to_the_end(run, listing)
    assert (run.deleted, len(listing.requests)) == (10, pages)
    assert len(listing.asked) - base == 10 + 1, "no record is asked for twice"


def test_a_list_without_single_records_has_to_lack_them_twice(plan: Plan) -> None:
    Plan.objects.update(resource="pipelines")
    sign(Plan)
    rows = [{"id": "p1"}, {"id": "p2"}]

    def page(operation: str, **arguments: Any) -> Any:
        return Page(list(rows), None, None)

    def once() -> Run:
        run = start(Plan.objects.get())
        runs.advance(run.pk, page=page)
        run.refresh_from_db()
        return run

    once()
    rows.pop()
    assert (once().deleted, alive()) == (0, {"p1", "p2"})
    assert (once().deleted, alive()) == (0, {"p1", "p2"}), "minutes later: the same false answer, perhaps"
    Record.objects.filter(record_id="p2").update(missing_at=clock.now() - pace.AGREE_AFTER - timedelta(seconds=9))
    assert (once().deleted, alive()) == (1, {"p1"})
    assert Record.objects.get(record_id="p2").deleted_by == "listing"
    rows.append({"id": "p2"})
    Record.objects.filter(record_id="p2").update(deleted_at=clock.now() - timedelta(minutes=5))
    once()
    assert alive() == {"p1", "p2"}, "a listing that is read later brings it back"


@pytest.mark.parametrize(
    ("status", "message", "missing_record"),
    [
        (400, "Contact with id abc not found", True),
        (404, "Not Found", True),
        (404, None, True),
        (422, "The contact does not exist", True),
        (404, "Cannot GET /contacts/abc", False),
        (400, "version header was not found.", False),
        (400, "Location not found", False),
        (400, "Bad Request", False),
        (403, "not found", False),
        (401, "Invalid token: not found", False),
    ],
)
def test_what_the_vendor_says_of_an_unknown_id(status: int, message: str | None, missing_record: bool) -> None:
    assert vendor_side.says_missing(VendorAnswer(status=status, message=message)) is missing_record


# --- repair and counts --------------------------------------------------------------------------------------------


def test_a_repair_compares_everything(plan: Plan) -> None:
    listing = synced(plan, 120)
    long_ago, far_ahead = clock.now() - timedelta(days=1), clock.now() + timedelta(days=999)
    del listing.rows["c00003"]
    Record.objects.update(updated_at=long_ago)
    Record.objects.filter(record_id="c00003").update(alive_at=far_ahead, version_at=far_ahead)
    Record.objects.filter(record_id="c00005").update(payload={"id": "c00005"}, version_at=far_ahead)
    Record.objects.filter(record_id="c00006").update(deleted_at=far_ahead, deleted_by="event")
    Record.objects.filter(record_id="c00007").delete()
    plan.refresh_from_db()
    full(plan, listing)
    assert Record.objects.get(record_id="c00005").payload == {"id": "c00005"}, "a full run believes the copy's dates"

    Record.objects.update(updated_at=long_ago)
    Plan.objects.update(repair_asked_at=clock.now())
    run = to_the_end(start(plan), listing)
    plan.refresh_from_db()
    assert (run.kind, run.status, run.changed, run.deleted) == ("repair", "complete", 2, 1)
    assert {record.record_id: record.payload for record in Record.objects.filter(deleted_at=None)} == listing.rows
    assert plan.repair_asked_at is None
    assert to_the_end(start(plan), listing).kind == "incremental"


def test_a_deletion_without_a_webhook_is_found_by_the_count(plan: Plan) -> None:
    listing = synced(plan, 150)
    quiet = to_the_end(start(plan), listing)
    assert (quiet.kind, quiet.deleted) == ("incremental", 0)
    base = len(listing.requests)
    assert to_the_end(start(plan), listing).kind == "incremental"
    assert len(listing.requests) == base + 1, "nothing changed, so it is not counted each time"

    del listing.rows["c00042"]
    Plan.objects.update(counted_at=clock.now() - pace.COUNT_EVERY)
    run = to_the_end(start(plan), listing)
    assert (run.kind, run.deleted, alive()) == ("full", 1, set(listing.rows))


def test_a_count_that_stays_wrong_costs_one_listing(plan: Plan) -> None:
    listing = synced(plan, 150)
    listing.total_is = lambda count: max(count - 2, 0)
    kinds = []
    for _ in range(3):
        Plan.objects.update(counted_at=None)
        kinds.append(to_the_end(start(plan), listing).kind)
    assert kinds == ["full", "incremental", "incremental"]
    assert len(alive()) == 150


def test_a_large_listing_is_not_repeated_by_each_count(plan: Plan) -> None:
    listing = synced(plan, 150)
    Run.objects.update(pages=500)
    del listing.rows["c00042"]
    assert to_the_end(start(plan), listing).kind == "incremental"
    Run.objects.update(finished_at=clock.now() - pace.between_listings(500))
    Plan.objects.update(counted_at=None)
    assert to_the_end(start(plan), listing).kind == "full"
    assert pace.between_listings(500) < timedelta(hours=4), "hours, also for 50,000 records"


def test_what_the_index_does_not_show_yet_is_no_difference(plan: Plan) -> None:
    listing = synced(plan, 50)
    del listing.rows["c00042"]
    Record.objects.filter(record_id="c00042").update(deleted_at=clock.now(), deleted_by="event")
    listing.total_is = lambda count: count + 1
    assert to_the_end(start(plan), listing).kind == "incremental"


def test_a_plan_may_be_asked_for_a_repair(plan: Plan) -> None:
    assert LOCATION
    listing = synced(plan, 5)
    run = start(plan)
    Plan.objects.update(repair_asked_at=clock.now(), due_at=clock.now())
    sign(Plan)
    to_the_end(run, listing)
    assert run.kind == "incremental", "the run under way goes on"
    wake(run)
    assert to_the_end(start(plan), listing).kind == "repair"
