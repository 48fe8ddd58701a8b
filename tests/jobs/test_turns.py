"""A job's function, called turn by turn at the sandbox vendor: progress, places, and what errors make of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import (
    LocationInactive,
    MissingPermit,
    QuotaExhausted,
    Retryable,
    ServerFault,
    StoreUnavailable,
    VendorAnswer,
)
from integrations.core.observing import log_scope
from integrations.core.runs import turn as engine
from integrations.core.runs.turn import MOST_ATTEMPTS
from integrations.jobs import api, job_run, runs
from integrations.jobs.job_run import JobRun
from integrations.jobs.models import Run
from integrations.jobs.queries import outcome
from integrations.quota.models import Parked
from integrations.tenants.models import App, Installation
from tests.jobs.conftest import CONTACTS, PAGES, Defined, ask, schedule_of, turn
from tests.plugin.vendor import Vendor
from tests.support.own_sleep import replace_sleep
from tests.support.passed_time import time_passes
from tests.support.traced import traced

pytestmark = pytest.mark.django_db


def listing(run: JobRun) -> Any:
    return run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 100})


def test_a_run_walks_through_every_page_and_shows_it(location: str, defined: Defined) -> None:
    seen: list[str] = []

    def job(run: JobRun) -> None:
        """Sees everybody."""
        for contact in run.each(listing(run)):
            seen.append(contact["id"])
            run.count("seen")
        run.note = "all is well"

    run = turn(ask(defined(job), location))
    assert (run.status, run.done, run.total, run.turns) == ("complete", CONTACTS, CONTACTS, 1)
    assert len(set(seen)) == CONTACTS
    assert outcome(run) == f"{CONTACTS} seen; all is well"
    assert (run.page, run.lease_owner, run.lease_until) == (None, "", None)
    assert schedule_of(run).since == run.started_at


def test_lines_of_a_turn_have_its_job_run_and_tenant(location: str, defined: Defined) -> None:
    found: list[dict[str, Any]] = []

    def job(run: JobRun) -> None:
        """Looks at what its log lines would have."""
        found.append(dict(log_scope.current()))

    one = turn(ask(defined(job), location))
    assert found == [{"job": one.schedule.job, "run": one.pk, "tenant": f"location:{location}"}]
    assert "run" not in log_scope.current()


def test_a_trace_leads_from_the_turn_over_its_permit_to_the_call(location: str, defined: Defined) -> None:
    def job(run: JobRun) -> None:
        """Makes one call."""
        run.api.contacts.search_contacts_advanced(body={"pageLimit": 1})

    with traced() as found:
        turn(ask(defined(job), location))
        call = next(name for name in found.names() if name.startswith("call "))
        around = [call, f"turn {found.spans()[0].name.removeprefix('turn ')}"]
        assert found.chain(found.one("wait for a permit")) == ["wait for a permit", *around]
        sent = next(one for one in found.spans() if one.name == "POST 127.0.0.1" and found.chain(one)[1:] == around)
        assert sent.attributes is not None
        assert sent.attributes["http.response.status_code"] == 200


def test_a_turn_ends_after_a_page_and_the_next_one_goes_on_there(
    location: str, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_run, "TURN", 0.0)
    seen: list[str] = []

    def job(run: JobRun) -> None:
        for page in listing(run):
            seen.extend(contact["id"] for contact in page.items)

    run = ask(defined(job), location)
    for turns_taken in range(1, PAGES + 1):
        run = turn(run)
        assert (run.status, run.turns, len(seen)) == ("running", turns_taken, min(100 * turns_taken, CONTACTS))
    assert turn(run).status == "complete"
    assert len(seen) == len(set(seen)) == CONTACTS, "no page twice, none left out"


def test_a_listing_that_is_done_yields_nothing_in_later_turns(
    location: str, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_run, "TURN", 0.0)
    walked: list[tuple[int, int]] = []

    def job(run: JobRun) -> None:
        for number in (1, 2):
            for page in listing(run):
                walked.append((number, len(page.items)))
                if number == 1:
                    break

    run = ask(defined(job), location)
    for _ in range(6):
        run = turn(run)
    assert run.status == "complete"
    assert walked == [(1, 100), (2, 100), (2, 100), (2, 30), (2, 0)], "the first one was left on its first page"


def test_a_text_that_the_database_does_not_take_stops_no_turn(
    location: str, defined: Defined, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the page in hand is kept when the turn is over, with what somebody put into a form."""
    page = {"contacts": [{"id": "a"}, {"id": "b", "firstName": "A\0"}], "total": 2}
    vendor.fault("/contacts/search", "status", status=200, body=page)
    monkeypatch.setattr(job_run, "TURN", 0.0)
    names: list[Any] = []

    def walk(run: JobRun) -> None:
        for contact in run.each(listing(run)):
            names.append(contact.get("firstName"))

    run = turn(ask(defined(walk), location))
    assert (run.status, run.error) == ("running", "")
    assert run.page == {"items": [{"id": "b", "firstName": "A\ufffd"}], "total": 2, "next": None}
    turn(run)
    assert names == [None, "A\ufffd"]


