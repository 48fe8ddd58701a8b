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
from integrations.upserts.models import Run as UpsertRun
from integrations.upserts.models import Upsert, UpsertRow
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
    assert found[1].words == "KeyError in tag, line 1; next try at 2026-11-01 12:01:00 UTC"


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


def test_an_outbox_entry_leads_to_what_put_it_and_back(story: dict[str, Any]) -> None:
    app = story["event"].app
    box = TenantOutbox.objects.create(app=app, level="Location", tenant_id=LOCATION, created_at=NOON)
    put = {"outbox": box, "entity": "e", "operation": "contacts.create-note", "lane": "events", "created_at": NOON}
    of_event = Entry.objects.create(key="a", put_in=f"webhooks:{story['event'].pk}", **put)
    of_job = Entry.objects.create(key="b", put_in=f"jobs:{story['job'].pk}", **put)
    of_nobody = Entry.objects.create(key="c", **put)
    for name, entry in (("event", of_event), ("job", of_job)):
        ref = f"{name}:{story[name].pk}"
        assert ref in reached(Ref("entry", entry.pk))
        assert f"entry:{entry.pk}" in reached(Ref(name, story[name].pk))
    assert reached(Ref("entry", of_nobody.pk)) == [f"entry:{of_nobody.pk}"]
    assert f"entry:{of_nobody.pk}" not in reached(Ref("event", story["event"].pk))


@pytest.fixture
def load(story: dict[str, Any]) -> dict[str, Any]:
    """The job's run prepared a bulk upsert: one row wrote the contact, one was refused, one answer was lost."""
    app, run = story["event"].app, story["job"]
    values = {
        "app": app,
        "level": "Location",
        "tenant_id": LOCATION,
        "made_by": "an app",
        "created_at": NOON + 4 * MINUTE,
    }
    upsert = Upsert.objects.create(
        operation="contacts.upsert-contact", made_in=f"jobs:{run.pk}", started_at=NOON + 5 * MINUTE, **values
    )
    times = {"status": "failed", "due_at": NOON, "started_at": NOON + 6 * MINUTE, "finished_at": NOON + 8 * MINUTE}
    sending = UpsertRun.objects.create(upsert=upsert, error_code="x", error="refused", trace_id="t-9", **times)
    sent = {"upsert": upsert, "sent_at": NOON + 6 * MINUTE, "settled_at": NOON + 7 * MINUTE}
    written = UpsertRow.objects.create(number=1, state="done", record_id="contact8Kd9sQ", **sent)
    refused = UpsertRow.objects.create(number=2, state="refused", error="no such field", trace_id="t-8", **sent)
    unknown = UpsertRow.objects.create(number=3, state="unknown", error="lost", **sent)
    UpsertRow.objects.create(upsert=upsert, number=4)
    call = fail_call(app, at=NOON + 7 * MINUTE, run=f"upserts:{sending.pk}", path="/contacts/upsert", trace_id="t-8")
    rows = {"written": written, "refused": refused, "unknown": unknown}
    return {**story, "upsert": upsert, "sending": sending, "sent": call, **rows}


def refs_of_load(load: dict[str, Any]) -> set[str]:
    rows = {f"upsert_row:{load[name].pk}" for name in ("written", "refused", "unknown")}
    return {f"upsert:{load['upsert'].pk}", f"upsert_run:{load['sending'].pk}", *rows}


def test_from_the_webhook_over_the_job_to_the_bulk_upsert_and_its_records(load: dict[str, Any]) -> None:
    found = set(reached(Ref("event", load["event"].pk)))
    assert found >= refs_of_load(load) | {f"call:{load['sent'].pk}", f"record:{load['record'].pk}"}
    shown = walk.timeline([Ref("upsert", load["upsert"].pk)], NOON, lambda _: True).moments
    assert [one.words for one in shown if one.what == "was started"] == [
        "4 rows: 1 done, 1 refused, 1 unknown, 1 waiting"
    ]
    ends = {one.what: one.tone for one in shown if one.ref.kind == "upsert_row" and one.what != "was sent"}
    assert ends == {"done": "good", "refused": "bad", "unknown": "bad"}


