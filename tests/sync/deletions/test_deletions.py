"""What a full run did not list is deleted: only when each record is proven to be gone, and never much at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.sync import deletions, pace, records
from integrations.sync.models import Plan, Record, Run
from integrations.sync.resources import Change
from tests.sync.conftest import LOCATION, alive, start, to_the_end
from tests.sync.listing import Listing, of


def full(plan: Plan, listing: Listing) -> Run:
    return to_the_end(start(plan, full_due_at=None), listing)


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
    assert len(set(listing.asked)) == 40 + 1, "each of them, and one record that the listing showed"
    assert run.asked == 40 + 1
    assert set(Record.objects.exclude(deleted_at=None).values_list("deleted_by", flat=True)) == {"call"}


def test_other_tenants_and_resources_are_not_touched(plan: Plan) -> None:
    listing = of(20)
    records.merge(plan.app_id, "elsewhere", "contacts", [{"id": "x"}])
    records.merge(plan.app_id, LOCATION, "opportunities", [{"id": "y"}])
    full(plan, listing)
    drop(listing, 5)
    assert full(plan, listing).deleted == 5
    assert {"x", "y"} <= alive()


def test_a_record_that_a_webhook_brought_during_the_run_stays(plan: Plan) -> None:
    listing = of(250)

    def between(number: int) -> None:
        if number == 3:
            now = clock.now()
            change = Change("new", {"id": "new"}, now, Change.Kind.CREATED, now)
            records.apply(plan.app_id, LOCATION, "contacts", change)

    listing.before = between
    full(plan, listing)
    assert "new" in alive()
    assert "new" not in listing.asked, "the vendor's index may trail the webhook"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "gone", "deleted"),
    [(200, 50, 50), (300, 60, 60), (300, 61, 0), (60, 51, 0), (60, 50, 50), (40, 39, 39)],
)
def test_the_brake_holds_when_more_than_a_fifth_and_more_than_fifty_would_vanish(
    plan: Plan, count: int, gone: int, deleted: int
) -> None:
    listing = of(count)
    full(plan, listing)
    drop(listing, gone)
    run = full(plan, listing)
    assert (run.status, run.deleted) == (Run.Status.COMPLETE, deleted)
    assert run.error_code == ("" if deleted else deletions.BRAKE)
    assert len(alive()) == count - deleted


def test_an_operator_lets_the_held_back_deletions_go(plan: Plan) -> None:
    listing = of(100)
    full(plan, listing)
    drop(listing, 60)
    run = full(plan, listing)
    assert run.error_code == deletions.BRAKE
    assert deletions.release(run, clock.now()) == 60
    run.refresh_from_db()
    assert (run.deleted, run.error_code, alive()) == (60, "", set(listing.rows))
    with pytest.raises(BadRequest):
        deletions.release(run, clock.now())


def test_held_back_deletions_are_not_let_go_when_a_later_run_has_looked(plan: Plan) -> None:
    listing = of(100)
    full(plan, listing)
    saved = dict(listing.rows)
    drop(listing, 60)
    run = full(plan, listing)
    listing.rows = saved
    full(plan, listing)
    with pytest.raises(BadRequest, match="newer full run"):
        deletions.release(run, clock.now())
    assert len(alive()) == 100


def test_tombstones_are_kept_for_a_while(plan: Plan) -> None:
    listing = of(20)
    full(plan, listing)
    drop(listing, 2)
    full(plan, listing)
    assert Record.objects.filter(deleted_at__isnull=False).count() == 2
    old = Record.objects.filter(deleted_at__isnull=False)[:1].values("pk")
    Record.objects.filter(pk__in=old).update(deleted_at=clock.now() - pace.keep_tombstones() - timedelta(days=1))
    full(plan, listing)
    assert Record.objects.filter(deleted_at__isnull=False).count() == 1