@pytest.mark.parametrize("refusal", [QuotaExhausted, StoreUnavailable])
def test_a_job_without_a_permit_is_parked_in_the_middle_of_a_page_and_goes_on_there(
    location: str, defined: Defined, vendor: Vendor, refusal: type[Retryable]
) -> None:
    seen: list[str] = []
    refuse = True

    def job(run: JobRun) -> None:
        for contact in run.each(listing(run)):
            if len(seen) == 150 and refuse:
                raise refusal("none", retry_after=3.0, permit=MissingPermit("app", location, "bulk", "burst"))
            seen.append(contact["id"])

    run = turn(ask(defined(job), location))
    assert (run.status, run.done, run.attempts) == ("running", 150, 0)
    assert run.lease_owner == "queued"
    parked = Parked.objects.get()
    assert (parked.task, parked.kwargs, parked.lane) == ("jobs.advance", {"run_id": run.pk}, "bulk")
    time_passes(Run, timedelta(minutes=5))
    assert runs.take_due(100, clock.now()) == [], "its place in line is not doubled"
    refuse, before = False, vendor.state()["quota"][location]["requests"]
    run = turn(run)
    assert (run.status, run.done, len(seen)) == ("complete", CONTACTS, CONTACTS)
    assert len(set(seen)) == CONTACTS
    assert vendor.state()["quota"][location]["requests"] == before + PAGES - 2, "the page in hand was not fetched again"


