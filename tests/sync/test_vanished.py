"""What a full run did not see is deleted: only when it is proven complete, and never much at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.sync import pace, records, vanished
from integrations.sync.models import Plan, Record, Run
from integrations.sync.resources import Change
from tests.sync.conftest import LOCATION, alive, walk
from tests.sync.listing import Listing, of


def full(plan: Plan, listing: Listing) -> Run:
    return walk(plan, listing, full_due_at=None)


def drop(listing: Listing, count: int) -> None:
    for record_id in sorted(listing.rows)[:count]:
        del listing.rows[record_id]


def test_what_the_vendor_no_longer_lists_is_deleted(plan: Plan) -> None:
    listing = of(250)
    full(plan, listing)
    drop(listing, 40)
    run = full(plan, listing)
    assert (run.deleted, run.error_code) == (40, "")
    assert alive() == set(listing.rows)


def test_an_incremental_run_deletes_nothing(plan: Plan) -> None:
    listing = of(20)
    full(plan, listing)
    drop(listing, 5)
    assert walk(plan, listing).deleted == 0
    assert len(alive()) == 20


def test_other_tenants_and_resources_are_not_touched(plan: Plan) -> None:
    listing = of(20)
    records.merge(plan.app_id, "elsewhere", "contacts", [{"id": "x"}])
    records.merge(plan.app_id, LOCATION, "opportunities", [{"id": "y"}])
    full(plan, listing)
    drop(listing, 5)
    assert full(plan, listing).deleted == 5
    assert {"x", "y"} <= alive()


def test_a_run_that_saw_less_than_the_vendor_counts_deletes_nothing(plan: Plan) -> None:
    listing = of(20)
    full(plan, listing)
    drop(listing, 5)
    listing.total_is = lambda count: count + 3
    run = full(plan, listing)
    plan.refresh_from_db()
    assert (run.status, run.error_code, run.deleted) == (Run.Status.COMPLETE, vanished.INCOMPLETE, 0)
    assert run.error == "saw 15 of 18 records, so nothing was deleted"
    assert len(alive()) == 20
    assert plan.full_due_at is not None
    assert plan.full_due_at <= clock.now() + pace.FULL_AGAIN, "it looks again before long"


def test_repeated_rows_do_not_make_up_for_missing_ones(plan: Plan) -> None:
    """Twenty rows came, but nineteen records: the proof counts records."""
    listing = of(20)
    full(plan, listing)
    del listing.rows["c00000"]
    listing.rows["again"] = {**listing.rows["c00019"], "dateAdded": "2027-01-01T00:00:00.000Z"}
    run = full(plan, listing)
    assert (run.seen, run.error_code, run.deleted) == (20, vanished.INCOMPLETE, 0)


def test_without_a_total_an_unbroken_chain_is_the_proof(plan: Plan) -> None:
    listing = of(150)
    listing.total_is = lambda count: None
    full(plan, listing)
    drop(listing, 10)
    assert full(plan, listing).deleted == 10


def test_a_record_that_a_webhook_brought_during_the_walk_stays(plan: Plan) -> None:
    listing = of(250)

    def between(number: int) -> None:
        if number == 3:
            change = Change("new", {"id": "new"}, clock.now(), deleted=False)
            records.patch(plan.app_id, LOCATION, "contacts", change)

    listing.before = between
    full(plan, listing)
    assert "new" in alive()
    listing.before = lambda number: None
    assert full(plan, listing).deleted == 1, "but the next full run does not find it either"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "gone", "deleted"),
    [(200, 50, 50), (300, 60, 60), (300, 61, 0), (60, 51, 0), (60, 50, 50), (60, 60, 0), (40, 40, 40)],
)
def test_the_brake_holds_when_more_than_a_fifth_and_more_than_fifty_would_vanish(
    plan: Plan, count: int, gone: int, deleted: int
) -> None:
    listing = of(count)
    full(plan, listing)
    drop(listing, gone)
    run = full(plan, listing)
    assert (run.status, run.deleted) == (Run.Status.COMPLETE, deleted)
    assert run.error_code == ("" if deleted else vanished.BRAKE)
    assert len(alive()) == count - deleted


def test_an_operator_lets_the_held_back_deletions_go(plan: Plan) -> None:
    listing = of(100)
    full(plan, listing)
    drop(listing, 60)
    run = full(plan, listing)
    assert run.error_code == vanished.BRAKE
    walk(plan, listing)
    assert vanished.release(run, clock.now()) == 60
    run.refresh_from_db()
    assert (run.deleted, run.error_code, alive()) == (60, "", set(listing.rows))
    with pytest.raises(BadRequest):
        vanished.release(run, clock.now())


def test_held_back_deletions_are_not_let_go_when_a_later_run_has_looked(plan: Plan) -> None:
    listing = of(100)
    full(plan, listing)
    saved = dict(listing.rows)
    drop(listing, 60)
    run = full(plan, listing)
    listing.rows = saved
    full(plan, listing)
    with pytest.raises(BadRequest, match="later full run"):
        vanished.release(run, clock.now())
    assert len(alive()) == 100


def test_tombstones_are_kept_for_a_while(plan: Plan) -> None:
    listing = of(20)
    full(plan, listing)
    drop(listing, 2)
    full(plan, listing)
    old = Record.objects.filter(deleted_at__isnull=False)[:1].values("pk")
    Record.objects.filter(pk__in=old).update(deleted_at=clock.now() - pace.KEEP_TOMBSTONES - timedelta(days=1))
    full(plan, listing)
    assert Record.objects.filter(deleted_at__isnull=False).count() == 1