@pytest.mark.parametrize(("kind", "name"), [("record", "record"), ("upsert_row", "written"), ("call", "sent")])
def test_from_a_record_or_a_call_up_over_the_bulk_upsert_to_the_webhook(
    load: dict[str, Any], kind: str, name: str
) -> None:
    found = set(reached(Ref(kind, load[name].pk)))
    assert found >= {f"upsert:{load['upsert'].pk}", f"job:{load['job'].pk}", f"event:{load['event'].pk}"}


def test_ids_of_bulk_upserts_begin_a_timeline_and_their_pages_lead_there(
    operator_client: Client, load: dict[str, Any]
) -> None:
    assert beginnings.find("t-9") == [Ref("upsert_run", load["sending"].pk)]
    assert set(beginnings.find("t-8")) == {Ref("call", load["sent"].pk), Ref("upsert_row", load["refused"].pk)}
    assert Ref("upsert", load["upsert"].pk) in beginnings.find(str(load["upsert"].pk))
    for kind, name, address in (("upsert", "upsert", "upsert"), ("upsert_row", "refused", "upsertrow")):
        page = operator_client.get(f"/admin/upserts/{address}/{load[name].pk}/change/").content.decode()
        assert f'{PAGE}?id={kind}%3A{load[name].pk}"' in page
        text = operator_client.get(PAGE, {"id": f"{kind}:{load[name].pk}"}).content.decode()
        assert f"/admin/upserts/upsertrow/{load['refused'].pk}/change/" in text
        assert f"/admin/upserts/upsert/{load['upsert'].pk}/change/" in text


def test_what_a_row_writes_is_not_read_for_a_timeline(load: dict[str, Any]) -> None:
    UpsertRow.objects.filter(pk=load["unknown"].pk).update(body="sealed-canary")
    with CaptureQueriesContext(connection) as asked:
        walk.timeline([Ref("upsert", load["upsert"].pk)], NOON, lambda _: True)
    assert not [one for one in asked if '"upserts_upsertrow"."body"' in one["sql"]]


def test_any_id_begins_a_timeline(story: dict[str, Any]) -> None:
    event, run, call = story["event"], story["job"], story["call"]
    assert beginnings.find(event.webhook_id) == [Ref("event", event.pk)]
    assert set(beginnings.find(" t-1 ")) == {Ref("call", call.pk), Ref("job", run.pk)}
    assert beginnings.find("contact8Kd9sQ") == [Ref("record", story["record"].pk)]
    assert Ref("job", run.pk) in beginnings.find(f"run {run.pk}")
    assert beginnings.find(f"call:{call.pk}") == [Ref("call", call.pk)]
    for nothing in ("", "\0", "no such id", "9" * 19, "9" * 30, "event:x", "nosuch:1", "²"):
        assert beginnings.find(nothing) == [], nothing


@pytest.mark.slow
def test_the_page_shows_it_and_every_page_of_a_row_leads_there(operator_client: Client, story: dict[str, Any]) -> None:
    text = operator_client.get(PAGE, {"id": story["event"].webhook_id}).content.decode()
    for words in (
        "attempt 1 failed",
        "Job crm.tag, run",
        "Call contacts.get-contact",
        "whether it happened is unknown" if story["write"].settled_at else "was sent",
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
            assert "1. 2026-11-01 12:00:00 UTC: KeyError in tag, line 1; next try 2026-11-01 12:01:00 UTC" in page
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


def test_a_trace_id_is_no_number_even_with_the_digits_of_its_rows(
    operator_client: Client, agency: Installation
) -> None:
    for number in (7, 8):
        Call.objects.filter(pk=fail_call(agency.app, trace_id="trace-78").pk).update(id=number)
    text = operator_client.get(PAGE, {"id": "trace-78"}).content.decode()
    assert "Which one?" not in text
    assert "/admin/gateway/call/7/change/" in text
    assert "/admin/gateway/call/8/change/" in text


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
