"""The test kit does what its names say, with jobs of an app that only the test has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from hlapp.api import JobRun, ModuleCall, answers, background_job, errors, records, tenant_api
from hlapp.testing import kit, samples
from hlapp.testing.kit import CONTACTS, HighLevel
from integrations.core import clock
from integrations.highlevel.catalogue import event_types
from integrations.jobs import define, events
from integrations.modules.answers import ANSWERS
from integrations.tokens.models import Credential
from integrations.webhooks import handlers


@pytest.fixture
def highlevel(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[HighLevel]:
    yield from kit.play(monkeypatch)


@pytest.fixture
def jobs() -> Iterator[None]:
    """Two jobs of an own app."""
    defined, handled = dict(define.JOBS), dict(handlers.HANDLERS)

    @background_job("kit.tag", every=timedelta(hours=1), scopes=("contacts.write",))
    def tag(run: JobRun) -> None:
        for contact in run.each(run.api.contacts.search_contacts_advanced_pages(body={"pageLimit": 10})):
            run.count("seen")
            if not contact["tags"]:
                run.api.contacts.add_tags(contactId=contact["id"], body={"tags": ["seen"]})

    @background_job("kit.note", on="InboundMessage")
    def note(run: JobRun) -> None:
        for event in run.events():
            run.api.contacts.create_note(contactId=event["contactId"], body={"body": event["body"]})

    events.register()
    yield
    for registry, before in ((define.JOBS, defined), (handlers.HANDLERS, handled)):
        registry.clear()
        registry.update(before)


def test_an_event_is_handled_and_its_job_asks_the_vendor(highlevel: HighLevel, jobs: None) -> None:
    contact = highlevel.call("contacts.search-contacts-advanced", body={"pageLimit": 1})["contacts"][0]["id"]

    event = highlevel.deliver("InboundMessage", contactId=contact, body="hello")

    assert (event.status, event.payload["locationId"]) == ("done", highlevel.location)
    (asked,) = highlevel.asked("POST", f"/contacts/{contact}/notes")
    assert asked.body == {"body": "hello"}
    assert highlevel.deliver("ContactCreate", run_jobs=False).status == "done"
    with pytest.raises(errors.BadRequest, match=r"close to it: .*InboundMessage"):
        highlevel.deliver("InboundMesage")


def test_a_module_is_called_with_the_apps_key_and_its_job_runs(highlevel: HighLevel) -> None:
    defined, handled, answered = dict(define.JOBS), dict(handlers.HANDLERS), dict(ANSWERS)

    @answers("WorkflowAction", "greet")
    def greet(call: ModuleCall) -> dict[str, str]:
        return {"greeting": f"Hello {call.payload['data']['name']}"}

    @background_job("kit.acted", on="WorkflowAction/greet")
    def acted(run: JobRun) -> None:
        for event in run.events():
            run.api.contacts.create_note(contactId=event["extras"]["contactId"], body={"body": event["data"]["name"]})

    events.register()
    try:
        contact = highlevel.call("contacts.search-contacts-advanced", body={"pageLimit": 1})["contacts"][0]["id"]
        where = {"locationId": highlevel.location, "contactId": contact}
        answer = highlevel.call_module("WorkflowAction", "greet", data={"name": "Ann"}, extras=where)
        assert (answer.status_code, answer.json()) == (200, {"greeting": "Hello Ann"})
        (asked,) = highlevel.asked("POST", f"/contacts/{contact}/notes")
        assert asked.body == {"body": "Ann"}
        assert highlevel.call_module("ExternalAuth", "nobody").status_code == 501
        sent = {"contactId": contact, "locationId": highlevel.location, "messageId": "m", "type": "SMS"}
        assert highlevel.call_module("ProviderOutboundMessage", "cheap", **sent).json() == {"status": "stored"}
    finally:
        for registry, before in ((define.JOBS, defined), (handlers.HANDLERS, handled), (ANSWERS, answered)):
            registry.clear()
            registry.update(before)  # type: ignore[arg-type]


def test_a_run_waits_for_a_permit_and_goes_on(highlevel: HighLevel, jobs: None) -> None:
    highlevel.refuse_permit()
    waiting = highlevel.run_job("kit.tag")
    assert (waiting.status, highlevel.asked("POST", "/contacts/search")) == ("running", [])

    done = highlevel.go_on(waiting)

    assert (done.status, done.counts, done.error) == ("complete", {"seen": CONTACTS}, "")


def test_answers_are_lost_after_their_effect_and_failures_have_none(highlevel: HighLevel) -> None:
    api = tenant_api(highlevel.app, highlevel.tenant)
    for fault, error, effects in (
        (highlevel.fail, errors.ServerFault, 0),
        (highlevel.lose_answer, errors.Unreachable, 1),
    ):
        fault("/contacts/")
        with pytest.raises(error):
            api.contacts.create_contact(
                body={"email": f"kit-effects-{effects}@example.com", "locationId": highlevel.location}
            )
        found = highlevel.call(
            "contacts.search-contacts-advanced", body={"query": f"kit-effects-{effects}@example.com", "pageLimit": 5}
        )
        assert found["total"] == effects


def test_time_advances_here_and_at_the_vendor(highlevel: HighLevel) -> None:
    before = clock.now()
    highlevel.advance(timedelta(days=2))

    assert clock.now() - before >= timedelta(days=2)
    assert highlevel.vendor.behind(clock.now()) < 1
    assert highlevel.call("contacts.search-contacts-advanced", body={"pageLimit": 1})["total"] == CONTACTS
    row = Credential.objects.get(resource_id=highlevel.location)
    assert row.generation > 1, "its token had expired"


def test_a_page_knows_its_user(highlevel: HighLevel) -> None:
    for agency in (False, True):
        answer = highlevel.embedded_client(agency=agency).get("/embed/session")
        assert answer.status_code == 200
        assert answer.json()["state"]


@pytest.mark.urls("tests.console.embed.embedded_views")
def test_a_page_is_opened_by_the_user_of_your_choice(highlevel: HighLevel) -> None:
    users = highlevel.call("users.get-user-by-location", params={"locationId": highlevel.location})["users"]
    assert len(users) > 1
    for user in users:
        client = highlevel.embedded_client(user["id"])
        assert f"Notes of {highlevel.location}" in client.get("/own/notes/").content.decode()
        for_administrators = client.get("/own/admins/")
        if user["roles"]["role"] == "admin":
            assert for_administrators.json() == {"user": user["id"], "api": "interactive"}
        else:
            assert for_administrators.status_code == 403


def test_there_is_a_sample_of_every_event_type() -> None:
    for name, known in event_types.event_types().items():
        payload = samples.event(name, location="a-location", company="a-company")
        assert json.loads(json.dumps(payload)) == payload
        assert (payload["type"], payload["locationId"]) == (name, "a-location")
        assert {path for path in known.fields if "." not in path and not path.endswith("[]")} <= payload.keys(), name
    assert samples.event("ContactCreate", location="l", company="c", email="x@y.z")["email"] == "x@y.z"


def test_a_contacts_own_type_does_not_become_the_webhooks(highlevel: HighLevel) -> None:
    with pytest.raises(errors.BadRequest, match=r"^type: HighLevel sets"):
        highlevel.deliver("ContactUpdate", id="a-contact", type="lead")


def test_the_synced_copy_is_that_of_the_vendor(highlevel: HighLevel) -> None:
    mine = records.contacts.for_tenant(highlevel.tenant, highlevel.app)
    assert mine.count() == 0

    highlevel.sync("contacts")
    assert mine.count() == CONTACTS

    highlevel.sync()
    assert records.pipelines.for_tenant(highlevel.tenant, highlevel.app).count() > 0
    body = {"locationId": highlevel.location, "email": "ann@example.org"}
    made = highlevel.call("contacts.create-contact", body=body)["contact"]["id"]
    highlevel.sync("contacts")
    assert [row.id for row in mine.by_email("ann@example.org").newest(1)] == [made]


def test_the_app_is_the_default_one_and_what_is_named_is_chosen(highlevel: HighLevel) -> None:
    highlevel.sync("contacts", "tags")
    assert records.contacts.for_tenant(highlevel.tenant).count() == CONTACTS
    assert records.tags.for_tenant(highlevel.tenant).count() > 0
    with pytest.raises(errors.BadRequest, match="there is no resource contcats"):
        highlevel.sync("contcats")


def test_a_sync_that_cannot_complete_says_why(highlevel: HighLevel) -> None:
    highlevel.fail("/contacts/search", 403, times=20)
    with pytest.raises(AssertionError, match="contacts: HighLevel refused the request"):
        highlevel.sync("contacts")


def test_a_sync_waits_for_permits_and_not_for_ever(highlevel: HighLevel, monkeypatch: pytest.MonkeyPatch) -> None:
    highlevel.refuse_permit(times=3)
    highlevel.sync("contacts")
    assert records.contacts.for_tenant(highlevel.tenant, highlevel.app).count() == CONTACTS

    monkeypatch.setattr(kit, "_LONGEST_WAIT", 0.2)
    highlevel.refuse_permit(times=10_000)
    with pytest.raises(AssertionError, match="contacts: it waits for a permit"):
        highlevel.sync("contacts")
