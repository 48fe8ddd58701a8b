"""Sync runs: pages, checkpoints, leases, errors, and listings that change while they are read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock, dispatch
from integrations.core.errors import (
    InstallGone,
    IntegrationError,
    LocationInactive,
    PayloadAnomalous,
    QuotaExhausted,
    RequestRejected,
    ScopeMissing,
    ServerFault,
    Unreachable,
    VendorAnswer,
)
from integrations.core.lease_owner import new_owner
from integrations.core.runs.turn import MOST_ATTEMPTS
from integrations.sync import plans, runs
from integrations.sync.models import Plan, Record, Run
from integrations.tenants.models import Installation
from tests.support.passed_time import time_passes
from tests.support.signed import sign
from tests.sync.conftest import LOCATION, alive, run_once, start, to_the_end, wake
from tests.sync.listing import Listing, Page, of

Status = Run.Status


def raising(listing: Listing, failures: dict[int, Exception]) -> Listing:
    """Let the requests of these numbers fail."""

    def before(number: int) -> None:
        if number in failures:
            raise failures[number]

    listing.before = before
    return listing


def test_a_full_run_brings_everything(plan: Plan) -> None:
    run = run_once(plan, of(250))
    assert (run.status, run.kind) == (Status.COMPLETE, "full")
    assert (run.pages, run.seen, run.total) == (3, 250, 250)
    assert len(alive()) == 250
    plan.refresh_from_db()
    assert plan.cursor_at == run.started_at
    assert plan.synced_at == run.finished_at
    assert plan.due_at is not None
    assert plan.due_at > clock.now()


def test_what_is_asked_of_the_gateway(plan: Plan) -> None:
    listing = of(101)
    run_once(plan, listing)
    first, second = listing.requests
    assert first["operation"] == "contacts.search-contacts-advanced"
    assert (first["app"], first["location"], first["lane"].value) == (plan.app, LOCATION, "bulk")
    assert first["body"] == second["body"]
    assert (first["cursor"] is None, second["cursor"] is None) == (True, False)
    assert first["deadline"] * 2 < Run.lease_term.total_seconds()


def test_what_is_stored_is_the_vendors_object(plan: Plan) -> None:
    listing = of(1)
    run_once(plan, listing)
    assert Record.objects.get().payload == listing.rows["c00000"]


def test_the_second_run_asks_for_changes_only(plan: Plan) -> None:
    listing = of(150)
    first = run_once(plan, listing)
    listing.change("c00007", clock.now(), firstName="changed")
    second = run_once(plan, listing)
    assert (second.kind, second.seen, second.status) == ("incremental", 1, Status.COMPLETE)
    assert Record.objects.get(record_id="c00007").payload["firstName"] == "changed"
    assert len(alive()) == 150
    asked = listing.requests[-2]["body"]["filters"][0]["value"]["gte"]
    assert listing.requests[-1]["body"]["pageLimit"] == 1, "the count of everything"
    assert asked < first.started_at.isoformat(), "incremental runs overlap"


def test_an_empty_listing_is_complete(plan: Plan) -> None:
    run = run_once(plan, of(0))
    assert (run.status, run.seen) == (Status.COMPLETE, 0)


def test_rows_without_an_id_are_counted_and_lose_nothing(plan: Plan) -> None:
    listing = of(5)
    listing.rows["c00002"].pop("id")
    listing.rows["c00002"]["id"] = ""
    run = run_once(plan, listing)
    assert (run.status, run.seen, run.skipped, run.error_code) == (Status.COMPLETE, 5, 1, "")
    assert len(alive()) == 4


def test_a_turn_ends_after_its_slice_and_the_next_goes_on(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "SLICE", 0.0)
    listing, run = of(250), start(plan)
    for pages in range(4):
        run.refresh_from_db()
        assert (run.status, run.pages) == (Status.RUNNING, 0), f"turn {pages} had no time"
        runs.advance(run.pk, page=listing.page, record=listing.record)
    assert listing.requests == []
    monkeypatch.setattr(runs, "SLICE", 10.0)
    runs.advance(run.pk, page=listing.page, record=listing.record)
    run.refresh_from_db()
    assert run.status == Status.COMPLETE


# --- quota and errors --------------------------------------------------------------------------------------------


def test_without_a_permit_the_run_waits_and_goes_on_where_it_was(plan: Plan) -> None:
    listing = raising(of(250), {2: QuotaExhausted("no permit", retry_after=3.5)})
    run, before = start(plan), clock.now()
    runs.advance(run.pk, page=listing.page, record=listing.record)
    run.refresh_from_db()
    assert (run.status, run.pages, run.attempts) == (Status.RUNNING, 1, 0)
    assert timedelta(seconds=3) < run.due_at - before < timedelta(seconds=5)
    assert run.lease_owner == ""

    runs.advance(run.pk, page=listing.page, record=listing.record)
    assert len(listing.requests) == 2, "not before it is due"
    wake(run)
    runs.advance(run.pk, page=listing.page, record=listing.record)
    run.refresh_from_db()
    assert (run.status, run.seen) == (Status.COMPLETE, 250)
    assert len(alive()) == 250


def test_a_long_wait_is_left_to_the_sweep(plan: Plan) -> None:
    run = run_once(plan, raising(of(5), {1: QuotaExhausted("the day's quota is used up", retry_after=7200.0)}))
    assert (run.lease_owner, run.lease_until) == ("", None)
    assert runs.take_due(100, clock.now()) == []
    time_passes(Run, timedelta(hours=3))
    assert runs.take_due(100, clock.now()) == [run.pk]


@pytest.mark.parametrize("error", [Unreachable("no answer"), ServerFault("502"), ValueError("a fault of ours: Ann")])
def test_what_may_pass_is_tried_again_later(plan: Plan, error: Exception) -> None:
    listing = raising(of(250), {2: error, 3: error})
    run = run_once(plan, listing)
    assert (run.status, run.pages, run.attempts) == (Status.RUNNING, 1, 1)
    assert run.error_code in ("unreachable", "server_fault", "unexpected")
    assert "Ann" not in run.error
    wake(run)
    runs.advance(run.pk, page=listing.page, record=listing.record)
    run.refresh_from_db()
    assert run.attempts == 2
    wake(run)
    runs.advance(run.pk, page=listing.page, record=listing.record)
    run.refresh_from_db()
    assert (run.status, run.attempts, run.error_code) == (Status.COMPLETE, 0, "")


def test_the_vendors_own_wait_is_kept(plan: Plan) -> None:
    before = clock.now()
    run = run_once(plan, raising(of(5), {1: ServerFault("503", retry_after=90.0)}))
    assert run.due_at >= before + timedelta(seconds=90)


def test_after_many_failures_the_run_is_given_up_and_the_plan_comes_again(plan: Plan) -> None:
    listing = raising(of(5), {number: ServerFault("502") for number in range(1, 100)})
    run = run_once(plan, listing)
    for _ in range(MOST_ATTEMPTS):
        wake(run)
        runs.advance(run.pk, page=listing.page, record=listing.record)
    run.refresh_from_db()
    plan.refresh_from_db()
    assert (run.status, run.error_code, len(listing.requests)) == (Status.FAILED, "server_fault", MOST_ATTEMPTS)
    assert run.error
    assert run.finished_at is not None
    assert plan.due_at is not None
    assert clock.now() < plan.due_at < clock.now() + timedelta(hours=2)


@pytest.mark.parametrize(
    "error",
    [ScopeMissing("contacts.readonly was not granted"), LocationInactive("the location is paused")],
)
def test_what_cannot_pass_fails_the_run_at_once(plan: Plan, error: IntegrationError) -> None:
    run = run_once(plan, raising(of(250), {2: error}))
    plan.refresh_from_db()
    assert (run.status, run.error_code, run.error) == (Status.FAILED, error.code, str(error))
    assert len(alive()) == 100, "what came before is kept"
    assert plan.due_at is not None


@pytest.mark.parametrize(
    "error",
    [
        RequestRejected("no such page", vendor=VendorAnswer(status=404)),
        PayloadAnomalous("the answer holds no list under contacts"),
    ],
)
def test_one_anomalous_answer_costs_seconds_and_one_page(plan: Plan, error: IntegrationError) -> None:
    listing, before = raising(of(250), {2: error}), clock.now()
    run = run_once(plan, listing)
    assert (run.status, run.pages, run.attempts, run.error_code) == (Status.RUNNING, 1, 1, error.code)
    assert run.due_at - before < timedelta(seconds=10)
    to_the_end(run, listing)
    assert (run.status, run.seen, run.error_code, len(listing.requests)) == (Status.COMPLETE, 250, "", 4)


def test_a_page_that_is_refused_again_and_again_fails_the_run(plan: Plan) -> None:
    refusal = RequestRejected("no such page", vendor=VendorAnswer(status=404))
    listing = raising(of(250), dict.fromkeys(range(2, 99), refusal))
    run = to_the_end(run_once(plan, listing), listing)
    assert (run.status, run.error_code, len(listing.requests)) == (Status.FAILED, "request_rejected", 5)


def test_a_failed_run_is_followed_by_one_that_sees_everything(plan: Plan) -> None:
    run_once(plan, raising(of(250), {2: ScopeMissing("contacts.readonly was not granted")}))
    run = run_once(plan, of(250))
    assert (run.kind, run.seen, len(alive())) == ("full", 250, 250)


def test_a_run_that_failed_by_an_outage_goes_on_at_its_checkpoint(plan: Plan) -> None:
    listing = raising(of(350), {number: ServerFault("502") for number in range(3, 3 + MOST_ATTEMPTS)})
    failed = to_the_end(run_once(plan, listing), listing)
    assert (failed.status, failed.pages) == (Status.FAILED, 2)
    again = run_once(plan, listing)
    assert (again.pk, again.status, again.started_at) == (failed.pk, Status.COMPLETE, failed.started_at)
    assert (again.pages, again.seen, again.error_code, len(alive())) == (4, 350, "", 350)
    assert len(listing.requests) == 2 + MOST_ATTEMPTS + 2, "no page is read twice"
    plan.refresh_from_db()
    assert plan.cursor_at == failed.started_at


@pytest.mark.parametrize("change", ["old", "repair", "other error", "no page"])
def test_a_checkpoint_that_is_not_valid_any_more_is_left(plan: Plan, change: str) -> None:
    first = 1 if change == "no page" else 3
    listing = raising(of(350), {number: ServerFault("502") for number in range(first, first + MOST_ATTEMPTS)})
    failed = to_the_end(run_once(plan, listing), listing)
    if change == "old":
        Run.objects.update(started_at=clock.now() - plans.RESUME_WINDOW - timedelta(seconds=1))
    elif change == "other error":
        Run.objects.update(error_code="request_rejected")
    asked_at = {"repair_asked_at": clock.now()} if change == "repair" else {}
    again = run_once(plan, listing, **asked_at)
    assert (again.pk > failed.pk, again.status, again.pages) == (True, Status.COMPLETE, 4)
    assert Run.objects.get(pk=failed.pk).status == Status.FAILED


def test_an_uninstall_under_the_run_cancels_it(plan: Plan) -> None:
    run = run_once(plan, raising(of(250), {2: InstallGone("uninstalled")}))
    plan.refresh_from_db()
    assert (run.status, run.error_code) == (Status.CANCELLED, "install_gone")
    assert plan.due_at is not None, "should it be installed after all"
    assert plan.due_at > clock.now()


def test_a_filter_that_the_vendor_refuses_makes_the_run_a_full_one(plan: Plan) -> None:
    listing = of(150)
    run_once(plan, listing)
    number = len(listing.requests)
    refusal = RequestRejected("property filters should not exist", vendor=VendorAnswer(status=422))
    raising(listing, {number + 1: refusal, number + 2: refusal})
    run = run_once(plan, listing)
    assert (run.status, run.kind) == (Status.RUNNING, "incremental"), "a single refusal may be a false answer"
    to_the_end(run, listing)
    assert (run.status, run.kind, run.seen, run.error_code) == (Status.COMPLETE, "full", 150, "")


def test_a_page_that_is_its_own_successor_ends_in_failure(plan: Plan) -> None:
    def page(operation: str, **arguments: Any) -> Page:
        return Page([{"id": "a"}], 9, {"searchAfter": [1, "a"]})

    run = start(plan)
    for _ in range(MOST_ATTEMPTS):
        assert run.status == Status.RUNNING
        wake(run)
        runs.advance(run.pk, page=page)
        run.refresh_from_db()
    assert (run.status, run.error_code) == (Status.FAILED, "payload_anomalous")


def test_a_resource_that_is_no_more_fails_its_run(plan: Plan) -> None:
    Plan.objects.filter(pk=plan.pk).update(resource="faxes")
    sign(Plan)
    assert run_once(plan, of(1)).status == Status.FAILED


# --- lists that change between pages -----------------------------------------------------------------------------


def test_rows_that_come_and_go_between_pages_neither_hide_nor_repeat_others(plan: Plan) -> None:
    listing = of(300)
    run_once(plan, listing)

    def between(number: int) -> None:
        if number == base + 2:  # one page was read
            for record_id in ("c00003", "c00050", "c00150", "c00250"):
                del listing.rows[record_id]
            listing.add(1000)
            listing.add(1001)
            listing.change("c00010", clock.now(), firstName="changed on a page that was read")

    base = len(listing.requests)
    listing.before = between
    run = run_once(plan, listing, full_due_at=None)
    assert run.status == Status.COMPLETE
    assert (run.error_code, run.deleted) == ("", 2), "deleted before their page was read"
    assert alive() == set(listing.rows) | {"c00003", "c00050"}, "deleted after it"

    listing.before = lambda number: None
    run = run_once(plan, listing)
    assert (run.kind, run.deleted) == ("full", 2), "the incremental run's count shows that two are too many"
    assert Record.objects.get(record_id="c00010").payload["firstName"] == "changed on a page that was read"
    assert alive() == set(listing.rows)


# --- leases ------------------------------------------------------------------------------------------------------


def test_a_run_that_a_worker_has_is_left_alone(plan: Plan) -> None:
    listing, run = of(5), start(plan)
    assert Run.objects.claim(run.pk, "another")
    runs.advance(run.pk, page=listing.page, record=listing.record)
    assert listing.requests == []


def test_a_stalled_worker_whose_lease_was_taken_writes_nothing(plan: Plan) -> None:
    """The first worker stands still inside its second request; another takes the run over and ends it."""
    slow, quick, run = of(250), of(250), start(plan)
    slow.rows["c00150"]["firstName"] = "stale"

    def stall(number: int) -> None:
        if number == 2:
            Run.objects.filter(pk=run.pk).update(lease_until=clock.now() - timedelta(seconds=1))
            runs.advance(run.pk, page=quick.page, record=quick.record)

    slow.before = stall
    runs.advance(run.pk, page=slow.page, record=slow.record)
    run.refresh_from_db()
    assert (run.status, run.pages, run.seen) == (Status.COMPLETE, 3, 250)
    assert len(slow.requests) == 2
    assert Record.objects.get(record_id="c00150").payload["firstName"] == "Name 150"
    assert len(alive()) == 250


def test_a_stalled_worker_cannot_end_a_run_that_is_not_its_own(plan: Plan) -> None:
    listing, run = of(5), start(plan)

    def stall(number: int) -> None:
        Run.objects.filter(pk=run.pk).update(lease_owner="another", lease_until=clock.now() + Run.lease_term)
        raise RequestRejected("no", vendor=VendorAnswer(status=404))

    listing.before = stall
    runs.advance(run.pk, page=listing.page, record=listing.record)
    run.refresh_from_db()
    assert (run.status, run.lease_owner) == (Status.RUNNING, "another")


def test_an_operator_may_cancel_under_the_worker(plan: Plan) -> None:
    listing, run = of(250), start(plan)

    def cancel(number: int) -> None:
        if number == 2:
            runs.cancel(Run.objects.all(), clock.now(), reason="by an operator")

    listing.before = cancel
    runs.advance(run.pk, page=listing.page, record=listing.record)
    assert len(alive()) == 100


def test_runs_without_a_worker_are_found(plan: Plan) -> None:
    run, now = start(plan), clock.now()
    assert runs.take_due(100, now) == [run.pk]
    assert runs.take_due(100, now) == [], "its message is on its way"
    time_passes(Run, dispatch.LOST_AFTER + timedelta(seconds=1))
    assert runs.take_due(100, now) == [run.pk]
    assert runs.take_due(100, now) == [], "and now again"
    run.refresh_from_db()
    assert run.attempts == 0, "a lost message is no failure"


def test_a_page_that_kills_its_workers_ends_in_failure(plan: Plan) -> None:
    listing, run = of(5), start(plan)
    for _ in range(MOST_ATTEMPTS):
        assert Run.objects.claim(run.pk, new_owner()), "and dies"
        time_passes(Run, Run.lease_term + timedelta(seconds=1))
        assert runs.take_due(100, clock.now()) == [run.pk]
    Run.objects.filter(pk=run.pk).update(lease_until=clock.now() + Run.lease_term)
    runs.advance(run.pk, page=listing.page, record=listing.record)
    run.refresh_from_db()
    assert (run.status, run.error_code, listing.requests) == (Status.FAILED, "worker_lost", [])


def test_forget_during_a_run(plan: Plan, installation: Installation) -> None:
    listing, run = of(250), start(plan)

    def uninstall(number: int) -> None:
        if number == 2:
            Installation.objects.update(status=Installation.Status.UNINSTALLED)
            assert plans.delete_plans(plan.app_id, LOCATION)

    listing.before = uninstall
    runs.advance(run.pk, page=listing.page, record=listing.record)
    assert len(listing.requests) == 2
    assert not Record.objects.exists()
    assert not Plan.objects.exists()
    assert not Run.objects.exists()
