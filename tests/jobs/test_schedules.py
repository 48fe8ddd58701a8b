"""When jobs run: by the clock, on demand, on an event; for whom, and for whom not any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import BadRequest, LocationInactive, RequestRejected
from integrations.core.tenant import UserType
from integrations.jobs import define, events, runs, schedules, tasks
from integrations.jobs.define import background_job
from integrations.jobs.job_run import JobRun
from integrations.jobs.models import Run, Schedule, Trigger
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App, Installation
from integrations.webhooks.models import Event, Mailbox
from tests.jobs.conftest import Defined, ask, install, schedule_of, turn
from tests.support.signed import sign
from tests.sync.conftest import app as app

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
Arrive = Callable[..., Event]


def nothing(run: JobRun) -> None:
    """Does nothing."""


@pytest.fixture
def tenants(app: App) -> list[str]:
    for number in range(3):
        install(app, f"loc{number}")
    install(app, "gone", status=Installation.Status.UNINSTALLED)
    install(app, "agency", UserType.COMPANY)
    return ["loc0", "loc1", "loc2"]


def due_now() -> None:
    Schedule.objects.update(due_at=clock.now() - timedelta(seconds=1))
    sign(Schedule)


def test_every_installed_tenant_of_the_level_gets_a_schedule_and_they_are_spread(
    tenants: list[str], defined: Defined
) -> None:
    defined(nothing, every=HOUR)
    defined(nothing, name="test.agencies", every=HOUR, level=UserType.COMPANY)
    now = clock.now()
    assert (schedules.create_missing(now), schedules.create_missing(now)) == (4, 0)
    found = {(row.job, row.tenant_id): row.due_at for row in Schedule.objects.all()}
    assert set(found) == {("test.job", tenant) for tenant in tenants} | {("test.agencies", "agency")}
    assert all(due_at is not None and now <= due_at <= now + timedelta(minutes=10) for due_at in found.values())
    assert len(set(found.values())) == 4


def test_a_due_schedule_starts_one_run(tenants: list[str], defined: Defined) -> None:
    defined(nothing, every=HOUR)
    schedules.create_missing(clock.now())
    due_now()
    started = schedules.start_due(clock.now())
    assert len(started) == 3
    due_now()
    assert schedules.start_due(clock.now()) == [], "one at a time for each tenant"
    for pk in started:
        runs.advance(pk)
    assert set(Run.objects.values_list("status", flat=True)) == {"complete"}
    assert len(schedules.start_due(clock.now())) == 3, "what was asked for meanwhile comes afterwards"


def test_after_a_run_the_next_one_is_about_every_away(tenants: list[str], defined: Defined) -> None:
    run = turn(ask(defined(nothing, every=HOUR), "loc0"))
    due_at = schedule_of(run).due_at
    assert due_at is not None
    assert 0.89 * HOUR < due_at - clock.now() <= HOUR


def test_a_job_on_demand_has_no_next_time(tenants: list[str], defined: Defined) -> None:
    run = turn(ask(defined(nothing), "loc0", "loc1"))
    assert schedule_of(run).due_at is None
    assert schedules.create_missing(clock.now()) == 0
    assert Schedule.objects.count() == 2


def test_an_uninstall_ends_runs_at_the_next_sweep_and_a_new_install_wakes_the_schedule(
    tenants: list[str], defined: Defined
) -> None:
    run = ask(defined(nothing, every=HOUR), "loc0")
    Installation.objects.filter(resource_id="loc0").update(status=Installation.Status.UNINSTALLED)
    tasks.sweep()
    run.refresh_from_db()
    assert (run.status, run.error_code) == ("cancelled", "install_gone")
    due_now()
    assert schedules.start_due(clock.now()) == []
    tasks.update_schedules()
    assert schedule_of(run).due_at is None
    Installation.objects.filter(resource_id="loc0").update(status=Installation.Status.INSTALLED)
    tasks.update_schedules()  # new schedules are due at a random moment of the next minutes, perhaps at once
    started = schedules.start_due(clock.now())
    assert Run.objects.filter(pk__in=started, schedule=run.schedule_id).count() == 1


def test_a_cancelled_run_is_not_begun_anew_by_the_next_sweep(tenants: list[str], defined: Defined) -> None:
    run = ask(defined(nothing, every=HOUR), "loc0")
    runs.cancel([run], clock.now(), reason="by an operator")
    schedules.create_missing(clock.now())
    assert [
        pk for pk in schedules.start_due(clock.now()) if Run.objects.get(pk=pk).schedule_id == run.schedule_id
    ] == []


def test_a_schedule_that_is_switched_off_starts_nothing_by_itself(tenants: list[str], defined: Defined) -> None:
    job = defined(nothing, every=HOUR)
    run = ask(job, "loc0")
    schedules.switch(Schedule.objects.all(), enabled=False)
    turn(run)
    assert schedule_of(run).due_at is None
    schedules.create_missing(clock.now())
    assert schedule_of(run).due_at is None
    assert turn(ask(job, "loc0")).status == "complete", "but somebody may want it"


def test_a_run_resumes_at_its_place(tenants: list[str], defined: Defined) -> None:
    checkpoints: list[Any] = []

    def job(run: JobRun) -> None:
        checkpoints.append(run.checkpoint)
        run.checkpoint = {"step": len(checkpoints)}
        if len(checkpoints) == 1:
            raise LocationInactive("paused")

    run = turn(ask(defined(job), "loc0"))
    assert run.status == "failed"
    assert schedules.resume(run, clock.now())
    run = turn(run)
    assert (run.status, run.error_code, checkpoints) == ("complete", "", [None, {"step": 1}])
    assert not schedules.resume(run, clock.now()), "it is complete"


def test_a_run_does_not_resume_beside_another(tenants: list[str], defined: Defined) -> None:
    job = defined(nothing)
    old = ask(job, "loc0")
    runs.cancel([old], clock.now(), reason="by an operator")
    new = ask(job, "loc0")
    assert new.pk != old.pk
    assert not schedules.resume(old, clock.now())
    old.refresh_from_db()
    assert old.status == "cancelled"


@pytest.fixture
def arrive(app: App) -> Arrive:
    """An event comes in and its handlers are called."""
    mailbox = Mailbox.objects.create(app=app, tenant="location:loc0")

    def arrive(number: int, location: str = "loc0", event_type: str = "ContactCreate") -> Event:
        now = clock.now()
        event = Event.objects.create(
            app=app,
            mailbox=mailbox,
            webhook_id=f"hook-{number}",
            type=event_type,
            payload={"locationId": location, "id": f"contact{number}"},
            occurred_at=now,
            received_at=now,
            due_at=now,
        )
        events.note(event)
        return event

    return arrive


def test_an_event_runs_the_job_and_the_job_sees_it(tenants: list[str], defined: Defined, arrive: Arrive) -> None:
    seen: list[str] = []

    def job(run: JobRun) -> None:
        for event in run.events():
            seen.append(event["id"])
            if len(seen) == 2:
                arrive(3)

    job_defined = defined(job, on="ContactCreate")
    assert job_defined.lane is Lane.EVENTS
    arrive(1)
    arrive(2)
    arrive(9, location="nobody")
    arrive(8, event_type="ContactDelete")
    assert Schedule.objects.count() == 1
    (pk,) = schedules.start_due(clock.now())
    runs.advance(pk)
    assert seen == ["contact1", "contact2", "contact3"], "in order, and what came meanwhile too"
    hooks = Event.objects.filter(webhook_id__in=("hook-1", "hook-2", "hook-3")).order_by("pk")
    assert Run.objects.get().events == [event.pk for event in hooks], "the run names what it saw"
    assert not Trigger.objects.exists()


@pytest.mark.parametrize(
    ("event_type", "payload"),
    [
        ("InvoicePaid", {"altId": "loc0", "altType": "location"}),
        ("WorkflowAction", {"extras": {"locationId": "loc0"}}),
        ("WorkflowAction/say", {"extras": {"locationId": "loc0"}}),
    ],
)
def test_an_event_that_names_its_location_elsewhere_runs_the_job_too(
    tenants: list[str], defined: Defined, arrive: Arrive, event_type: str, payload: dict[str, object]
) -> None:
    defined(nothing, on=("InvoicePaid", "WorkflowAction"))
    event = arrive(1, location="nobody", event_type=event_type)
    event.payload = payload
    events.note(event)
    assert Trigger.objects.get().event_id == event.pk


def test_a_delivery_of_a_module_starts_the_job_of_its_own_tenant_alone(
    tenants: list[str], defined: Defined, arrive: Arrive
) -> None:
    """A developer may replace a body, and its fields are what the author of a workflow enters (FACTS 14)."""
    defined(nothing, on=("WorkflowAction", "ExternalAuth"))
    bodies = {
        "WorkflowAction/say": {"extras": {"locationId": "loc0"}, "locationId": "loc1"},
        "ExternalAuth/shop": {"companyId": "com1", "locationId": ["loc0"]},
    }
    for number, (event_type, payload) in enumerate(bodies.items()):
        event = arrive(number + 1, location="loc0", event_type=event_type)
        event.payload = payload
        events.note(event)
    assert set(Trigger.objects.values_list("schedule__tenant_id", flat=True)) == {"loc0"}
    assert Trigger.objects.count() == 2


def test_an_event_that_comes_when_the_job_has_looked_runs_it_again(
    tenants: list[str], defined: Defined, arrive: Arrive
) -> None:
    seen: list[str] = []

    def job(run: JobRun) -> None:
        seen.extend(event["id"] for event in run.events())
        if len(seen) == 1:
            arrive(2)

    defined(job, on=("ContactCreate", "ContactUpdate"))
    arrive(1)
    for _ in range(2):
        for pk in schedules.start_due(clock.now()):
            runs.advance(pk)
    assert seen == ["contact1", "contact2"]
    assert Schedule.objects.get().due_at is None


def test_an_event_at_fault_steps_aside_and_the_next_has_its_turn(
    tenants: list[str], defined: Defined, arrive: Arrive
) -> None:
    seen: list[str] = []
    accepts = False

    def job(run: JobRun) -> None:
        for event in run.events():
            if event["id"] == "contact1" and not accepts:
                raise RequestRejected("there is no such contact")
            seen.append(event["id"])

    defined(job, on="ContactCreate")
    arrive(1)
    arrive(2)
    for _ in range(2):
        for pk in schedules.start_due(clock.now()):
            runs.advance(pk)
    assert seen == ["contact2"]
    first = Run.objects.earliest("pk")
    assert (first.status, first.error) == ("failed", "there is no such contact (event hook-1 was set aside)")
    assert first.events == [Event.objects.get(webhook_id="hook-1").pk], "the one that failed it, too"
    assert first.schedule.due_at is None, "what was set aside starts nothing by itself"
    (aside,) = Trigger.objects.set_aside()
    assert (aside.event.webhook_id, aside.error_code, aside.error) == (
        "hook-1",
        "request_rejected",
        "there is no such contact",
    )
    assert Event.objects.get(pk=aside.event_id).status == "pending", "other handlers of the event are not concerned"
    accepts = True
    assert events.retry(Trigger.objects.all()) == [aside.pk]
    for pk in schedules.start_due(clock.now()):
        runs.advance(pk)
    assert seen == ["contact2", "contact1"]
    assert not Trigger.objects.exists()


def test_events_wait_while_the_tenant_is_at_fault(tenants: list[str], defined: Defined, arrive: Arrive) -> None:
    def job(run: JobRun) -> None:
        for _ in run.events():
            raise LocationInactive("paused")

    defined(job, on="ContactCreate")
    arrive(1)
    (pk,) = schedules.start_due(clock.now())
    runs.advance(pk)
    assert Trigger.objects.count() == 1
    due_at = Schedule.objects.get().due_at
    assert due_at is not None
    assert timedelta(minutes=59) < due_at - clock.now() <= HOUR


def test_two_jobs_of_one_name_are_a_mistake(defined: Defined) -> None:
    defined(nothing)
    with pytest.raises(BadRequest, match=r"two background jobs 'test\.job'"):
        background_job("test.job")(lambda run: None)
    background_job("test.job")(nothing)  # the module was loaded twice
    with pytest.raises(BadRequest, match="a minute or more"):
        background_job("test.hasty", every=timedelta(seconds=5))(nothing)


def test_an_unknown_job_is_shown_with_those_there_are(defined: Defined) -> None:
    defined(nothing)
    with pytest.raises(BadRequest, match=r"there is no job 'test\.jub'; there are: test\.job"):
        define.find("test.jub")
