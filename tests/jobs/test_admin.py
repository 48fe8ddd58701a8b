"""Job runs and schedules on the operators' pages: how far they are, what went wrong, and what can be done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.jobs import admin as pages
from integrations.jobs import pausing, runs
from integrations.jobs.job_run import JobRun
from integrations.jobs.models import JobState, Run, Trigger, Write
from integrations.tenants.models import App
from integrations.webhooks.models import Event, Mailbox
from tests.jobs.conftest import Defined, ask, install, schedule_of, turn
from tests.support import audit_trail
from tests.support.signed import sign
from tests.sync.conftest import app as app

pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore:No directory at:UserWarning")]


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch, app: App) -> Client:
    monkeypatch.setattr(pages, "JOBS", runs.JOBS)
    install(app, "loc0")
    return signed_in(User.objects.create_superuser("op", password="a long enough password"))


def signed_in(user: User) -> Client:
    client = Client(HTTP_HOST="app.example.com")
    client.force_login(user)
    return client


def act(client: Client, action: str, row: Model) -> None:
    data = {"action": action, "_selected_action": [row.pk]}
    address = reverse(f"admin:jobs_{row._meta.model_name}_changelist")
    assert client.post(address, data, secure=True).status_code == 302
    row.refresh_from_db()


def shown(client: Client, row: Model) -> str:
    listed = client.get(reverse(f"admin:jobs_{row._meta.model_name}_changelist"), secure=True)
    detail = client.get(reverse(f"admin:jobs_{row._meta.model_name}_change", args=[row.pk]), secure=True)
    assert (listed.status_code, detail.status_code) == (200, 200)
    return str(listed.content.decode() + detail.content.decode())


def stops(run: JobRun) -> None:
    """Stops where it began."""
    for number in run.track(range(4), total=4):
        run.count("seen")
        if number == 2 and run.checkpoint is None:
            run.checkpoint = {"stopped": True}
            raise ValueError("Zebedee's data")


def test_a_run_shows_its_progress_and_result(operator: Client, defined: Defined) -> None:
    run = ask(defined(stops), "loc0")
    Run.objects.filter(pk=run.pk).update(done=30, total=120, counts={"seen": 30})
    page = shown(operator, run)
    assert '<progress max="100" value="25">25 %</progress><span>30 of 120</span>' in page
    assert "30 seen" in page


def test_a_failure_is_visible_and_the_run_resumes_or_begins_again(operator: Client, defined: Defined) -> None:
    run = turn(ask(defined(stops), "loc0"))
    page = shown(operator, run)
    assert "ValueError in stops, line" in page
    assert "Zebedee" not in page
    act(operator, "resume", run)
    assert run.status == "running"
    assert turn(run).status == "complete"
    act(operator, "run_again", run)
    assert schedule_of(run).due_at is not None
    actions = list(AuditEntry.objects.filter(actor="operator op").values_list("action", flat=True).order_by("id"))
    assert actions == ["job.resumed", "job.asked"]


def test_a_run_that_waits_for_a_decision_shows_the_call_and_goes_on(operator: Client, defined: Defined) -> None:
    run = ask(defined(stops), "loc0")
    write = Write.objects.create(
        schedule=run.schedule,
        run=run,
        operation="contacts.create-note",
        request={"body": {"body": "hello"}},
        state="unknown",
        reason="no answer in time",
        sent_at=clock.now(),
    )
    Run.objects.filter(pk=run.pk).update(status="unknown", finished_at=clock.now())
    sign(Run)
    page = shown(operator, run) + shown(operator, write)
    assert page.count("contacts.create-note") > 2
    assert page.count("&quot;hello&quot;") == 2
    act(operator, "it_happened", run)
    assert run.status == "unknown", "its answer may still come"
    act(operator, "resume", run)
    assert run.status == "unknown", "not without a decision"
    Write.objects.update(sent_at=clock.now() - timedelta(minutes=2))
    act(operator, "it_did_not_happen", run)
    assert (run.status, Write.objects.count()) == ("running", 0)
    assert AuditEntry.objects.filter(actor="operator op", action="job.write_did_not_happen").count() == 1


def test_cancel_stops_a_run(operator: Client, defined: Defined) -> None:
    run = ask(defined(stops, every=timedelta(hours=1)), "loc0")
    act(operator, "cancel", run)
    assert (run.status, run.error) == ("cancelled", "by operator op")
    act(operator, "resume", run)
    assert run.status == "running"


def test_a_run_that_tries_again_says_so(operator: Client, defined: Defined) -> None:
    run = ask(defined(stops), "loc0")
    Run.objects.filter(pk=run.pk).update(attempts=3, error_code="server_fault", error="the vendor is unwell")
    assert "3. failure, tries again" in shown(operator, run)


def test_schedules_run_now_and_are_switched(operator: Client, defined: Defined) -> None:
    schedule = schedule_of(turn(ask(defined(stops, every=timedelta(hours=1)), "loc0")))
    shown(operator, schedule)
    act(operator, "run_at_once", schedule)
    assert schedule.due_at is not None
    assert schedule.due_at <= clock.now()
    act(operator, "switch_off", schedule)
    assert (schedule.enabled, schedule.due_at) == (False, None)
    act(operator, "switch_on", schedule)
    assert schedule.enabled


def test_a_job_is_paused_and_resumed(operator: Client, defined: Defined) -> None:
    defined(stops)
    pausing.make_states()
    state = JobState.objects.get(job="test.job")
    assert "Stops where it began." in shown(operator, state)
    act(operator, "pause", state)
    assert (pausing.paused(), state.paused_by) == ({"test.job"}, "operator op")
    assert "paused by an operator" in shown(operator, state)
    act(operator, "resume", state)
    assert not pausing.paused()


def test_events_set_aside_are_shown_and_run_again_or_discarded(operator: Client, app: App, defined: Defined) -> None:
    run = ask(defined(stops), "loc0")
    now = clock.now()
    mailbox = Mailbox.objects.create(app=app, tenant="location:loc0")
    moments = {"occurred_at": now, "received_at": now, "due_at": now}
    first, second, waits = (
        Trigger.objects.create(
            schedule=run.schedule,
            event=Event.objects.create(
                app=app, mailbox=mailbox, webhook_id=f"hook-{name}", type="ContactCreate", payload={}, **moments
            ),
        )
        for name in ("first", "second", "waits")
    )
    Trigger.objects.exclude(pk=waits.pk).update(
        set_aside_at=now, error_code="unexpected", error="KeyError in f, line 3"
    )
    sign(Trigger)
    page = shown(operator, first)
    assert "KeyError in f, line 3" in page
    assert "hook-second" in page
    assert "hook-waits" not in page
    act(operator, "run_again", first)
    assert (first.set_aside_at, first.error) == (None, "")
    assert schedule_of(run).due_at is not None
    data = {"action": "discard", "confirmed": "yes", "_selected_action": [second.pk, waits.pk]}
    operator.post(reverse("admin:jobs_trigger_changelist"), data, secure=True)
    assert set(Trigger.objects.values_list("event__webhook_id", flat=True)) == {"hook-first", "hook-waits"}
    actions = list(audit_trail.entries().values_list("action", flat=True))
    assert actions == ["job.events_retried", "job.events_discarded"]


def test_who_may_only_look_cannot_act(operator: Client, defined: Defined) -> None:
    run = ask(defined(stops), "loc0")
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(*Permission.objects.filter(codename__in=("view_run", "view_schedule")))
    client = signed_in(viewer)
    shown(client, run)
    data: dict[str, Any] = {"action": "cancel", "_selected_action": [run.pk]}
    client.post(reverse("admin:jobs_run_changelist"), data, secure=True)
    run.refresh_from_db()
    assert run.status == "running"
