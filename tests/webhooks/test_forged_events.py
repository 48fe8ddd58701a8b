"""What somebody writes into the inbox, without a key of the vault, reaches no handler."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from integrations.core import clock
from integrations.privacy import contact_rows
from integrations.tenants.models import App
from integrations.vault import keys as vault_keys
from integrations.vault import rotation, row_macs, signed_tables
from integrations.vault.models import RowMacKey
from integrations.webhooks import mailbox, replay
from integrations.webhooks.handlers import Handler
from integrations.webhooks.models import Event, Mailbox
from tests.support.forging import Attacks, copied, each
from tests.support.signed import transition
from tests.webhooks.conftest import Post, contact

pytestmark = pytest.mark.django_db
# What `jsonb` stores in another way than it came: order, doubled names, numbers, escapes, white space.
ODD = rb"""{"type": "Tested",  "locationId":"loc1", "webhookId": "w1",
    "z":1.50, "b": 1E3, "b": -0.0, "\u0061": "\u00e9\/"}"""


@pytest.fixture
def seen(on: Callable[[str, Handler], None]) -> list[Any]:
    """The payloads that reached a handler."""
    seen: list[Any] = []
    on("Tested", lambda event: seen.append(event.payload))
    on("ContactUpdate", lambda event: seen.append(event.payload))
    return seen


def drain() -> None:
    for box in Mailbox.objects.all():
        mailbox.drain(box.pk)


def test_whatever_the_vendor_sends_is_handled(post: Post, seen: list[Any]) -> None:
    for raw in (ODD, json.dumps(contact(2, type="Tested", text='"\\\u2028😀\u007f', n=10**30, f=1e-7)).encode()):
        assert post(raw).status_code == 200
    drain()
    assert [one.get("b", one.get("f")) for one in seen] in ([0.0, 1e-7], [1e-7, 0.0])
    assert signed_tables.misfits() == {}


@pytest.mark.slow
def test_an_event_that_is_written_reaches_no_handler(post: Post, app: App, other_app: App, seen: list[Any]) -> None:
    post(contact(1))
    post(contact(2, locationId="loc2"))
    event, another = Event.objects.order_by("pk")
    mine, now = Event.objects.filter(pk=event.pk), clock.now()
    there = Mailbox.objects.create(app=other_app, tenant="location:loc1", due_at=now)

    def payload_with_its_digest() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE webhooks_event SET payload = '{}', mac = sha256('{}') WHERE id = %s", [event.pk])

    theirs = {"webhook_id": "'w'", "payload": """payload || '{"id": "theirs"}'"""}
    attacks: Attacks = {
        "the payload": lambda: mine.update(payload={**event.payload, "id": "theirs"}),
        "the payload with a digest": payload_with_its_digest,
        "the type": lambda: mine.update(type="Tested"),
        "the moment": lambda: mine.update(occurred_at=now + timedelta(minutes=1)),
        "the moment it came": lambda: mine.update(received_at=now - timedelta(days=1)),
        "the id": lambda: mine.update(webhook_id="another"),
        "inserted": lambda: copied("webhooks_event", event.pk, **theirs, mac="'\\x00'"),
        "inserted with the MAC of another": lambda: copied("webhooks_event", event.pk, **theirs),
        "inserted without a MAC": lambda: copied("webhooks_event", event.pk, **theirs, mac="NULL"),
        "inserted with payload and MAC of another": lambda: copied("webhooks_event", event.pk, webhook_id="'w'"),
        "moved to another tenant": lambda: mine.update(mailbox=another.mailbox),
        "another tenant's mailbox": lambda: Mailbox.objects.filter(pk=event.mailbox_id).update(tenant="location:l9"),
        "moved to another app": lambda: mine.update(app=other_app, mailbox=there),
    }
    for name in each(attacks):
        drain()
        held = Event.objects.filter(status="poisoned").get()
        assert (held.error_code, held.attempts) == ("seal_broken", 1), name
        own = {"contact1", "contact2"} if name.startswith("inserted") else {"contact2"}
        assert {one["id"] for one in seen} == own, name
        assert Event.objects.filter(status="done").count() == len(own), name
        replay.replay(Event.objects.filter(pk=held.pk), actor="ann")
        seen.clear()
        drain()
        assert seen == [], f"{name}: nor does a replay bring it to a handler"
        assert signed_tables.misfits() == {"webhooks.Event": 1}, name
        everything = list(Event.objects.values_list("pk", flat=True))
        assert signed_tables.discard("webhooks.Event", everything, actor="ann") == [held.pk], name
        assert signed_tables.misfits() == {}, name
        assert replay.replay(Event.objects.filter(pk=held.pk), actor="ann").events == 0, name
    drain()
    assert [one["id"] for one in seen] == ["contact1", "contact2"], "what the application received is handled"


def test_an_event_in_a_batch_takes_no_other_along(post: Post, seen: list[Any]) -> None:
    for number in range(5):
        post(contact(number))
    Event.objects.filter(payload__id="contact2").update(payload={"id": "theirs"})
    drain()
    assert {one["id"] for one in seen} == {"contact0", "contact1", "contact3", "contact4"}
    assert Event.objects.filter(status="done").count() == 4
    assert Event.objects.get(status="poisoned").error_code == "seal_broken"


def test_replays_and_a_rotation_of_keys_leave_the_macs_alone(post: Post, seen: list[Any], settings: Any) -> None:
    post(contact(1))
    drain()
    settings.VAULT_KEYS = ["next:" + "A" * 43 + "=", *settings.VAULT_KEYS]
    rotation.rotate(vault_keys.ring(), watcher=rotation.Watcher())
    row_macs.reset()
    replay.replay(Event.objects.all(), actor="ann")
    drain()
    assert [one["id"] for one in seen] == ["contact1", "contact1"]


def test_events_of_the_release_before_are_handled_until_the_transition_ends(post: Post, seen: list[Any]) -> None:
    post(contact(1))
    post(contact(2))
    transition(clock.now() + timedelta(hours=1))
    Event.objects.update(mac=None)
    drain()
    assert len(seen) == 2
    assert signed_tables.sign_in_transition() == {"webhooks.Event": 2}, "handled ones, too: they may be replayed"
    transition(None)
    replay.replay(Event.objects.all(), actor="ann")
    drain()
    assert {event.error_code for event in Event.objects.all()} == {"seal_broken"}
    assert signed_tables.vouch(actor="ann", reason="the key was lost") == {"webhooks.Event": 2}
    replay.replay(Event.objects.all(), actor="ann")
    drain()
    assert len(seen) == 4


def test_an_event_that_was_emptied_for_a_person_is_ours_still(post: Post, seen: list[Any]) -> None:
    post(contact(1))
    contact_rows.empty_events([Event.objects.get().pk])
    replay.replay(Event.objects.all(), actor="ann")
    drain()
    assert seen == [contact_rows.EMPTIED]


def test_without_the_right_key_the_vendor_shall_come_again(post: Post, app: App) -> None:
    RowMacKey.objects.update(sealed=b"not a key")
    row_macs.reset()
    answer = post(contact(1))
    assert (answer.status_code, answer.json()["error"]) == (429, "store_unavailable")
    assert not Event.objects.exists()