def test_a_unit_of_work_that_has_begun_waits_for_its_permit(
    location: str, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parked, it would begin again with its first call, and might never come to its second."""
    refused = [False, True, False]
    waits: list[float] = []
    replace_sleep(monkeypatch, waits.append)

    def act() -> str:
        if refused.pop(0):
            raise QuotaExhausted("none", retry_after=0.4)
        return "answer"

    def job(run: JobRun) -> None:
        for _ in run.track([1]):
            assert isinstance(run.api, api.InRun)
            run.note = run.api._asked(act) + run.api._asked(act)

    run = turn(ask(defined(job), location))
    assert (run.status, run.note, waits) == ("complete", "answeranswer", [0.4])


@pytest.mark.parametrize(("retry_after", "wait"), [(120.0, 120.0), (None, 2.0)])
def test_a_retryable_error_puts_the_run_off(
    location: str, defined: Defined, monkeypatch: pytest.MonkeyPatch, retry_after: float | None, wait: float
) -> None:
    monkeypatch.setattr(engine, "backoff", lambda attempt, **_: 2.0)

    def job(run: JobRun) -> None:
        vendor = VendorAnswer(trace_id="t-1", message="oops")
        raise ServerFault("the vendor is unwell", retry_after=retry_after, vendor=vendor)

    now = clock.now()
    run = turn(ask(defined(job), location))
    assert (run.status, run.attempts, run.error_code, run.trace_id) == ("running", 1, "server_fault", "t-1")
    assert run.error == "the vendor is unwell: oops"
    assert wait <= (run.due_at - now).total_seconds() < wait + 5
    time_passes(Run, timedelta(seconds=wait - 1))
    assert runs.take_due(100, now) == []


def test_a_run_that_fails_again_and_again_is_given_up_and_its_schedule_goes_on(location: str, defined: Defined) -> None:
    def job(run: JobRun) -> None:
        raise ServerFault("the vendor is unwell")

    run = ask(defined(job, every=timedelta(hours=1)), location)
    for _ in range(MOST_ATTEMPTS):
        assert run.status == "running"
        run = turn(run)
    assert (run.status, run.error) == ("failed", "the vendor is unwell (10 times in a row)")
    due_at = schedule_of(run).due_at
    assert due_at is not None
    assert timedelta(minutes=50) < due_at - clock.now() < timedelta(minutes=61)
    assert schedule_of(run).since is None


def test_progress_resets_the_count_of_failures(location: str, defined: Defined) -> None:
    fails = True

    def job(run: JobRun) -> None:
        if fails:
            raise ServerFault("the vendor is unwell")
        run.checkpoint = {"mine": 7}
        raise ServerFault("the vendor is unwell again")

    run = ask(defined(job), location)
    for _ in range(3):
        run = turn(run)
    assert run.attempts == 3
    fails = False
    run = turn(run)
    assert (run.attempts, run.checkpoint["own"]) == (1, {"mine": 7})


def test_a_permanent_error_fails_the_run(location: str, defined: Defined) -> None:
    def job(run: JobRun) -> None:
        run.api.contacts.get_contact(contactId="nobody")

    run = turn(ask(defined(job), location))
    assert (run.status, run.error_code) == ("failed", "request_rejected")
    assert run.trace_id


def test_a_paused_location_fails_the_run_and_keeps_the_schedule(location: str, defined: Defined) -> None:
    def job(run: JobRun) -> None:
        raise LocationInactive("paused")

    run = turn(ask(defined(job, every=timedelta(hours=1)), location))
    assert (run.status, run.error_code) == ("failed", "location_inactive")
    assert schedule_of(run).due_at is not None


def test_a_mistake_in_the_job_fails_it_and_has_the_position_but_no_personal_data(
    location: str, defined: Defined
) -> None:
    def job(run: JobRun) -> None:
        {}["ann@example.com"]

    run = turn(ask(defined(job), location))
    assert (run.status, run.error_code) == ("failed", "unexpected")
    assert run.error.startswith("KeyError in job, line ")
    assert "test_turns.py" in run.error
    assert "ann" not in run.error


def test_a_cancelled_run_stops_at_its_next_write(
    location: str, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_run, "_LOOK_EVERY", 0.0)
    seen: list[int] = []

    def job(run: JobRun) -> None:
        for number in run.track(range(10), total=10):
            seen.append(number)
            if number == 3:
                runs.cancel(Run.objects.all(), clock.now(), reason="by an operator")
        raise AssertionError("it went on")

    run = turn(ask(defined(job), location))
    assert (run.status, run.error, seen) == ("cancelled", "by an operator", [0, 1, 2, 3])


def test_an_uninstall_ends_the_run_before_its_next_turn(location: str, defined: Defined) -> None:
    called: list[JobRun] = []
    run = ask(defined(called.append), location)
    Installation.objects.update(status=Installation.Status.UNINSTALLED)
    run = turn(run)
    assert (run.status, run.error_code, called) == ("cancelled", "install_gone", [])


def test_a_worker_that_does_not_know_the_job_leaves_it_alone(location: str, defined: Defined) -> None:
    run = ask(defined(lambda run: None), location)
    runs.JOBS.clear()
    assert turn(run).status == "running"
    time_passes(Run, timedelta(hours=1))
    assert runs.take_due(100, clock.now()) == []


def test_only_one_worker_at_a_time(location: str, defined: Defined) -> None:
    inner: list[Any] = []

    def job(run: JobRun) -> None:
        inner.append(run)
        runs.advance(Run.objects.get().pk)

    turn(ask(defined(job), location))
    assert len(inner) == 1


def test_the_run_names_its_tenant(app: App, location: str, defined: Defined) -> None:
    given: dict[str, Any] = {}

    def job(run: JobRun) -> None:
        given.update(app=run.app, location=run.location, company=run.company, since=run.since)

    one = turn(ask(defined(job), location))
    assert given == {"app": app, "location": location, "company": None, "since": None}
    turn(ask(runs.JOBS["test.job"], location))
    assert given["since"] == one.started_at
