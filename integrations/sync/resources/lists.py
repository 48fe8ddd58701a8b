"""Pipelines, users and calendars: short lists that one answer returns whole, without dates of change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from integrations.sync.resources.base import Request, Resource

_EVERY = timedelta(hours=1)  # they are set up once and seldom changed; one call each


def _whole(location_id: str) -> Request:
    return Request(params={"locationId": location_id})


def _list(name: str, operation: str, scope: str, **webhooks: Any) -> Resource:
    return Resource(name=name, whole=name, operation=operation, scope=scope, every=_EVERY, full=_whole, **webhooks)


PIPELINES = _list("pipelines", "opportunities.get-pipelines", "opportunities.readonly")
USERS = _list(
    "users",
    "users.get-user-by-location",
    "users.readonly",
    upserts=frozenset({"UserCreate", "UserUpdate"}),
    deletes=frozenset({"UserDelete"}),
)
CALENDARS = _list("calendars", "calendars.get-calendars", "calendars.readonly")
