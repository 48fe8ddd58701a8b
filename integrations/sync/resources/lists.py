"""Pipelines, users and calendars: short lists that one answer returns whole, without dates of change.

No operation returns one pipeline by its id. v3 has no operation for all users of a location: there the search for users
of a company lists them, narrowed to the location.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from integrations.sync.resources.base import ListingRequest, Resource, Single
from integrations.sync.resources.in_api1 import API_1

_EVERY = timedelta(hours=1)  # they are set up once and seldom changed; one call each


def _whole(location_id: str) -> ListingRequest:
    return ListingRequest(params={"locationId": location_id})


def _list(name: str, operation: str, scope: str, **more: Any) -> Resource:
    elsewhere = {"1.0": API_1[name], **more.pop("elsewhere", {})}
    return Resource(
        name=name, whole=name, operation=operation, scope=scope, every=_EVERY, full=_whole, elsewhere=elsewhere, **more
    )


PIPELINES = _list("pipelines", "opportunities.get-pipelines", "opportunities.readonly")
USERS = _list(
    "users",
    "users.get-user-by-location",
    "users.readonly",
    elsewhere={"v3": {"operation": "users.search-users", "whole": "", "page_size": "limit", "needs_company": True}},
    single=Single("users.get-user", "userId"),
    noise=frozenset({"locations"}),  # of an agency's event: the locations that it is about; a row has `roles`
    creates=frozenset({"UserCreate"}),
    updates=frozenset({"UserUpdate"}),
    deletes=frozenset({"UserDelete"}),
)
CALENDARS = _list(
    "calendars",
    "calendars.get-calendars",
    "calendars.readonly",
    single=Single("calendars.get-calendar", "calendarId", "calendar"),
)
