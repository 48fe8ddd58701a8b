"""Deliveries of an app's modules are told apart from events, handled, and missed when nobody handles them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrations.console.doctor.webhook_check import module_deliveries
from integrations.core import clock
from integrations.webhooks import envelope, handlers
from integrations.webhooks.models import Event
from integrations.webhooks.module_deliveries import (
    EXTERNAL_AUTH,
    PROVIDER_MESSAGE,
    WORKFLOW_ACTION,
    WORKFLOW_TRIGGER,
    recognise,
    withheld,
)
from tests.plugin.dispatch import send_due
from tests.webhooks.conftest import Post

SMS: dict[str, Any] = {
    "contactId": "con1",
    "locationId": "loc1",
    "messageId": "msg1",
    "type": "SMS",
    "phone": "+15550101",
    "message": "Your table is ready",
    "attachments": [],
    "userId": "usr1",
}
EMAIL = {
    **{name: SMS[name] for name in ("contactId", "locationId", "messageId")},
    "type": "Email",
    "subject": "Hello",
    "html": "<p>Hello</p>",
    "emailTo": ["ann@example.com"],
    "emailFrom": "desk@example.com",
}
# FACTS-2 4: a Delivery URL's posts may have these, as events do.
NAMED = {"webhookId": "00000000-0000-4000-8000-000000000001", "timestamp": "2026-03-30T05:57:15.000Z"}
ATTACHMENTS = {name: value for name, value in SMS.items() if name != "message"} | {
    "attachments": ["https://x.example/a"]
}
ACTION = {
    "data": {"text": "hello"},
    "extras": {"locationId": "loc1", "contactId": "con1", "workflowId": "wf1"},
    "meta": {"key": "say", "version": "1.0"},
}
TRIGGER = {
    "triggerData": {"id": "t1", "key": "said", "filters": [], "eventType": "CREATED", "targetUrl": "https://x.example"},
    "extras": {"locationId": "loc1", "workflowId": "wf1", "companyId": "cmp1"},
}
AUTH = {"companyId": "cmp1", "fields": {"api_key": "k"}, "approveAllLocations": False, "locationId": ["loc1"]}


@pytest.mark.parametrize(
    ("payload", "kind", "tenant"),
    [
        (SMS, PROVIDER_MESSAGE, "location:loc1"),
        (EMAIL, PROVIDER_MESSAGE, "location:loc1"),
        ({**SMS, **NAMED}, PROVIDER_MESSAGE, "location:loc1"),
        ({**EMAIL, **NAMED}, PROVIDER_MESSAGE, "location:loc1"),
        (ATTACHMENTS, PROVIDER_MESSAGE, "location:loc1"),
        ({**ACTION, **NAMED}, WORKFLOW_ACTION, "location:loc1"),
        (ACTION, WORKFLOW_ACTION, "location:loc1"),
        (TRIGGER, WORKFLOW_TRIGGER, "location:loc1"),
        (AUTH, EXTERNAL_AUTH, "location:loc1"),
        ({**AUTH, "locationId": ["loc1", "loc2"]}, EXTERNAL_AUTH, "company:cmp1"),
    ],
    ids=[
        "SMS",
        "e-mail",
        "SMS with an id",
        "e-mail with an id",
        "attachments alone",
        "action with an id",
        "action",
        "trigger",
        "authentication",
        "authentication of several",
    ],
)
@pytest.mark.django_db
def test_a_delivery_is_stored_under_the_type_of_its_module(
    post: Post, payload: dict[str, Any], kind: str, tenant: str
) -> None:
    assert post(payload).status_code == 200
    event = Event.objects.select_related("mailbox").get()
    assert (event.type, event.mailbox.tenant) == (kind, tenant)
    assert event.payload == (withheld(payload) if kind == EXTERNAL_AUTH else payload)
    assert post(payload).json() != {"status": "stored"}, "the same delivery again"


@pytest.mark.parametrize(
    "payload",
    [
        {**SMS, "type": "OutboundMessage"},
        {**SMS, **NAMED, "type": "ContactUpdate"},
        {**SMS, **NAMED, "direction": "outbound"},
        {**SMS, "type": "OutboundMessage", "direction": "outbound"},
        {**SMS, "type": "InboundMessage", "phone": "+15550101", "direction": "inbound"},
        {name: SMS[name] for name in ("contactId", "locationId", "messageId", "type")},
        {**ACTION, "type": "ContactUpdate"},
        {**ACTION, "extras": "loc1"},
        {**TRIGGER, "triggerData": None},
        {**AUTH, "locationId": "loc1"},
        {},
    ],
)
def test_an_event_is_none_of_them(payload: dict[str, Any]) -> None:
    assert recognise(payload) is None


@pytest.mark.parametrize("wrong", [[{"a": 1}], [7], ["loc 1"]])
@pytest.mark.django_db
def test_an_account_that_is_no_id_is_refused_like_that_of_an_event(post: Post, wrong: Any) -> None:
    assert post({**AUTH, "locationId": wrong}).status_code == 400
    assert not Event.objects.exists()


@pytest.mark.parametrize("more", [{}, NAMED], ids=["without an id", "with the id of an event"])
@pytest.mark.django_db(transaction=True)
def test_a_message_without_a_handler_is_a_warning_and_one_with_a_handler_is_handled(
    post: Post, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    post({**SMS, **more})
    [warning] = module_deliveries()
    assert (warning.level, warning.found) == (
        "warning",
        "1 ProviderOutboundMessage in a day, and no handler: customers' messages were not sent",
    )
    sent: list[str] = []

    def send(event: Event) -> None:
        sent.append(event.payload["message"])

    monkeypatch.setitem(handlers.HANDLERS, PROVIDER_MESSAGE, (send,))
    assert [finding.level for finding in module_deliveries()] == ["ok"]
    assert send_due() == 1
    handlers.run(Event.objects.get())
    assert sent == ["Your table is ready"]


def test_no_credential_of_an_external_authentication_is_stored() -> None:
    stored = withheld({**AUTH, "password": "p", "more": ["p"]})
    assert stored == {
        **{name: AUTH[name] for name in ("companyId", "approveAllLocations", "locationId")},
        "fields": {"api_key": "(withheld)"},
        "password": "(withheld)",
        "more": "(withheld)",
    }


@pytest.mark.parametrize("channel", [[], {}, [True], {"a": 1}, 5, None])
def test_a_channel_that_is_no_text_is_no_fault_of_ours(channel: Any) -> None:
    ids = {"contactId": "c1", "locationId": "loc1", "messageId": "m1"}
    body = {**ids, "type": channel, "phone": "+1555", "message": "hi"}
    assert envelope.read(json.dumps(body).encode(), clock.now()).type == PROVIDER_MESSAGE
