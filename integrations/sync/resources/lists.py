"""Pipelines, users and calendars: short lists that one answer returns whole, without dates of change.

No operation returns one pipeline by its id. v3 has no operation for all users of a location: there the search for users
of a company lists them, narrowed to the location.
"""

from __future__ import annotations

from typing import Any

from integrations.sync.resources.base import Resource, Single
from integrations.sync.resources.in_api1 import API_1


def _list(name: str, operation: str, **more: Any) -> Resource:
    elsewhere = {"1.0": API_1[name], **more.pop("elsewhere", {})}
    return Resource(name=name, whole=name, operation=operation, default=True, elsewhere=elsewhere, **more)


PIPELINES = _list("pipelines", "opportunities.get-pipelines")
USERS = _list(
    "users",
    "users.get-user-by-location",
    elsewhere={"v3": {"operation": "users.search-users", "whole": "", "needs_company": True}},
    single=Single("users.get-user", "userId"),
    noise=frozenset({"locations"}),  # of an agency's event: the locations that it is about; a row has `roles`
    creates=frozenset({"UserCreate"}),
    updates=frozenset({"UserUpdate"}),
    deletes=frozenset({"UserDelete"}),
)
CALENDARS = _list(
    "calendars",
    "calendars.get-calendars",
    single=Single("calendars.get-calendar", "calendarId", "calendar"),
)
