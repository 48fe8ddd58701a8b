"""Writes whose answer was lost: the run stops, and nothing is sent again until somebody says what happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import BadRequest, MissingPermit, QuotaExhausted, Unreachable
from integrations.core.models import AuditEntry
from integrations.gateway.facade import v2
from integrations.highlevel.http.transport import Transport
from integrations.jobs import events, schedules, writes
from integrations.jobs.job_run import JobRun
from integrations.jobs.models import Run, Schedule, Trigger, Write
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from integrations.webhooks.models import Event, Mailbox
from tests.jobs.conftest import Defined, ask, turn
from tests.plugin.vendor import Vendor

pytestmark = pytest.mark.django_db
TEXT = {"body": "hello"}
# What loses an answer: what happens at the vendor, and whether the write happened.
LOST = [("lost", {}, 1), ("truncated", {}, 1), ("garbage", {}, 1), ("close", {}, 0), ("status", {"status": 502}, 0)]
REFUSED = [("status", {"status": 422}, "failed"), ("quota", {}, "running")]


class Desk:
    """Contacts of the location, and the notes that the vendor has of them."""

    def __init__(self, app: App, location: str, vendor: Vendor) -> None:
        self.api, self.vendor, self.location = v2.Api(app, location=location, lane=Lane.EVENTS), vendor, location
        first = self.api.contacts.search_contacts_advanced(body={"pageLimit": 5}).json["contacts"]
        self.contacts = [contact["id"] for contact in first]
        self.seen: list[Any] = []

    def path(self, number: int = 0) -> str:
        return f"/contacts/{self.contacts[number]}/notes"

    def notes(self, number: int = 0) -> int:
        found = self.api.contacts.get_all_notes(contactId=self.contacts[number]).json["notes"]
        return sum(note["body"] == TEXT["body"] for note in found)

    def annotate(self, run: JobRun) -> None:
        """Writes a note for each contact."""
        for contact in self.contacts:
            self.seen.append(run.api.contacts.create_note(contactId=contact, body=TEXT).json)


@pytest.fixture
def defined(defined: Defined) -> Defined:
    """In a lane that waits long enough for its permits on a slow machine."""
    return partial(defined, lane=Lane.EVENTS)


@pytest.fixture
def desk(app: App, location: str, vendor: Vendor) -> Desk:
    return Desk(app, location, vendor)


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer can come any more."""
    monkeypatch.setattr(writes, "ANSWER_LOST_AFTER", timedelta(0))


def test_a_run_whose_writes_are_answered_leaves_nothing(desk: Desk, defined: Defined) -> None:
    run = turn(ask(defined(desk.annotate), desk.location))
    assert (run.status, [desk.notes(number) for number in range(5)]) == ("complete", [1] * 5)
    assert not Write.objects.exists()


