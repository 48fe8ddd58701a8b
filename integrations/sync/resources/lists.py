"""Pipelines, users and calendars: short lists that come whole, in one answer, without dates of change."""

from __future__ import annotations

from datetime import timedelta

from integrations.sync.resources.base import Request, Resource

_EVERY = timedelta(hours=1)  # they are set up once and seldom changed; one call each


def _whole(location_id: str) -> Request:
    return Request(params={"locationId": location_id})


PIPELINES = Resource(
    name="pipelines",
    whole="pipelines",
    operation="opportunities.get-pipelines",
    scope="opportunities.readonly",
    every=_EVERY,
    full=_whole,
)
USERS = Resource(
    name="users",
    whole="users",
    operation="users.get-user-by-location",
    scope="users.readonly",
    every=_EVERY,
    full=_whole,
    upserts=frozenset({"UserCreate", "UserUpdate"}),
    deletes=frozenset({"UserDelete"}),
)
CALENDARS = Resource(
    name="calendars",
    whole="calendars",
    operation="calendars.get-calendars",
    scope="calendars.readonly",
    every=_EVERY,
    full=_whole,
)
