"""Calls of modules that HighLevel does not sign: let in by the app's key alone, stored, answered, handled."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from pytest_django import Settings

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.modules import module_keys
from integrations.modules.answers import ModuleCall, answers
from integrations.modules.models import ModuleKey
from integrations.tenants.models import App
from integrations.webhooks import handlers, inbox, mailbox
from integrations.webhooks.models import Event
from tests.modules.conftest import Call

pytestmark = pytest.mark.django_db

ACTION: dict[str, Any] = {
    "data": {"text": "hello"},
    "extras": {"locationId": "loc1", "contactId": "con1", "workflowId": "wf1"},
    "meta": {"key": "say", "version": "1.0"},
}
AUTH = {"api_key": "the-customers-key", "companyId": "cmp1", "approveAllLocations": False, "locationId": ["loc1"]}


def test_an_action_is_stored_under_its_name_and_handled_like_a_webhook(call: Call) -> None:
    seen: list[str] = []

    def one(event: Event) -> None:
        seen.append(f"say {event.payload['data']['text']}")

    def any_action(event: Event) -> None:
        seen.append(event.type)

    handlers.on("WorkflowAction/say", one)
    handlers.on("WorkflowAction", any_action)
    assert call("action/say", ACTION).json() == {"status": "stored"}
    event = Event.objects.select_related("mailbox").get()
    assert (event.type, event.mailbox.tenant, event.payload) == ("WorkflowAction/say", "location:loc1", ACTION)
    mailbox.drain(event.mailbox_id)
    event.refresh_from_db()
    assert (seen, event.status) == (["say hello", "WorkflowAction/say"], Event.Status.DONE)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_any_method_with_a_body_and_any_body_will_do(call: Call, method: str) -> None:
    assert call("action/say", {"locationId": "loc1", "own": ["template"]}, method=method).status_code == 200
    assert Event.objects.get().mailbox.tenant == "location:loc1"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_action_without_a_body_is_what_its_query_says(call: Call, app: App, method: str) -> None:
    """FACTS-2 5: the developer chooses the method of an execution, and these two may have no body."""
    asked: list[ModuleCall] = []

    @answers("WorkflowAction", "look-up")
    def look_up(call: ModuleCall) -> dict[str, int]:
        asked.append(call)
        return {"score": 7}

    url = f"/modules/{app.highlevel_id}/action/look-up/?locationId=loc1&contactId=con1"
    assert call(url, b"", method=method).json() == {"score": 7}
    (one,) = asked
    assert (one.tenant, one.payload["contactId"]) == (Tenant.location("loc1"), "con1")
    event = Event.objects.select_related("mailbox").get()
    assert (event.type, event.mailbox.tenant) == ("WorkflowAction/look-up", "location:loc1")
    assert event.payload == {"locationId": "loc1", "contactId": "con1"}
    assert call(url, b"", method=method, headers={}).status_code == 401, "a query is no key"


@pytest.mark.parametrize("key", [None, "", "short", "x" * 43, "x" * 10_000])
@pytest.mark.parametrize("path", ["action/say", "trigger/paid", "auth/erp", "fields/say", "filters/paid"])
def test_no_key_is_401_and_nothing_is_stored(call: Call, path: str, key: str | None) -> None:
    refusal = call(path, ACTION, headers={} if key is None else {module_keys.HEADER: key})
    assert (refusal.status_code, refusal.json()["error"]) == (401, "signature_invalid")
    assert not Event.objects.exists()


def test_a_key_opens_no_module_of_another_app(call: Call, app: App, key: str) -> None:
    other = App.objects.create(
        name="Other",
        client_id="other-1",
        highlevel_id="other",
        api_url=app.api_url,
        marketplace_url=app.marketplace_url,
        client_secret_sealed=b"-",
        created_at=clock.now(),
    )
    module_keys.make(other, now=clock.now(), by="the test")
    assert call("/modules/other/action/say/", ACTION).status_code == 401
    assert call("/modules/nobody/action/say/", ACTION).status_code == 401
    assert call("action/say", {**ACTION, "appId": "other"}).status_code == 200
    assert Event.objects.get().app == app, "the key's app, whatever the payload says"


def test_a_webhooks_signature_opens_no_module_that_is_not_signed(
    call: Call, signed: Callable[[bytes], dict[str, str]]
) -> None:
    raw = json.dumps(ACTION).encode()
    assert call("action/say", raw, headers=signed(raw)).status_code == 401


def test_two_keys_are_valid_while_one_replaces_the_other(call: Call, app: App, key: str) -> None:
    now = clock.now()

    def is_let_in(given: str) -> bool:
        return bool(call("action/say", ACTION, headers={module_keys.HEADER: given}).status_code == 200)

    second = module_keys.make(app, now=now, by="the test").reveal()
    assert is_let_in(key)
    assert is_let_in(second)
    third = module_keys.make(app, now=now, by="the test").reveal()
    assert not is_let_in(key), "a third key ends the first"
    assert is_let_in(second)
    assert module_keys.end_former(app, by="the test") == 1
    assert not is_let_in(second)
    assert is_let_in(third)
    with pytest.raises(BadRequest, match="no former key"):
        module_keys.end_former(app, by="the test")
    assert module_keys.shown(app, by="the test").reveal() == third


def test_a_key_that_somebody_wrote_into_the_database_opens_nothing(call: Call, app: App, key: str) -> None:
    ModuleKey.objects.filter(app=app).update(number=7)
    assert call("action/say", ACTION).status_code >= 500
    assert not Event.objects.exists()


def test_two_executions_are_two_events_and_a_retry_is_none(call: Call) -> None:
    with time_machine.travel(clock.now(), tick=False) as traveller:
        assert call("action/say", ACTION).json() == {"status": "stored"}
        traveller.shift(timedelta(seconds=45))
        assert call("action/say", ACTION).json() == {"status": "duplicate"}
        assert call("action/ask", ACTION).json() == {"status": "stored"}, "of another module"
        traveller.shift(timedelta(seconds=45))
        assert call("action/say", ACTION).json() == {"status": "stored"}
    assert Event.objects.count() == 3


def test_a_function_answers_the_workflow_and_handlers_follow(call: Call) -> None:
    asked: list[ModuleCall] = []

    @answers("WorkflowAction", "score")
    def score(given: ModuleCall) -> dict[str, int]:
        asked.append(given)
        return {"score": 7}

    assert call("action/score", ACTION).json() == {"score": 7}
    [one] = asked
    assert (one.tenant, one.payload, one.name) == (Tenant.location("loc1"), ACTION, "score")
    event = Event.objects.get()
    mailbox.drain(event.mailbox_id)
    event.refresh_from_db()
    assert event.status == Event.Status.DONE, "no warning: it was answered when it came"


def test_options_and_fields_are_answered_and_not_stored(call: Call, app: App) -> None:
    @answers("WorkflowOptions", "colours")
    def colours(given: ModuleCall) -> dict[str, Any]:
        return {"options": [{"label": given.payload.get("of", "all"), "value": "1"}]}

    @answers("WorkflowFields", "say")
    def fields(given: ModuleCall) -> dict[str, Any]:
        return {"inputs": []}

    found = call(f"/modules/{app.highlevel_id}/options/colours/?of=cars", method="GET")
    assert found.json() == {"options": [{"label": "cars", "value": "1"}]}
    assert call("fields/say", ACTION).json() == {"inputs": []}
    assert not Event.objects.exists()


def test_credentials_of_a_customer_are_checked_and_never_stored(
    call: Call, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []

    @answers("ExternalAuth", "erp")
    def check(given: ModuleCall) -> None:
        seen.append(given.payload["api_key"])
        if given.payload["api_key"] != "the-customers-key":
            raise BadRequest("the ERP does not know this key")

    with caplog.at_level(logging.DEBUG):
        assert call("auth/erp", AUTH).status_code == 200
        refusal = call("auth/erp", {**AUTH, "api_key": "a-wrong-key"})
    assert (refusal.status_code, refusal.json()["message"]) == (422, "the ERP does not know this key")
    assert seen == ["the-customers-key", "a-wrong-key"]
    event = Event.objects.select_related("mailbox").get()
    assert (event.type, event.mailbox.tenant) == ("ExternalAuth/erp", "location:loc1")
    assert event.payload == {**AUTH, "api_key": "(withheld)"}
    output = caplog.text + "".join(capsys.readouterr())
    assert "customers-key" not in output
    assert "a-wrong-key" not in output


@pytest.mark.parametrize("path", ["auth/erp", "options/colours", "fields/say", "filters/paid"])
def test_what_no_function_answers_is_501_because_200_would_be_an_answer(call: Call, path: str) -> None:
    assert call(path, AUTH).status_code == 501
    assert not Event.objects.exists()


@pytest.mark.parametrize("payload", [b"{", b"[]", b"\xff", b"7"])
def test_a_malformed_body_is_400(call: Call, payload: bytes) -> None:
    assert call("action/say", payload).status_code == 400


def test_a_large_body_is_413_and_an_unavailable_store_429(
    call: Call, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox.breaker, "admits", lambda _: False)
    refusal = call("action/say", ACTION)
    assert (refusal.status_code, refusal.headers["Retry-After"]) == (429, "30")
    settings.WEBHOOK_MAX_BYTES = 10
    assert call("action/say", ACTION).status_code == 413


@pytest.mark.parametrize("path", ["nothing/say", "action/Say", "action/a b", f"action/{'a' * 41}"])
def test_what_is_no_module_is_404(call: Call, path: str) -> None:
    assert call(path, ACTION).status_code == 404


def test_credentials_in_a_query_are_refused(call: Call) -> None:
    refusal = call("auth/erp", method="GET")
    assert (refusal.status_code, refusal.headers["Allow"]) == (405, "POST, PUT, PATCH")


def test_two_providers_of_an_app_are_told_apart(call: Call, signed: Callable[[bytes], dict[str, str]]) -> None:
    sent: list[tuple[str, str]] = []
    for name in ("cheap", "fast"):
        handlers.on(
            f"ProviderOutboundMessage/{name}", lambda event, name=name: sent.append((name, event.payload["message"]))
        )
    message = {"contactId": "c", "locationId": "loc1", "type": "SMS", "phone": "+15550100", "attachments": []}
    for name in ("cheap", "fast"):
        raw = json.dumps({**message, "messageId": name, "message": f"by {name}"}).encode()
        assert call(f"provider/{name}", raw, headers=signed(raw)).json() == {"status": "stored"}
        assert call(f"provider/{name}", raw, headers=signed(raw)).json() == {"status": "duplicate"}
        assert call(f"provider/{name}", raw).status_code == 401, "a key is no signature"
    for event in Event.objects.all():
        handlers.run(event)
    assert sorted(sent) == [("cheap", "by cheap"), ("fast", "by fast")]


def test_what_other_apps_get_signed_is_no_message_of_our_provider(
    call: Call, signed: Callable[[bytes], dict[str, str]]
) -> None:
    sms = {"contactId": "c", "locationId": "loc1", "phone": "+15550100", "message": "hi", "messageId": "m"}

    def post(**fields: str) -> str:
        raw = json.dumps(sms | fields).encode()
        return str(call("provider/sms", raw, headers=signed(raw)).json()["status"])

    assert post(type="InboundMessage", appId="anotherdevelopersapp") == "not_here"
    assert post(type="SMS", appId="anotherdevelopersapp") == "not_here"
    assert post(type="InboundMessage") == "stored"
    assert Event.objects.get().type == "InboundMessage", "a wrong URL in the portal loses no event"


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [("Nothing", "say", "no kind of module"), ("WorkflowAction", "Say it", "cannot be the name")],
)
def test_a_function_for_a_module_that_cannot_be_is_refused(kind: str, name: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        answers(kind, name)


def test_a_module_has_one_function() -> None:
    answers("WorkflowAction", "twice")(lambda call: 1)
    with pytest.raises(BadRequest, match="two answers"):
        answers("WorkflowAction", "twice")(lambda call: 2)