def test_no_answer_stops_the_run_until_a_person_has_decided(
    desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.vendor.fault(desk.path(1), "lost", times=1)
    run = turn(ask(defined(desk.annotate), desk.location))
    assert (run.status, run.error_code, len(desk.seen)) == ("unknown", "fate_unknown", 1)
    assert "contacts.create-note was sent at" in run.error
    assert turn(run).status == "unknown", "no turn goes on with it"
    schedules.run_now(Schedule.objects.all(), clock.now())
    assert schedules.start_due(clock.now()) == [], "nor does another run begin"
    write = Write.objects.unknown().get()
    assert write.request["params"] == {"contactId": desk.contacts[1]}
    with pytest.raises(BadRequest, match="the answer may still come: decide in"):
        writes.decide(write.pk, clock.now(), happened=True, by="operator ann")
    later(monkeypatch)
    assert writes.decide(write.pk, clock.now(), happened=True, answer={"note": 7}, by="operator ann").goes_on
    with pytest.raises(BadRequest, match="not unknown"):
        writes.decide(write.pk, clock.now(), happened=True, by="operator ann")
    assert AuditEntry.objects.filter(actor="operator ann", action="job.write_happened").count() == 1
    assert turn(run).status == "complete"
    assert [desk.notes(number) for number in range(5)] == [1] * 5
    assert desk.seen[0] == desk.seen[1], "the first write was answered: its answer is there again"
    assert desk.seen[2] == {"note": 7}


def test_every_way_to_lose_an_answer_and_every_refusal(
    desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    job = defined(lambda run: run.api.contacts.create_note(contactId=desk.contacts[0], body=TEXT))
    for number, (kind, params, there) in enumerate(LOST):
        desk.vendor.fault(desk.path(), kind, times=1, **params)
        run = turn(ask(job, desk.location))
        assert run.status == "unknown", kind
        write = Write.objects.unknown().get()
        assert writes.decide(write.pk, clock.now(), happened=bool(there), by="operator ann").goes_on
        assert (turn(run).status, desk.notes()) == ("complete", number + 1), kind
    for kind, params, status in REFUSED:
        desk.vendor.fault(desk.path(), kind, times=1, **params)
        run = turn(ask(job, desk.location))
        assert (run.status, Write.objects.count()) == (status, 0), f"{kind} proves that it did not happen"
        Run.objects.all().delete()


def test_what_never_left_is_tried_again(desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_transport: Any, _request: Any) -> Any:
        raise Unreachable("HighLevel cannot be reached", sent=False)

    monkeypatch.setattr(Transport, "send", refused)
    run = turn(ask(defined(desk.annotate), desk.location))
    assert (run.status, run.error_code, Write.objects.count()) == ("running", "unreachable", 0)


def test_writes_that_do_no_harm_twice_are_sent_again(desk: Desk, defined: Defined) -> None:
    """Tags are a set, an update names its contact; what else is harmless the job says."""
    contact = desk.contacts[0]

    def job(run: JobRun) -> None:
        run.repeatable.contacts.create_note(contactId=contact, body=TEXT)
        run.api.contacts.add_tags(contactId=contact, body={"tags": ["new"]})
        run.api.contacts.update_contact(contactId=contact, body={"firstName": "Ann"})

    for path in (f"/contacts/{contact}/notes", f"/contacts/{contact}/tags"):
        desk.vendor.fault(path, "lost", times=1)
    run = ask(defined(job), desk.location)
    statuses = [turn(run).status for _ in range(3)]
    assert (statuses, Write.objects.count(), desk.notes()) == (["running", "running", "complete"], 0, 3)


def test_a_killed_worker_leaves_a_write_that_the_next_turn_finds(
    desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread ends between the vendor's answer and its settlement, as a SIGKILL ends it."""

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    run = ask(defined(desk.annotate), desk.location)
    with monkeypatch.context() as patched:
        patched.setattr(writes, "confirm", die)
        with pytest.raises(Killed):
            turn(run)
    assert Write.objects.get().state == "sent"
    Run.objects.filter(pk=run.pk).update(lease_until=clock.now() - timedelta(seconds=1))
    run = turn(run)
    assert (run.status, desk.notes()) == ("unknown", 1)
    assert "the worker ended between the request and its answer" in run.error
    later(monkeypatch)
    writes.decide(Write.objects.get().pk, clock.now(), happened=True, by="operator ann")
    assert (turn(run).status, desk.notes(), desk.seen[0]) == ("complete", 1, None)


def test_a_late_answer_settles_the_write_and_its_run_goes_on(
    desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that froze has its answer after another turn has given it up."""
    confirm = writes.confirm

    def freeze(write: Write, *rest: Any) -> None:
        monkeypatch.setattr(writes, "confirm", confirm)
        Run.objects.filter(pk=run.pk).update(lease_until=clock.now() - timedelta(seconds=1))
        assert turn(run).status == "unknown"
        confirm(write, *rest)

    run = ask(defined(desk.annotate), desk.location)
    monkeypatch.setattr(writes, "confirm", freeze)
    turn(run)
    assert (run.status, Write.objects.get().state) == ("running", "confirmed")
    assert (turn(run).status, desk.notes()) == ("complete", 1)


def test_a_worker_without_the_lease_sends_nothing(
    desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(run: JobRun) -> None:
        Run.objects.update(lease_owner="another", lease_until=clock.now() + timedelta(minutes=1))
        desk.annotate(run)

    turn(ask(defined(taken), desk.location))
    assert (desk.notes(), desk.seen, Write.objects.count()) == (0, [], 0)
    assert desk.vendor.state()["quota"][desk.location]["burst_remaining"] > 0


def test_a_turn_that_repeats_a_page_repeats_no_write_of_it(desk: Desk, defined: Defined) -> None:
    """Also where the requests of several items are the same, and where the rest of the page was kept."""
    seen: list[str] = []

    def job(run: JobRun) -> None:
        for contact in run.each(run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 4})):
            run.api.contacts.create_note(contactId=desk.contacts[0], body=TEXT)
            seen.append(contact["id"])
            if len(seen) in (3, 7):
                raise QuotaExhausted("none", retry_after=0.1, permit=MissingPermit("app", desk.location, "bulk"))
            if len(seen) == 11:
                raise ZeroDivisionError
            if len(set(seen)) == 14:
                return

    run = ask(defined(job), desk.location)
    assert [turn(run).status for _ in range(3)] == ["running", "running", "failed"]
    assert schedules.resume(run, clock.now())
    assert turn(run).status == "complete"
    assert len(seen) > len(set(seen)) == desk.notes(), "every contact has its note, although some were seen twice"
    assert not Write.objects.exists()


def test_an_event_that_is_retried_repeats_no_write(app: App, desk: Desk, defined: Defined) -> None:
    """The job failed over it after its first write. Another run, after an operator asked for it, does the rest."""
    refuse = True

    def job(run: JobRun) -> None:
        for _ in run.events():
            run.api.contacts.create_note(contactId=desk.contacts[0], body=TEXT)
            if refuse:
                raise BadRequest("no")
            run.api.contacts.create_note(contactId=desk.contacts[0], body=TEXT)

    chosen = defined(job, on="ContactCreate")
    run = ask(chosen, desk.location)
    box = Mailbox.objects.create(app=app, tenant=f"location:{desk.location}", due_at=clock.now())
    moments = dict.fromkeys(("occurred_at", "received_at", "due_at"), clock.now())
    event = Event.objects.create(app=app, mailbox=box, webhook_id="w1", type="ContactCreate", payload={}, **moments)
    Trigger.objects.create(schedule=run.schedule, event=event)
    assert (turn(run).status, desk.notes()) == ("failed", 1)
    refuse = False
    assert events.retry(Trigger.objects.all())
    again = turn(ask(chosen, desk.location))
    assert (again.pk != run.pk, again.status, desk.notes()) == (True, "complete", 2)
    assert not Write.objects.exists()


# --- run.once ----------------------------------------------------------------------------------------------------


def once(desk: Desk, key: str = "welcome", **how: Any) -> Callable[[JobRun], None]:
    def job(run: JobRun) -> None:
        params = {"contactId": desk.contacts[0]}
        desk.seen.append(run.once(key, "contacts.create-note", params, TEXT, **how))

    return job


def test_a_key_sends_once_in_all_runs(desk: Desk, defined: Defined) -> None:
    job = defined(once(desk))
    runs_ = [turn(ask(job, desk.location)) for _ in range(3)]
    assert ({run.status for run in runs_}, len({run.pk for run in runs_}), desk.notes()) == ({"complete"}, 3, 1)
    answers = [(result.status, result.json) for result in desk.seen]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 201
    row = Write.objects.get()
    assert (row.key, row.state, row.request, row.run) == ("welcome", "confirmed", {}, None)
    other = defined(once(desk, "another"), name="test.other")
    assert turn(ask(other, desk.location)).status == "complete"
    assert desk.notes() == 2


@pytest.mark.parametrize(("kind", "there"), [("lost", 1), ("close", 0)])
def test_an_unknown_key_asks_its_look_up_once_no_answer_can_come(
    desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch, kind: str, there: int
) -> None:
    asked: list[int] = []

    def look_up() -> Any:
        asked.append(desk.notes())
        return {"found": True} if asked[-1] else None

    desk.vendor.fault(desk.path(), kind, times=1)
    run = turn(ask(defined(once(desk, look_up=look_up)), desk.location))
    wait = (run.due_at - clock.now()).total_seconds()
    assert (run.status, run.attempts, asked, 50 < wait <= 60) == ("running", 0, [], True)
    run = turn(run)
    assert (run.status, asked) == ("running", []), "it is too early to look"
    later(monkeypatch)
    assert turn(run).status == "complete"
    assert (asked, desk.notes()) == ([there], 1)
    assert desk.seen[0].json == {"found": True} if there else desk.seen[0].status == 201


def test_an_unknown_key_without_look_up_waits_for_a_person(
    desk: Desk, defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    desk.vendor.fault(desk.path(), "close", times=1)
    run = turn(ask(defined(once(desk)), desk.location))
    assert (run.status, desk.notes()) == ("unknown", 0)
    assert "contacts.create-note (welcome) was sent at" in run.error
    assert writes.decide(Write.objects.get().pk, clock.now(), happened=False, by="operator ann").goes_on
    assert (turn(run).status, desk.notes(), Write.objects.get().state) == ("complete", 1, "confirmed")


def test_a_key_has_a_length_and_names_one_operation(desk: Desk, defined: Defined) -> None:
    for number, key in enumerate(["", "x" * 201, "nul\0"]):
        run = turn(ask(defined(once(desk, key), name=f"test.{number}"), desk.location))
        assert (run.status, run.error_code) == ("failed", "bad_request")
        assert "1 to 200 characters" in run.error

    def job(run: JobRun) -> None:
        run.once("k", "contacts.create-note", {"contactId": desk.contacts[0]}, TEXT)
        run.once("k", "contacts.create-task", {"contactId": desk.contacts[0]}, {"title": "call"})

    run = turn(ask(defined(job), desk.location))
    assert (run.status, desk.notes()) == ("failed", 1)
    assert "the key 'k' was used for contacts.create-note" in run.error
