"""A vendor's signing key of our own, signed posts, a look at the messages sent, and handlers for the test only."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import time_machine
from celery import current_app
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client
from pytest_django import Settings

from integrations.core import clock
from integrations.core.celery_tasks import DEFAULT, URGENT
from integrations.tenants import marketplace
from integrations.tenants.models import App
from integrations.webhooks import handlers
from integrations.webhooks.models import Event, Mailbox

VENDOR = Ed25519PrivateKey.from_private_bytes(b"the vendor's key, but for tests!")
VENDOR_PEM = VENDOR.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
Post = Callable[..., Any]


def sign(raw: bytes) -> str:
    return base64.b64encode(VENDOR.sign(raw)).decode()


def contact(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A ContactUpdate as the vendor sends it."""
    return {
        "type": "ContactUpdate",
        "locationId": "loc1",
        "id": f"contact{number}",
        "webhookId": f"00000000-0000-4000-8000-{number:012d}",
        "timestamp": "2026-03-30T05:57:15.000Z",
    } | fields


@pytest.fixture
def at_noon() -> Iterator[None]:
    """It is NOW, and stays so."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def vendor_key(settings: Settings) -> None:
    settings.HIGHLEVEL_WEBHOOK_KEYS = [VENDOR_PEM]


@pytest.fixture
def app(db: None, django_capture_on_commit_callbacks: Any) -> App:
    """The app of the settings. The process takes its row for committed, although most tests commit nothing."""
    with django_capture_on_commit_callbacks(execute=True):
        return marketplace.default()


@pytest.fixture
def other_app(app: App) -> App:
    return App.objects.create(
        name="Second app",
        client_id="77b1419a0dffa47fb5f8b33a-second",
        highlevel_id="77b1419a0dffa47fb5f8b33a",
        api_url="http://127.0.0.1:1",
        marketplace_url="http://127.0.0.1:1",
        client_secret_sealed=b"-",
        created_at=clock.now(),
    )


@pytest.fixture
def post(app: App, client: Client) -> Post:
    """Posts a payload (or raw bytes) signed by the vendor, or with the headers given."""

    def post(payload: Any, url: str = "/webhooks/", headers: dict[str, str] | None = None) -> Any:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        signed = {"X-GHL-Signature": sign(raw)} if headers is None else headers
        return client.post(url, raw, content_type="application/json", headers=signed)

    return post


@pytest.fixture
def on() -> Iterator[Callable[[str, handlers.Handler], None]]:
    """`handlers.on`; its registrations end with the test."""
    before, batches = dict(handlers.HANDLERS), dict(handlers.BATCHES)
    yield handlers.on
    for registry, entries in ((handlers.HANDLERS, before), (handlers.BATCHES, batches)):
        registry.clear()
        registry.update(entries)


@pytest.fixture
def stored(app: App) -> Callable[..., Event]:
    """Puts a pending event straight into a mailbox, `second` seconds after a fixed moment."""

    def stored(second: int = 0, tenant: str = "location:loc1", **fields: Any) -> Event:
        now = clock.now()
        mailbox, _ = Mailbox.objects.get_or_create(app=app, tenant=tenant, defaults={"due_at": now})
        values: dict[str, Any] = {
            "webhook_id": f"{tenant}-{second}-{Event.objects.count()}",
            "type": "Tested",
            "occurred_at": datetime(2026, 3, 30, tzinfo=UTC) + timedelta(seconds=second),
            "received_at": now,
            "due_at": now,
            "payload": {"second": second},
        }
        return Event.objects.create(app=app, mailbox=mailbox, **(values | fields))

    return stored


@pytest.fixture
def sent(clean_redis: redis.Redis) -> Callable[[], list[tuple[str, dict[str, Any]]]]:
    """The messages that went to the broker since the last look: task names and arguments, oldest first."""

    def sent() -> list[tuple[str, dict[str, Any]]]:
        found = []
        for name in (URGENT, DEFAULT):
            with (
                current_app.connection_for_read() as broker,
                broker.SimpleQueue(name, no_ack=True) as queue,
                suppress(queue.Empty),
            ):
                while message := queue.get(block=False):
                    found.append((message.headers["task"], message.payload[1]))
        return found

    return sent
