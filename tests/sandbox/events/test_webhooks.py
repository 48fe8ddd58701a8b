"""Signed webhooks: which are sent for what, in which shape, how they are repeated, and their faults."""

from __future__ import annotations

import base64
import time
import uuid
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from integrations.sandbox.events import retries, signing
from tests.sandbox.conftest import Start
from tests.sandbox.journey import Journey, Post, Receiver, app_id
from tests.support.waiting import wait_until


@pytest.fixture
def journey(start: Start, inbox: Receiver) -> Journey:
    return start(webhook_url=inbox.url, webhook_time_scale=0.0005)


def key(seed: int = 1) -> Ed25519PublicKey:
    found = load_pem_public_key(signing.public_key_pem(seed).encode())
    assert isinstance(found, Ed25519PublicKey)
    return found


def verify(post: Post) -> None:
    key().verify(base64.b64decode(post.headers["x-ghl-signature"]), post.body)


def change(journey: Journey, **fields: Any) -> Any:
    answer = journey.http.post("/sandbox/changes", json={"location": journey.locations[0], **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_webhook_is_signed_over_its_raw_body_in_a_flat_envelope(journey: Journey, inbox: Receiver) -> None:
    journey.install_location()
    body = inbox.wait_for(1)[0]
    verify(inbox.posts[0])
    assert body["appId"] == body["versionId"] == app_id()
    assert body["timestamp"].endswith("Z")
    assert str(uuid.UUID(body["webhookId"])) == body["webhookId"]
    assert (body["type"], body["installType"]) == ("INSTALL", "Location")
    assert body["locationId"] == journey.locations[0]
    assert body["companyId"] == journey.company
    assert body["userId"]
    assert body["companyName"]


def test_a_bulk_install_tells_of_the_agency_first_and_then_of_each_location(journey: Journey, inbox: Receiver) -> None:
    journey.install_company()
    bodies = inbox.wait_for(4)
    assert "locationId" not in bodies[0]
    assert bodies[0]["companyId"] == journey.company
    assert {body["locationId"] for body in bodies[1:]} == set(journey.locations)


def test_installing_again_tells_of_new_locations_only(journey: Journey, inbox: Receiver) -> None:
    journey.install_company(locations=journey.locations[:2])
    inbox.wait_for(3)
    journey.install_company(locations=journey.locations)
    later = inbox.wait_for(5)[3:]
    assert [body.get("locationId") for body in later] == [None, journey.locations[2]]


def test_a_future_locations_install_comes_without_company_and_user(journey: Journey, inbox: Receiver) -> None:
    journey.install_company(locations=journey.locations[:1], future_locations="on")
    inbox.wait_for(2)
    made = journey.http.post("/sandbox/locations", json={}).json()
    body = inbox.wait_for(3)[2]
    assert (body["type"], body["locationId"]) == ("INSTALL", made["id"])
    assert not {"companyId", "userId"} & set(body)


def test_uninstalls_name_either_the_location_or_the_company(journey: Journey, inbox: Receiver) -> None:
    journey.install_company()
    inbox.wait_for(4)
    journey.http.post(f"/sandbox/locations/{journey.locations[0]}/uninstall")
    location = inbox.wait_for(5)[4]
    assert set(location) == {"type", "locationId", "appId", "versionId", "timestamp", "webhookId"}
    journey.http.post(f"/sandbox/companies/{journey.company}/uninstall")
    agency = inbox.wait_for(6)[5]
    assert set(agency) == {"type", "companyId", "appId", "versionId", "timestamp", "webhookId"}


def test_data_changes_reach_the_app_where_it_is_installed_only(journey: Journey, inbox: Receiver) -> None:
    change(journey, kind="create", resource="contacts", count=2)
    journey.install_location()
    inbox.wait_for(1)
    change(journey, kind="create", resource="contacts", count=3)
    bodies = inbox.wait_for(4)
    created = [body for body in bodies if body["type"] == "ContactCreate"]
    assert len(created) == 3
    assert {body["locationId"] for body in created} == {journey.locations[0]}
    assert len({body["webhookId"] for body in bodies}) == len(bodies)
    for post in inbox.posts:
        verify(post)


def test_an_event_is_sent_under_its_own_type_not_the_subscriptions(journey: Journey, inbox: Receiver) -> None:
    journey.install_location()
    change(journey, kind="create", resource="messages")
    inbox.wait_for(3)
    assert inbox.types()[1:] == ["InboundMessage", "ConversationUnreadUpdate"]


def test_a_change_through_the_api_is_announced_too(journey: Journey, inbox: Receiver) -> None:
    token = journey.install_location()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Version": "2021-07-28"}
    body = {"locationId": journey.locations[0], "email": "ada@example.com"}
    made = journey.http.post("/contacts/", json=body, headers=headers).json()["contact"]
    created = inbox.wait_for(2)[1]
    assert (created["type"], created["id"]) == ("ContactCreate", made["id"])


def test_one_tenants_webhooks_come_in_order(journey: Journey, inbox: Receiver) -> None:
    journey.install_location()
    change(journey, kind="create", resource="contacts", count=30)
    received = [body["webhookId"] for body in inbox.wait_for(31)]
    log = journey.http.get("/sandbox/deliveries").json()["deliveries"]
    assert received == [entry["webhookId"] for entry in log]


def test_a_refused_webhook_is_repeated_until_it_is_taken(journey: Journey, inbox: Receiver) -> None:
    inbox.answers += [500, 404, 301]
    journey.install_location()
    bodies = inbox.wait_for(4)
    assert len({body["webhookId"] for body in bodies}) == 1
    wait_until(lambda: journey.state()["deliveries"]["sent"] == 1)
    log = journey.http.get("/sandbox/deliveries").json()["deliveries"]
    assert log[0]["tries"] == [500, 404, 301, 200]
    assert log[0]["state"] == "delivered"


def test_the_old_policy_repeats_only_429(start: Start, inbox: Receiver) -> None:
    journey = start(webhook_url=inbox.url, webhook_policy="old", webhook_time_scale=0.0001)
    inbox.answers += [500, 429, 200]
    journey.install_company(locations=journey.locations[:1])
    wait_until(lambda: journey.state()["deliveries"] == {"sent": 1, "failed": 1, "pending": 0, "dropped": 0})
    assert inbox.types() == ["INSTALL"] * 3


def test_no_receiver_at_all_is_given_up_in_the_end(start: Start, inbox: Receiver) -> None:
    inbox.server.server_close()
    journey = start(webhook_url=inbox.url, webhook_time_scale=0.000001)
    journey.install_location()
    wait_until(lambda: journey.state()["deliveries"]["failed"] == 1)
    log = journey.http.get("/sandbox/deliveries").json()["deliveries"]
    assert len(log[0]["tries"]) == 1 + retries.NEW_RETRIES


@pytest.mark.parametrize(
    ("policy", "status", "waits"),
    [
        ("new", 500, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, None]),
        ("new", None, [10, 20]),
        ("old", 429, [600, 600, 600, 600, 600, 600, None]),
        ("old", 500, [None]),
        ("old", None, [None]),
    ],
)
def test_waits_between_tries(policy: Any, status: int | None, waits: list[float | None]) -> None:
    for tries, expected in enumerate(waits, start=1):
        wait = retries.wait_before_retry(policy, status, tries)
        if expected is None:
            assert wait is None
        else:
            assert wait is not None
            assert expected <= wait <= expected * (1 + retries.JITTER)


def test_a_duplicate_is_the_same_webhook_twice(journey: Journey, inbox: Receiver) -> None:
    journey.fault("webhook-duplicate", match={"event": "INSTALL"}, times=1)
    journey.install_location()
    first, second = inbox.wait_for(2)
    assert first == second
    assert journey.state()["deliveries"]["sent"] == 1


def test_a_reordered_webhook_comes_after_the_next_one(journey: Journey, inbox: Receiver) -> None:
    journey.install_location()
    inbox.wait_for(1)
    journey.fault("webhook-reorder", times=1, params={"hold_ms": 60_000})
    change(journey, kind="create", resource="contacts", count=2)
    stamps = [body["timestamp"] for body in inbox.wait_for(3)[1:]]
    ids = [body["webhookId"] for body in inbox.wait_for(3)[1:]]
    log = journey.http.get("/sandbox/deliveries").json()["deliveries"]
    assert ids == [log[2]["webhookId"], log[1]["webhookId"]]
    assert stamps == sorted(stamps, reverse=True)


def test_a_held_webhook_comes_alone_if_nothing_follows(journey: Journey, inbox: Receiver) -> None:
    journey.fault("webhook-reorder", times=1, params={"hold_ms": 20})
    journey.install_location()
    assert inbox.wait_for(1)[0]["type"] == "INSTALL"


def test_delay_drop_and_bad_signature(journey: Journey, inbox: Receiver) -> None:
    journey.fault("webhook-drop", times=1)
    journey.install_location()
    wait_until(lambda: journey.state()["deliveries"]["dropped"] == 1)
    journey.fault("webhook-bad-signature", times=1)
    change(journey, kind="create", resource="contacts")
    inbox.wait_for(1)
    with pytest.raises(InvalidSignature):
        verify(inbox.posts[0])
    journey.fault("webhook-delay", times=1, params={"ms": 60})
    asked = time.monotonic()
    change(journey, kind="create", resource="contacts")
    inbox.wait_for(2)
    assert time.monotonic() - asked >= 0.06


def test_a_dropped_agency_install_does_not_hold_its_locations(journey: Journey, inbox: Receiver) -> None:
    journey.fault("webhook-drop", match={"location": journey.company})
    journey.install_company()
    assert {body["locationId"] for body in inbox.wait_for(3)} == set(journey.locations)


def test_a_webhook_can_be_sent_again_by_hand(journey: Journey, inbox: Receiver) -> None:
    journey.install_location()
    sent = inbox.wait_for(1)[0]
    assert journey.http.post(f"/sandbox/deliveries/{sent['webhookId']}/resend").status_code == 200
    assert inbox.wait_for(2)[1] == sent
    assert journey.http.post("/sandbox/deliveries/none/resend").status_code == 404


def test_without_a_url_nothing_is_sent_and_one_can_be_set_later(start: Start, inbox: Receiver) -> None:
    journey = start()
    journey.install_location()
    assert journey.state()["deliveries"]["pending"] == 0
    journey.http.post("/sandbox/app", json={"webhook_url": inbox.url})
    change(journey, kind="create", resource="contacts")
    assert inbox.wait_for(1)[0]["type"] == "ContactCreate"


def test_the_key_follows_the_seed() -> None:
    assert signing.public_key_pem(1) == signing.public_key_pem(1)
    assert signing.public_key_pem(1) != signing.public_key_pem(2)
