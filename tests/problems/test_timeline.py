"""A timeline leads from any id to what caused it and what followed, in the order of time."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.gateway.models import Call
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule, Write
from integrations.operators import roles
from integrations.outbox.models import Entry, TenantOutbox
from integrations.outbox.models import Run as OutboxRun
from integrations.problems.timeline import beginnings, walk
from integrations.problems.timeline.timeline_moments import Ref
from integrations.sync.models import Plan, Record, Run
from integrations.tenants.models import Installation
from integrations.webhooks.models import Event
from tests.console.conftest import LOCATION, OTHER
from tests.problems.conftest import MINUTE, NOON, fail_call, poison

pytestmark = pytest.mark.django_db
PAGE = "/admin/problems/problem/timeline/"


@pytest.fixture
def story(agency: Installation) -> dict[str, Any]:
    """A webhook failed once, was handled and seen by a job, whose call for the contact failed."""
    app = agency.app
    record = Record.objects.filter(location_id=LOCATION).order_by("pk")[0]
    Record.objects.filter(pk=record.pk).update(record_id="contact8Kd9sQ", updated_at=NOON + 9 * MINUTE)
    event = poison(app, 1, payload={"id": "contact8Kd9sQ", "locationId": LOCATION}, status="done", attempts=2)
    event.failed_attempts.update(next_at=NOON + MINUTE)
    Event.objects.filter(pk=event.pk).update(processed_at=NOON + 2 * MINUTE)
    schedule = Schedule.objects.create(app=app, job="crm.tag", level="Location", tenant_id=LOCATION, created_at=NOON)
    ended = {
        "status": "failed",
        "due_at": NOON,
        "error_code": "request_rejected",
        "error": "refused",
        "trace_id": "t-1",
    }
    run = JobRun.objects.create(
        schedule=schedule, started_at=NOON + 3 * MINUTE, finished_at=NOON + 6 * MINUTE, events=[event.pk], **ended
    )
    call = fail_call(app, at=NOON + 4 * MINUTE, run=f"jobs:{run.pk}", path="/contacts/contact8Kd9sQ", trace_id="t-1")
    write = Write.objects.create(
        schedule=schedule, run=run, operation="contacts.create-note", state="unknown", sent_at=NOON + 5 * MINUTE
    )
    trigger = schedule.triggers.create(event=event, set_aside_at=NOON + 7 * MINUTE, error_code="x", error="refused")
    other = poison(app, 2, payload={"id": "someoneElse7", "locationId": LOCATION})
    JobRun.objects.filter(pk=run.pk).update(events=[event.pk, other.pk])
    fail_call(app, OTHER, path="/contacts/contact8Kd9sQ", trace_id="t-2")
    return {
        "event": event,
        "job": run,
        "call": call,
        "write": write,
        "trigger": trigger,
        "record": record,
        "other": other,
    }


def reached(ref: Ref) -> list[str]:
    """The kinds of the moments, in their order."""
    return [str(one.ref) for one in walk.timeline([ref], NOON, lambda _: True).moments]


def test_from_the_webhook_down_to_the_record(story: dict[str, Any]) -> None:
    event, run, call, write = (story[name].pk for name in ("event", "job", "call", "write"))
    assert reached(Ref("event", event)) == [
        f"event:{event}",
        f"event:{event}",
        f"event:{event}",
        f"job:{run}",
        f"call:{call}",
        f"write:{write}",
        f"job:{run}",
        f"trigger:{story['trigger'].pk}",
        f"record:{story['record'].pk}",
    ]
    found = walk.timeline([Ref("event", event)], NOON, lambda _: True).moments
    assert [one.what for one in found[:3]] == ["came", "attempt 1 failed", "was handled, attempt 2"]
    assert found[2].words.startswith("by sync.webhook_handlers."), "and what handled it"
    assert found[1].words == "KeyError in tag, line 1; next try at 12:01:00"


def test_from_the_call_up_to_the_webhook_and_down_to_the_record(story: dict[str, Any]) -> None:
    found = set(reached(Ref("call", story["call"].pk)))
    assert found == {
        f"call:{story['call'].pk}",
        f"job:{story['job'].pk}",
        f"event:{story['event'].pk}",
        f"event:{story['other'].pk}",
        f"record:{story['record'].pk}",
    }


def test_from_the_record_up_to_webhooks_calls_and_runs(story: dict[str, Any]) -> None:
    found = set(reached(Ref("record", story["record"].pk)))
    assert {f"{kind}:{story[kind].pk}" for kind in ("record", "event", "call", "job")} <= found


def test_another_webhook_of_the_same_run_does_not_lead_to_the_first_one(story: dict[str, Any]) -> None:
    found = set(reached(Ref("event", story["other"].pk)))
    assert f"job:{story['job'].pk}" in found
    assert f"event:{story['event'].pk}" not in found


def test_syncs_and_outboxes_lead_to_their_calls(agency: Installation) -> None:
    app, plan = agency.app, Plan.objects.get(location_id=LOCATION)
    times = {"status": "complete", "due_at": NOON, "started_at": NOON, "finished_at": NOON}
    sync = Run.objects.create(plan=plan, kind="full", **times)
    box = TenantOutbox.objects.create(app=app, level="Location", tenant_id=LOCATION, created_at=NOON)
    sending = OutboxRun.objects.create(outbox=box, **times)
    first, second = (fail_call(app, run=f"{room}:{run.pk}") for room, run in (("sync", sync), ("outbox", sending)))
    entry = Entry.objects.create(
        outbox=box,
        entity="e",
        key="a",
        operation="contacts.create-note",
        lane="events",
        created_at=NOON,
        trace_id="t-1",
    )
    assert f"call:{first.pk}" in reached(Ref("sync", sync.pk))
    assert f"call:{second.pk}" in reached(Ref("outbox", sending.pk))
    assert f"sync:{sync.pk}" in reached(Ref("call", first.pk))
    assert f"call:{first.pk}" in reached(Ref("entry", entry.pk))


def test_any_id_begins_a_timeline(story: dict[str, Any]) -> None:
    event, run, call = story["event"], story["job"], story["call"]
    assert beginnings.find(event.webhook_id) == [Ref("event", event.pk)]
    assert set(beginnings.find(" t-1 ")) == {Ref("call", call.pk), Ref("job", run.pk)}
    assert beginnings.find("contact8Kd9sQ") == [Ref("record", story["record"].pk)]
    assert Ref("job", run.pk) in beginnings.find(f"run {run.pk}")
    assert beginnings.find(f"call:{call.pk}") == [Ref("call", call.pk)]
    for nothing in ("", "\0", "no such id", "9" * 19, "9" * 30, "event:x", "nosuch:1", "²"):
        assert beginnings.find(nothing) == [], nothing


def test_the_page_shows_it_and_every_page_of_a_row_leads_there(operator_client: Client, story: dict[str, Any]) -> None:
    text = operator_client.get(PAGE, {"id": story["event"].webhook_id}).content.decode()
    for words in (
        "attempt 1 failed",
        "Job crm.tag, run",
        "Call contacts.get-contact",
        "nobody knows whether it happened" if story["write"].settled_at else "was sent",
        "Record contact8Kd9sQ (contacts)",
        f"Studio {LOCATION}",
        f"/admin/gateway/call/{story['call'].pk}/change/",
    ):
        assert words in text, words
    assert "Nothing here has the id nowhere" in operator_client.get(PAGE, {"id": "nowhere"}).content.decode()
    assert "from any one of them" in operator_client.get(PAGE).content.decode()
    for kind, address in (
        ("event", "webhooks/event"),
        ("job", "jobs/run"),
        ("call", "gateway/call"),
        ("record", "sync/record"),
    ):
        page = operator_client.get(f"/admin/{address}/{story[kind].pk}/change/").content.decode()
        if kind == "event":
            assert "1. 2026-11-01 12:00:00: KeyError in tag, line 1; next try 12:01:00" in page
        assert f'{PAGE}?id={kind}%3A{story[kind].pk}"' in page, kind
        if kind == "call":
            assert f'href="/admin/jobs/run/{story["job"].pk}/change/"' in page, "the run that made it"


def test_a_number_that_several_rows_have_is_a_question(operator_client: Client, agency: Installation) -> None:
    Event.objects.filter(pk=poison(agency.app, 1).pk).update(id=77)
    Call.objects.filter(pk=fail_call(agency.app).pk).update(id=77)
    text = operator_client.get(PAGE, {"id": "77"}).content.decode()
    assert "Which one?" in text
    assert "?id=event:77" in text
    assert "?id=call:77" in text


def test_who_may_not_see_a_kind_does_not_see_it_and_texts_are_masked(story: dict[str, Any]) -> None:
    Call.objects.filter(pk=story["call"].pk).update(message="refused for ann@example.com")
    user = User.objects.create_user("sue", is_staff=True)
    user.groups.add(roles.of("support"))
    client = Client()
    client.force_login(user)
    text = client.get(PAGE, {"id": story["event"].webhook_id}).content.decode()
    assert "refused for •••" in text
    assert "ann@example.com" not in text
    seen = walk.timeline([Ref("event", story["event"].pk)], NOON, lambda name: name != "gateway.view_call")
    assert not [one for one in seen.moments if one.ref.kind == "call"]


def test_it_is_bounded(story: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        fail_call(story["event"].app, run=f"jobs:{story['job'].pk}", trace_id=f"t{number}")
    monkeypatch.setattr(walk, "MOST_ROWS", 10)
    with CaptureQueriesContext(connection) as asked:
        found = walk.timeline([Ref("job", story["job"].pk)], NOON, lambda _: True)
    assert found.more
    assert len({one.ref for one in found.moments}) == 10
    assert len(asked) < 40
