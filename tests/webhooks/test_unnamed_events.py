"""Lifecycle events without an id: a retry is a duplicate, a later genuine one with the same bytes is stored."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.core import clock
from integrations.tenants.models import App, Installation
from integrations.webhooks.models import Event
from tests.webhooks.conftest import Post

pytestmark = pytest.mark.django_db
LEFT = {"type": "UNINSTALL", "locationId": "loc1"}
CAME = {"type": "INSTALL", "locationId": "loc1"}


def status(post: Post, payload: dict[str, Any]) -> str:
    return str(post(payload).json()["status"])


def test_what_happened_in_between_distinguishes_them(post: Post, app: App) -> None:
    answers = [status(post, payload) for payload in (LEFT, LEFT, CAME, CAME, LEFT, LEFT, CAME)]
    assert answers == ["stored", "duplicate", "stored", "duplicate", "stored", "duplicate", "stored"]
    assert Event.objects.count() == 4


def test_so_does_an_installation_whose_event_was_lost(post: Post, app: App) -> None:
    now = clock.now()
    row = Installation.objects.create(
        app=app,
        user_type="Location",
        resource_id="loc1",
        origin="event",
        status="uninstalled",
        status_at=now,
        created_at=now,
    )
    assert [status(post, LEFT), status(post, LEFT)] == ["stored", "duplicate"]
    Installation.objects.filter(pk=row.pk).update(status="installed", generation=2)
    assert [status(post, LEFT), status(post, LEFT)] == ["stored", "duplicate"]


def test_other_events_of_the_tenant_are_no_difference(post: Post, app: App) -> None:
    assert status(post, LEFT) == "stored"
    status(post, {"type": "ContactUpdate", "locationId": "loc1", "webhookId": "w1"})
    assert status(post, LEFT) == "duplicate"
