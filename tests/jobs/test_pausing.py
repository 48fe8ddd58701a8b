"""A job that crashes again and again is paused, for all tenants, until an operator resumes it."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from integrations.core import clock, dispatch
from integrations.core.celery_tasks import DEFAULT, URGENT
from integrations.core.errors import LocationInactive
from integrations.core.models import AuditEntry, WorkerProcess
from integrations.core.process import activity
from integrations.core.runs.querysets import LeaseLost
from integrations.jobs import pausing, queries, runs, schedules, tasks
from integrations.jobs.job_run import JobRun
from integrations.jobs.management.commands import job as command
from integrations.jobs.models import JobState, Run, Schedule, Trigger
from integrations.quota.permits.lanes import Lane
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.webhooks.models import Event, Mailbox
from tests.jobs.conftest import Defined, ask, install, schedule_of, turn
from tests.support.passed_time import time_passes
from tests.support.signed import sign
from tests.sync.conftest import app as app

pytestmark = pytest.mark.django_db
TENANTS = [f"loc{number}" for number in range(pausing.CRASHES + 2)]
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def tenants(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marketplace, "find", lambda name: app)
    monkeypatch.setattr(command.queries, "JOBS", runs.JOBS)
    for tenant in TENANTS:
        install(app, tenant)


def crashes(run: JobRun) -> None:
    """Crashes."""
    raise ZeroDivisionError


def crash(run: Run) -> Run:
    run = turn(run)
    assert run.error_code == "unexpected"
    return run


def job(*arguments: str) -> str:
    out = io.StringIO()
    call_command("job", *arguments, stdout=out)
    return out.getvalue()


def test_crashes_in_a_row_pause_the_job_and_a_command_resumes_it(defined: Defined) -> None:
    crashing = defined(crashes, every=HOUR)
    defined(lambda run: None, name="test.other", every=HOUR)
    ask(crashing, *TENANTS)
    first, *others = Run.objects.filter(schedule__job="test.job").order_by("pk")
    for run in (first, *others[: pausing.CRASHES - 2]):
        crash(run)
    assert not pausing.paused()
    crash(others[pausing.CRASHES - 2])
    assert pausing.paused() == {"test.job"}
    assert "ZeroDivisionError in crashes, line" in JobState.objects.get(job="test.job").reason
    rest = others[pausing.CRASHES - 1 :]
    assert turn(rest[0]).turns == 0, "no turn begins"
    other = ask(runs.JOBS["test.other"], "loc0")
    time_passes(Run, HOUR)
    assert runs.take_due(100, clock.now()) == [other.pk]
    Schedule.objects.update(due_at=clock.now() - HOUR)
    sign(Schedule)
    turn(other)
    started = Run.objects.filter(pk__in=schedules.start_due(clock.now()))
    assert set(started.values_list("schedule__job", flat=True)) == {"test.other"}
    with pytest.raises(CommandError, match=r"test\.job is paused: manage\.py job resume test\.job"):
        job("run", "test.job", "--all")
    assert "PAUSED: crashed" in job("list")
    assert job("resume", "test.job").strip() == "test.job goes on."
    assert json.loads(job("resume", "test.job", "--json")) == {"job": "test.job", "paused": False, "changed": False}
    assert set(runs.take_due(100, clock.now())) >= {run.pk for run in rest}, "what waited goes on"
    assert list(AuditEntry.objects.filter(subject="job test.job").values_list("actor", flat=True)) == [
        "manage.py job",
        "system",
    ]


def test_a_success_or_progress_begins_the_count_anew(defined: Defined) -> None:
    fails = True

    def sometimes(run: JobRun) -> None:
        if run.location == "loc1":
            run.checkpoint = {"half": "done"}
        if fails:
            raise ZeroDivisionError

    flaky = defined(sometimes)
    for _ in range(pausing.CRASHES - 1):
        crash(ask(flaky, "loc0"))
    fails = False
    assert turn(ask(flaky, "loc0")).status == "complete"
    fails = True
    for _ in range(pausing.CRASHES - 1):
        crash(ask(flaky, "loc0"))
    crash(ask(flaky, "loc1"))
    assert JobState.objects.get().crashes == 1
    assert not pausing.paused()


def test_what_the_vendor_refuses_is_no_crash(defined: Defined) -> None:
    def refused(run: JobRun) -> None:
        raise LocationInactive("paused")

    paused = defined(refused)
    for tenant in TENANTS:
        turn(ask(paused, tenant))
    assert not JobState.objects.exists()


def test_an_event_that_crashes_the_job_is_listed_and_retried_by_command(defined: Defined, app: App) -> None:
    seen: list[str] = []

    def reads(run: JobRun) -> None:
        for event in run.events():
            if not seen and event["id"] == "bad":
                seen.append("crash")
                raise KeyError("ann@example.com")
            seen.append(event["id"])

    run = ask(defined(reads, on="ContactCreate"), "loc0")
    mailbox, now = Mailbox.objects.create(app=app, tenant="location:loc0"), clock.now()
    for name in ("bad", "good"):
        moments = {"occurred_at": now, "received_at": now, "due_at": now}
        event = Event.objects.create(
            app=app, mailbox=mailbox, webhook_id=f"hook-{name}", type="ContactCreate", payload={"id": name}, **moments
        )
        Trigger.objects.create(schedule=run.schedule, event=event)
    crash(run)
    (listed,) = json.loads(job("events", "test.job", "--json"))
    assert (listed["id"], listed["tenant"], listed["error_code"]) == ("hook-bad", "loc0", "unexpected")
    assert "KeyError in reads" in listed["error"]
    assert "ann" not in json.dumps(listed)
    assert turn(ask(runs.JOBS["test.job"], "loc0")).status == "complete"
    assert seen == ["crash", "good"]
    with pytest.raises(CommandError, match="no such event was set aside"):
        job("retry", "test.job", "--id", "hook-good")
    assert job("retry", "test.job", "--id", "hook-bad").strip() == "test.job will process 1 event again."
    assert schedule_of(run).due_at is not None
    turn(ask(runs.JOBS["test.job"], "loc0"))
    assert seen == ["crash", "good", "bad"]


def test_one_job_and_one_tenant_get_a_share_of_the_threads(defined: Defined) -> None:
    """Of 12 threads for jobs, 6 for one job and 3 for one tenant; messages may wait for twice as many."""
    now = clock.now()
    WorkerProcess.objects.report("worker", threads=16, queues=[URGENT, DEFAULT], now=now)
    hanging = defined(lambda run: None)
    tenants = [f"many{number}" for number in range(20)]
    for tenant in tenants:
        install(App.objects.get(), tenant)
    ask(hanging, *tenants)
    taken = runs.take_due(100, clock.now())
    assert len(taken) == 12
    Run.objects.filter(pk__in=taken[6:]).update(lease_owner="", lease_until=None)
    leased = Run.objects.filter(pk__in=taken[:6])
    leased.update(lease_owner="a worker", lease_until=now + HOUR)
    assert runs.take_due(100, clock.now()) == [], "six are at work"
    for number in range(5):
        ask(defined(lambda run: None, name=f"test.{number}"), tenants[0], "loc0")
    tenants_of = dict(Run.objects.values_list("pk", "schedule__tenant_id"))
    found = [tenants_of[pk] for pk in runs.take_due(100, clock.now())]
    assert (found.count("loc0"), found.count(tenants[0])) == (5, 5)
    Run.objects.filter(lease_owner="queued").update(lease_owner="", lease_until=None)
    Run.objects.filter(schedule__tenant_id="loc0", schedule__job__in=["test.0", "test.1", "test.2"]).update(
        lease_owner="a worker", lease_until=now + HOUR
    )
    assert "loc0" not in [tenants_of[pk] for pk in runs.take_due(100, clock.now())], "three of its runs are at work"


def test_interactive_jobs_go_to_the_urgent_queue_on_a_share_of_its_threads(defined: Defined) -> None:
    """Of the 4 threads that are kept for urgent work, 2 for one job."""
    now = clock.now()
    WorkerProcess.objects.report("worker", threads=16, queues=[URGENT, DEFAULT], now=now)
    button = defined(lambda run: None, name="test.button", lane=Lane.INTERACTIVE)
    other = defined(lambda run: None, name="test.other", lane=Lane.INTERACTIVE)
    bulk = ask(defined(lambda run: None), "loc0")
    ask(button, *TENANTS[:4])
    assert runs.take_due(100, clock.now()) == [bulk.pk]
    Run.objects.filter(pk=bulk.pk).update(lease_owner="a worker", lease_until=now + HOUR)
    hung = runs.take_interactive(2, clock.now())
    assert len(hung) == 2
    Run.objects.filter(pk__in=hung).update(lease_owner="a worker", lease_until=now + HOUR)
    assert runs.take_interactive(100, clock.now()) == [], "two of the job are at work"
    click = ask(other, "loc0")
    assert runs.take_interactive(100, clock.now()) == [click.pk]
    assert tasks.INTERACTIVE_SOURCE.queue == URGENT


def test_a_process_declines_a_job_that_has_its_share_of_threads(
    defined: Defined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "_capacity", {URGENT: 4, DEFAULT: 3})
    inner: list[Run] = []

    def begins_another(run: JobRun) -> None:
        inner.append(turn(Run.objects.get(schedule__tenant_id="loc1")))

    ask(defined(begins_another), "loc0", "loc1")
    first = Run.objects.get(schedule__tenant_id="loc0")
    Run.objects.update(lease_owner="queued", lease_until=clock.now() + dispatch.LOST_AFTER)
    turn(first)
    (declined,) = inner
    assert (declined.turns, declined.lease_owner, declined.status) == (0, "", "running")
    assert declined.due_at > clock.now() - timedelta(seconds=1)


def test_a_turn_that_was_given_up_writes_nothing_more(defined: Defined) -> None:
    """Its thread wakes up after the guard has failed the run."""

    def wakes_up(run: JobRun) -> None:
        (one,) = activity.running()
        assert one.turn is not None
        assert one.title == f"job test.job for loc0 (run {run._row.pk})"
        one.turn.abandon(one.position)
        run.checkpoint = {"late": True}

    run = turn(ask(defined(wakes_up), "loc0"))
    assert (run.status, run.error_code) == ("failed", "silent")
    assert "late" not in json.dumps(run.checkpoint)
    assert queries.hung_lately(clock.now(), within=HOUR)[0].job == "test.job"
    with pytest.raises(LeaseLost):
        Run.objects.renew(run, run.lease_owner)
