"""Rows of the release before are signed as they are found, and a person may vouch for rows."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from integrations.core import clock
from integrations.core.models import AuditEntry
from integrations.jobs import events, schedules
from integrations.jobs.job_run import JobRun
from integrations.jobs.models import Run, Schedule, Trigger, Write
from integrations.tenants.models import App
from integrations.vault import signed_tables, tasks
from integrations.webhooks.models import Event, Mailbox
from tests.jobs.conftest import Defined, install, turn
from tests.support.signed import transition

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(app: App, defined: Defined) -> list[Any]:
    """A schedule, a run in the middle, an event that waits and an answer; what the job sees goes into the list."""
    install(app, "loc0")
    seen: list[Any] = []

    def function(run: JobRun) -> None:
        seen.append(run.checkpoint)
        if run.checkpoint is None:
            run.checkpoint = {"got": 1}
            raise ZeroDivisionError
        seen.extend(payload["id"] for payload in run.events())

    defined(function, on="ContactCreate")
    moments = dict.fromkeys(("occurred_at", "received_at", "due_at"), clock.now())
    payload = {"type": "ContactCreate", "locationId": "loc0", "id": "first"}
    box = Mailbox.objects.create(app=app, tenant="location:loc0")
    event = Event.objects.create(app=app, mailbox=box, webhook_id="w", type="ContactCreate", payload=payload, **moments)
    events.note(event)
    schedules.start_due(clock.now())
    run = turn(Run.objects.get())
    assert run.status == "failed"
    answer = {"status": 201, "json": {"id": "n"}, "trace_id": None}
    Write.objects.create(
        schedule=run.schedule, key="k", operation="a.write", state="confirmed", answer=answer,
        sent_at=clock.now(), settled_at=clock.now(),
    )  # fmt: skip
    Schedule.objects.update(mac=None, due_mac=None)
    for model in (Run, Trigger, Write):
        model.objects.update(mac=None)
    seen.clear()
    return seen


def goes_on() -> str:
    """An operator resumes the run."""
    run = Run.objects.get()
    return turn(run).status if schedules.resume(run, clock.now()) else "held"


def test_what_the_release_before_left_is_signed_and_goes_on_after_the_transition(rows: list[Any]) -> None:
    transition(clock.now() + timedelta(hours=1))
    tasks.sign_rows()
    entry = AuditEntry.objects.get(action="vault.rows_signed")
    of_jobs = {"jobs.Schedule": 1, "jobs.Run": 1, "jobs.Trigger": 1, "jobs.Write": 1, "jobs.JobState": 1}
    assert entry.detail["rows"] == {**of_jobs, "webhooks.Event": 1}
    assert signed_tables.sign_in_transition() == {}, "nothing is left"
    assert goes_on() == "complete"
    assert rows == [{"got": 1}, "first"]


def test_after_the_transition_only_a_person_signs(rows: list[Any]) -> None:
    tasks.sign_rows()
    assert not AuditEntry.objects.filter(action="vault.rows_signed").exists()
    assert goes_on() == "held"
    out = io.StringIO()
    call_command("vault", "sign", reason="changed by hand", stdout=out)
    assert "jobs.Run: 1 rows signed" in out.getvalue()
    entry = AuditEntry.objects.get(action="vault.rows_signed")
    assert (entry.actor, entry.detail["reason"]) == ("command line", "changed by hand")
    assert goes_on() == "complete"
    assert rows == [{"got": 1}, "first"]
    call_command("vault", "sign", reason="again", stdout=out)
    assert "every row fits: none was signed" in out.getvalue()
