"""What ends a turn ends it, whatever the job's function does with it, and nothing that never ran counts as done."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.jobs import job_run, writes
from integrations.jobs.define import background_job
from integrations.jobs.job_run import JobRun
from integrations.jobs.models import Run, Write
from integrations.tenants import lifecycle_hooks
from integrations.webhooks import handlers
from tests.jobs.conftest import Defined, ask, turn
from tests.jobs.test_writes import TEXT, Desk, defined, desk, later

__all__ = ["defined", "desk"]  # fixtures
pytestmark = pytest.mark.django_db


def test_a_job_that_catches_everything_still_stops_over_a_lost_answer(desk: Desk, defined: Defined) -> None:
    """It tries the others, too: nothing of it leaves."""

    def job(run: JobRun) -> None:
        for contact in desk.contacts:
            try:
                run.api.contacts.create_note(contactId=contact, body=TEXT)
            except BaseException as error:
                desk.seen.append(type(error).__name__)

    desk.vendor.fault(desk.path(1), "lost", times=1)
    run = turn(ask(defined(job), desk.location))
    assert (run.status, desk.seen) == ("unknown", ["UnknownFate"] * 4)
    assert [desk.notes(number) for number in range(5)] == [1, 1, 0, 0, 0]


def test_a_job_that_catches_everything_still_looks_up_later(desk: Desk, defined: Defined) -> None:
    def job(run: JobRun) -> None:
        try:
            run.once("k", "contacts.create-note", {"contactId": desk.contacts[0]}, TEXT, look_up=lambda: {"found": 1})
        except BaseException as error:
            desk.seen.append(type(error).__name__)

    desk.vendor.fault(desk.path(), "lost", times=1)
    run = turn(ask(defined(job), desk.location))
    assert (run.status, desk.seen, run.due_at > clock.now()) == ("running", ["LookUpLater"], True)


def test_a_listing_that_was_broken_off_is_not_complete(
    desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn was long enough after the first item, and the job took that for the end."""

    def job(run: JobRun) -> None:
        try:
            for contact in run.each(run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 100})):
                desk.seen.append(contact["id"])
        except BaseException:
            return

    chosen = defined(job)
    with monkeypatch.context() as patched:
        patched.setattr(job_run, "TURN", 0.0)
        run = turn(ask(chosen, desk.location))
    assert (run.status, len(desk.seen)) == ("running", 1)
    while run.status == "running":
        run = turn(run)
    assert (run.status, len(desk.seen), len(set(desk.seen))) == ("complete", 230, 230)


def generator(_: Any) -> Iterator[None]:
    yield


async def coroutine(_: Any) -> None: ...


async def async_generator(_: Any) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize("function", [generator, coroutine, async_generator])
def test_a_function_that_a_call_does_not_run_is_refused(function: Any) -> None:
    assert not inspect.isclass(function)
    for register in (background_job("test.never"), handlers.on_event("Never"), lifecycle_hooks.on("installed")):
        with pytest.raises(BadRequest, match="is a generator or an async function"):
            register(function)


@pytest.mark.parametrize("found", [[], {}, False, (one for one in ())])
def test_a_look_up_that_could_mean_either_is_refused(
    desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch, found: Any
) -> None:
    later(monkeypatch)

    def job(run: JobRun) -> None:
        params = {"contactId": desk.contacts[0]}
        run.once("k", "contacts.create-note", params, TEXT, look_up=lambda: found)

    desk.vendor.fault(desk.path(), "close", times=1)
    run = turn(turn(ask(defined(job), desk.location)))
    assert (run.status, Write.objects.get().state, desk.notes()) == ("failed", "unknown", 0)
    assert "it has to return the answer if the write happened" in run.error


def test_a_late_refusal_lets_the_run_go_on(desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that froze learns that the vendor refused, after another turn has stopped over its write."""
    refuse = writes.refuse

    def freeze(write: Write, *rest: Any) -> None:
        monkeypatch.setattr(writes, "refuse", refuse)
        Run.objects.filter(pk=run.pk).update(lease_until=clock.now() - timedelta(seconds=1))
        assert turn(run).status == "unknown"
        refuse(write, *rest)

    desk.vendor.fault(desk.path(), "status", times=1, status=422)
    run = ask(defined(desk.annotate), desk.location)
    monkeypatch.setattr(writes, "refuse", freeze)
    turn(run)
    assert (run.status, Write.objects.count()) == ("running", 0), "nobody could decide about a write that is gone"
    assert (turn(run).status, desk.notes()) == ("complete", 1)


def test_the_clock_of_another_machine_lets_nobody_look_too_early(desk: Desk, defined: Defined) -> None:
    """The worker whose answer is missing is an hour behind."""
    run = ask(defined(desk.annotate), desk.location)
    row = Write(schedule_id=run.schedule_id, operation="contacts.create-note", sent_at=clock.now())
    row.sent_at -= timedelta(hours=1)
    row.save()
    now = clock.now()
    writes.lose([row], writes.WORKER_ENDED, now)
    row.refresh_from_db()
    assert writes.seconds_for_answer(row, now) == writes.ANSWER_LOST_AFTER.total_seconds()
    with pytest.raises(BadRequest, match="the answer may still come"):
        writes.decide(row.pk, now, happened=False, by="operator ann")


def test_an_answer_that_comes_during_the_look_up_counts(
    desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)

    def look_up() -> None:
        answer = {"status": 201, "json": {"late": True}, "trace_id": None}
        row = Write.objects.get()
        Write.objects.filter(pk=row.pk).update(state="confirmed", answer=answer, settled_at=clock.now())

    def job(run: JobRun) -> None:
        params = {"contactId": desk.contacts[0]}
        desk.seen.append(run.once("k", "contacts.create-note", params, TEXT, look_up=look_up).json)

    desk.vendor.fault(desk.path(), "lost", times=1)
    run = turn(turn(ask(defined(job), desk.location)))
    assert (run.status, desk.seen, desk.notes()) == ("complete", [{"late": True}], 1)
