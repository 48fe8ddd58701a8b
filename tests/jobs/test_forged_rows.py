"""What somebody writes into the tables of jobs, without a key of the vault, makes no job act."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.jobs import events, pausing, schedules, writes
from integrations.jobs.job_run import JobRun
from integrations.jobs.models import JobState, Run, Schedule, Trigger, Write
from integrations.tenants.models import App, Installation
from integrations.vault import signed_tables
from integrations.webhooks.models import Event, Mailbox
from tests.jobs.conftest import Defined, ask, install, turn
from tests.support.forging import Attacks, copied, each, forged_entry
from tests.support.signed import transition

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def seen() -> list[Any]:
    """What jobs were called with."""
    return []


@pytest.fixture
def app(app: App) -> App:
    for name in ("loc0", "loc1"):
        install(app, name)
    return app


def work() -> list[Run]:
    """Start what is due, and do a turn of every run under way. The runs that exist then, newest first."""
    schedules.start_due(clock.now())
    for pk in Run.objects.running().values_list("pk", flat=True):
        turn(Run.objects.get(pk=pk))
    return list(Run.objects.order_by("-pk"))


def test_a_schedule_that_is_written_starts_nothing(app: App, defined: Defined, seen: list[Any]) -> None:
    job = defined(lambda run: seen.append((run.location, run.memory, run.since)))
    defined(lambda run: seen.append("another"), name="test.other")
    assert turn(ask(job, "loc0")).status == "complete"
    mine = Schedule.objects.filter(tenant_id="loc0")
    schedules.run_now(mine, clock.now())
    kept = mine.values("due_at", "due_mac").get()
    schedules.switch(mine, enabled=False)
    schedules.switch(mine, enabled=True)
    seen.clear()
    now, pk = clock.now(), mine.get().pk
    attacks: Attacks = {
        "made due": lambda: mine.update(due_at=now),
        "made due with the MAC of another moment": lambda: mine.update(due_at=now, due_mac=kept["due_mac"]),
        "inserted for another tenant": lambda: copied("jobs_schedule", pk, tenant_id="'loc1'", due_at="now()"),
        "moved to another tenant": lambda: mine.update(tenant_id="loc1", **kept),
        "made another job": lambda: mine.update(job="test.other", **kept),
        "other memory": lambda: mine.update(memory={"greeted": []}, **kept),
        "another beginning": lambda: mine.update(since=now - DAY, **kept),
        "no MAC": lambda: mine.update(mac=None, **kept),
    }
    for name in each(attacks):
        (held, _) = work()
        assert (held.status, held.error_code, seen) == ("failed", "seal_broken", []), name
        assert held.schedule.enabled is False, name
        assert held.schedule.due_at is None, name
        assert not schedules.resume(held, now), name
        assert schedules.create_missing(now) + len(schedules.start_due(now)) == 0, name
        if name not in ("made due", "made due with the MAC of another moment"):
            assert schedules.switch(Schedule.objects.filter(pk=held.schedule_id), enabled=True) == [], name
            assert signed_tables.discard("jobs.Schedule", [held.schedule_id], actor="ann") == [held.schedule_id], name
    mine.update(**kept)
    work()
    assert [one[0] for one in seen] == ["loc0"], "what the application itself made due once is done"


def test_a_schedule_that_was_switched_off_stays_off(app: App, defined: Defined, seen: list[Any]) -> None:
    job = defined(lambda run: seen.append(1), every=timedelta(hours=1))
    turn(ask(job, "loc0"))
    schedules.switch(Schedule.objects.all(), enabled=False)
    seen.clear()
    Schedule.objects.filter(tenant_id="loc0").update(enabled=True)
    schedules.create_missing(clock.now())
    Schedule.objects.exclude(tenant_id="loc0").delete()
    assert (work()[0].error_code, seen) == ("seal_broken", [])


def test_a_run_that_is_written_or_changed_calls_no_function(app: App, defined: Defined, seen: list[Any]) -> None:
    def function(run: JobRun) -> None:
        seen.append(run.checkpoint)
        if run.checkpoint is None:
            run.checkpoint = {"sent": ["a", "b"]}
            raise ZeroDivisionError

    job = defined(function)
    run = turn(ask(job, "loc0"))
    other = turn(ask(job, "loc1"))
    assert (run.status, run.checkpoint["own"]) == ("failed", {"sent": ["a", "b"]})
    mine = Run.objects.filter(pk=run.pk)
    again = {"status": "running", "finished_at": None, "due_at": clock.now(), "attempts": 0}
    old = {"items": [{"id": "a contact of theirs"}], "total": 1, "next": None}
    seen.clear()
    attacks: Attacks = {
        "resumed": lambda: mine.update(**again),
        "another checkpoint": lambda: mine.update(checkpoint={"own": {"sent": []}}, **again),
        "a page": lambda: mine.update(page=old, **again),
        "another schedule": lambda: mine.update(schedule=other.schedule, **again),
        "inserted": lambda: copied("jobs_run", run.pk, status="'running'", finished_at="NULL"),
    }
    for name in each(attacks):
        found = work()
        assert {(one.status, one.error_code) for one in found} <= {("failed", "seal_broken"), ("failed", "unexpected")}
        assert any(one.error_code == "seal_broken" for one in found), name
        assert seen == [], name
        theirs = [one for one in found if one.error_code == "seal_broken"]
        # Once these have ended they say what the application wrote.
        same = name in ("resumed", "a page", "inserted")
        assert any(schedules.resume(one, clock.now()) for one in theirs) == same, name
    assert schedules.resume(run, clock.now())
    assert turn(run).status == "complete"
    assert seen == [{"sent": ["a", "b"]}], "an operator resumes what the application wrote"


def test_a_changed_run_under_way_stops(app: App, defined: Defined, seen: list[Any]) -> None:
    job = defined(lambda run: seen.append(1))
    run = ask(job, "loc0")
    Schedule.objects.filter(pk=run.schedule_id).update(memory={"theirs": True})
    assert turn(run).error_code == "seal_broken"
    assert "the run's schedule is not of this application" in run.error
    assert seen == []


def test_a_pause_that_is_removed_goes_on(app: App, defined: Defined, seen: list[Any]) -> None:
    job = defined(lambda run: seen.append(1))
    state = JobState.objects.filter(job=job.name)
    pausing.make_states()
    assert pausing.pause(job.name, clock.now(), by="ann")
    no_pause = {"paused_at": None, "paused_by": "", "reason": ""}
    attacks: Attacks = {
        "edited": lambda: state.update(**no_pause),
        "edited, without its MAC": lambda: state.update(mac=None, **no_pause),
        "deleted": state.delete,
        "deleted, and made anew": lambda: (state.delete(), pausing.make_states()),
        "deleted, with an entry of the trail": lambda: (
            state.delete(),
            forged_entry("job.unpaused", f"job {job.name}"),
        ),
    }
    for name in each(attacks):
        assert job.name in pausing.paused(), name
        schedules.request_runs(job, Installation.objects.filter(resource_id="loc0"), clock.now())
        assert (work(), seen) == ([], []), name
        assert pausing.resume(job.name, by="ann"), name
        assert ([run.status for run in work()], seen) == (["complete"], [1]), name
        seen.clear()
    assert pausing.resume(job.name, by="ann")
    state.delete()
    assert not pausing.paused(), "the trail says that it goes on"


def test_an_event_that_is_written_reaches_no_job(app: App, defined: Defined, seen: list[Any]) -> None:
    def function(run: JobRun) -> None:
        seen.extend(run.events())

    job = defined(function, on="ContactCreate")
    mailbox = Mailbox.objects.create(app=app, tenant="location:loc0")

    def event(name: str, tenant: str = "loc0") -> Event:
        moments = dict.fromkeys(("occurred_at", "received_at", "due_at"), clock.now())
        payload = {"type": "ContactCreate", "locationId": tenant, "id": name}
        return Event.objects.create(
            app=app, mailbox=mailbox, webhook_id=name, type="ContactCreate", payload=payload, **moments
        )

    first, another = event("first"), event("another", "loc1")
    events.note(first)
    trigger = Trigger.objects.get()
    mine = Trigger.objects.filter(pk=trigger.pk)
    attacks: Attacks = {
        "the payload": lambda: Event.objects.filter(pk=first.pk).update(payload={**first.payload, "id": "theirs"}),
        "another event": lambda: mine.update(event=another),
        "an event again": lambda: copied("jobs_trigger", trigger.pk, event_id=str(another.pk)),
        "no MAC": lambda: mine.update(mac=None),
    }
    for name in each(attacks):
        assert work()[0].status == "complete", name
        assert [one["id"] for one in seen] == (["first"] if name == "an event again" else []), name
        aside = Trigger.objects.get()
        assert (aside.error_code, aside.set_aside_at is None) == ("seal_broken", False), name
        assert events.retry(Trigger.objects.all()) == [], name
        assert events.discard(Trigger.objects.all()) == [aside.pk], name
        seen.clear()
    schedules.run_now(Schedule.objects.filter(job=job.name), clock.now())
    work()
    assert [one["id"] for one in seen] == ["first"]


def test_an_event_that_was_set_aside_is_not_seen_before_an_operator_wants_it(
    app: App, defined: Defined, seen: list[Any]
) -> None:
    def function(run: JobRun) -> None:
        for payload in run.events():
            seen.append(payload["id"])
            raise ZeroDivisionError

    job = defined(function, on="ContactCreate")
    moments = dict.fromkeys(("occurred_at", "received_at", "due_at"), clock.now())
    mailbox = Mailbox.objects.create(app=app, tenant="location:loc0")
    payload = {"type": "ContactCreate", "locationId": "loc0", "id": "first"}
    events.note(
        Event.objects.create(app=app, mailbox=mailbox, webhook_id="w", type="ContactCreate", payload=payload, **moments)
    )
    work()
    Trigger.objects.update(set_aside_at=None, error_code="", error="")
    schedules.run_now(Schedule.objects.filter(job=job.name), clock.now())
    work()
    assert (seen, Trigger.objects.get().error_code) == (["first"], "seal_broken")


def test_an_answer_that_is_written_is_given_to_no_job(
    app: App, defined: Defined, location: str, vendor: Any, seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes, "ANSWER_LOST_AFTER", timedelta(0))

    def function(run: JobRun) -> None:
        contact = run.api.contacts.search_contacts_advanced(body={"pageLimit": 1}).json["contacts"][0]["id"]
        for key in keys:
            answer = run.once(key, "contacts.create-note", {"contactId": contact}, {"body": key})
            seen.append(answer.json)

    keys = ["another", "k"]
    job = defined(function)
    assert turn(ask(job, location)).status == "complete"
    assert turn(ask(job, location)).status == "complete"
    assert seen[:2] == seen[2:], "the stored answers are given again"
    keys.remove("another")
    seen.clear()
    mine, another = Write.objects.filter(key="k"), Write.objects.filter(key="another")
    theirs = {"status": 201, "json": {"id": "theirs"}, "trace_id": None}
    attacks: Attacks = {
        "the answer": lambda: mine.update(answer=theirs),
        "of another call": lambda: mine.update(fingerprint="0" * 64),
        "of another key": lambda: (mine.delete(), another.update(key="k")),
        "no MAC": lambda: mine.update(mac=None),
    }
    for name in each(attacks):
        run = turn(ask(job, location))
        assert (run.status, run.error_code, seen) == ("unknown", "fate_unknown", []), name
        assert "its answer is not of this application" in run.error, name
        write = Write.objects.unknown().get()
        assert writes.decide(write.pk, clock.now(), happened=True, answer={"id": "ours"}, by="operator ann").goes_on
        assert turn(run).status == "complete", name
        assert seen == [{"id": "ours"}], name
        seen.clear()


def test_rows_of_the_release_before_go_on_until_the_transition_ends(
    app: App, defined: Defined, seen: list[Any]
) -> None:
    """An old process writes no MAC, and changes rows whose MACs it leaves as they were."""
    job = defined(lambda run: seen.append((run.location, run.memory)), every=timedelta(hours=1))
    for name in ("loc0", "loc1"):
        ask(job, name)
    transition(clock.now() + timedelta(hours=1))
    Schedule.objects.filter(tenant_id="loc0").update(mac=None, due_mac=None, memory={"by": "old"})
    Run.objects.update(mac=b"stale", checkpoint={"own": 1})
    assert {run.status for run in work()} == {"complete"}
    assert seen == [("loc0", {"by": "old"}), ("loc1", None)]
    Schedule.objects.update(due_at=clock.now(), due_mac=None)
    assert [run.status for run in work()[:2]] == ["complete", "complete"]
    transition(clock.now() - timedelta(seconds=1))
    Schedule.objects.update(due_at=clock.now())
    seen.clear()
    assert {run.error_code for run in work()[:2]} == {"seal_broken"}
    assert seen == []
