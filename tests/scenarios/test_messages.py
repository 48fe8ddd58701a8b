"""Messages from end to end, in API 2.0 and v3: sent by the command, a job and the explorer, and one that arrives."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from integrations.core import clock
from integrations.gateway.models import Usage
from integrations.gateway.stats import usage_counter
from integrations.jobs import events, schedules
from integrations.jobs.define import Job
from integrations.jobs.job_run import JobRun
from integrations.jobs.models import Run
from integrations.jobs.runs import advance
from integrations.sandbox.events import signing
from integrations.tenants.models import App
from integrations.webhooks import handlers, mailbox
from integrations.webhooks.models import Event, Mailbox
from tests.jobs.conftest import Defined, defined, location, no_other_jobs
from tests.plugin.vendor import Vendor, run_vendor
from tests.sandbox.conftest import inbox
from tests.sandbox.journey import Receiver
from tests.scenarios.test_calls import DIALECTS, SEND, Shell, app, reachable, run_job, shell, speak

__all__ = ["app", "defined", "inbox", "location", "no_other_jobs", "shell"]

LISTED = "conversations.get-messages"
INBOUND = "conversations.add-an-inbound-message"  # the sandbox plays the contact's telephone
_seeds = itertools.count(13_000)
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:No directory at:UserWarning"),
]


@pytest.fixture
def vendor(inbox: Receiver, settings: Any) -> Iterator[Vendor]:
    for made in run_vendor(contacts=12, locations=1, seed=next(_seeds), webhook_url=inbox.url):
        settings.HIGHLEVEL_WEBHOOK_KEYS = [signing.public_key_pem(made.options.seed)]
        yield made


@pytest.fixture
def operator(client: Client, db: None) -> Client:
    client.force_login(get_user_model().objects.create_superuser("root", password="a-long-password-1"))
    return client


@pytest.fixture
def answering(defined: Defined, monkeypatch: pytest.MonkeyPatch) -> Defined:
    """Defines a job that events start, with their handlers, as start-up does."""

    def define(function: Any, **how: Any) -> Job:
        job = defined(function, **how)
        monkeypatch.setattr(handlers, "HANDLERS", dict(handlers.HANDLERS))
        events.register()
        return job

    return define


@DIALECTS
def test_an_sms_is_sent_by_the_command_a_job_and_the_explorer(
    app: App, location: str, shell: Shell, defined: Defined, operator: Client, dialect: str
) -> None:
    speak(app, dialect)
    contact = reachable(shell)
    printed = shell("call", SEND, "--body", json.dumps(sms(contact, "Hello from the shell")), "--json")
    assert printed.count("\n") == 1
    sent = json.loads(printed)
    assert sent["messageId"]

    def greet(run: JobRun) -> None:
        """Send one message."""
        answer = run.api.conversations.send_a_new_message(body=sms(contact, "Hello from a job"))
        assert answer.json["conversationId"] == sent["conversationId"]
        run.count("sent")

    job = defined(greet, scopes=("conversations/message.write",))
    outcome = run_job(shell, job.name)
    assert (outcome["status"], outcome["counts"]) == ("complete", {"sent": 1})
    assert sent["conversationId"] in explored(operator, location, sms(contact, "Hello from the explorer"))

    found = json.loads(shell("call", LISTED, "--param", f"conversationId={sent['conversationId']}"))["messages"]
    texts = [message["body"] for message in (found if isinstance(found, list) else found["messages"])]
    assert sorted(texts) == ["Hello from a job", "Hello from the explorer", "Hello from the shell"]
    usage_counter.flush()
    lines = Usage.objects.filter(operation=SEND).order_by("job", "lane")
    assert [(line.job, line.calls, line.spent, line.code) for line in lines] == [("", 2, 2, ""), ("test.job", 1, 1, "")]


@DIALECTS
def test_an_sms_that_arrives_is_an_event_that_a_job_answers(
    app: App, location: str, shell: Shell, answering: Defined, operator: Client, inbox: Receiver, dialect: str
) -> None:
    speak(app, dialect)
    contact = reachable(shell)
    heard: list[dict[str, Any]] = []

    def answer(run: JobRun) -> None:
        """Answer each message that arrives."""
        for event in run.events():
            heard.append(event)
            run.api.conversations.send_a_new_message(body=sms({"id": event["contactId"]}, "Thank you"))

    job = answering(answer, on="InboundMessage", scopes=("conversations/message.write",))
    arrived = {"type": "SMS", "contactId": contact["id"], "message": "I am on my way"}
    posted = json.loads(shell("call", INBOUND, "--body", json.dumps(arrived)))
    delivered(inbox, operator, "InboundMessage")
    event = Event.objects.get(type="InboundMessage")
    assert (event.status, event.payload["body"], event.payload["direction"]) == ("done", "I am on my way", "inbound")
    assert (event.payload["messageId"], event.payload["locationId"]) == (posted["messageId"], location)
    assert "I am on my way" in operator.get(f"/admin/webhooks/event/{event.pk}/change/").content.decode()

    schedules.start_due(clock.now())
    run = Run.objects.get(schedule__job=job.name)
    advance(run.pk)
    run.refresh_from_db()
    assert (run.status, [payload["body"] for payload in heard]) == ("complete", ["I am on my way"]), run.error
    found = json.loads(shell("call", LISTED, "--param", f"conversationId={posted['conversationId']}"))["messages"]
    texts = [message["body"] for message in (found if isinstance(found, list) else found["messages"])]
    assert sorted(texts) == ["I am on my way", "Thank you"]


def sms(contact: dict[str, Any], text: str) -> dict[str, Any]:
    return {"type": "SMS", "contactId": contact["id"], "message": text}


def explored(operator: Client, location: str, body: dict[str, Any]) -> str:
    """The page of the call explorer after the message was reviewed and sent."""
    page = f"/admin/gateway/call/explore/{SEND}/"
    fields = {"tenant": location, "body": json.dumps(body)}
    number = re.search(r'name="confirmed" value="([^"]+)"', operator.post(page, fields).content.decode())
    assert number is not None
    return operator.post(page, {**fields, "confirmed": number[1]}).content.decode()


def delivered(inbox: Receiver, browser: Client, kind: str) -> None:
    """Hand on what the vendor sends until a webhook of this type came, and let a worker process it."""
    number = 1
    while kind not in inbox.types():
        inbox.wait_for(number)
        number = len(inbox.posts) + 1
    for post in list(inbox.posts):
        headers = {signing.HEADER: post.headers[signing.HEADER.lower()]}
        answer = browser.post("/webhooks/", post.body, content_type="application/json", headers=headers)
        assert answer.status_code == 200
    for box in Mailbox.objects.all():
        mailbox.drain(box.pk)
