"""Calendars: the location's list and one by id."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.data.records import Calendar
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import not_found
from integrations.sandbox.resources.checks import here, own, query

VERSION = "2021-04-15"


def list_calendars(call: ApiCall) -> Reply:
    """List the calendars of a location."""
    rules = {"locationId": "string", "groupId": "string", "showDrafted": "boolean"}
    given = query(call, rules, required=("locationId",))
    location = own(call, given["locationId"])
    rows = [row for row in location.calendars.values() if given.get("groupId", row.group_id) == row.group_id]
    return Reply({"calendars": [view(row) for row in rows]})


def get(call: ApiCall) -> Reply:
    """Return one calendar."""
    calendar = here(call).calendars.get(call.path["calendarId"])
    if calendar is None:
        raise not_found("Calendar", call.path["calendarId"])
    return Reply({"calendar": view(calendar)})


def view(calendar: Calendar) -> dict[str, Any]:
    """A calendar as answers show it."""
    return {
        "id": calendar.id,
        "locationId": calendar.location_id,
        "groupId": calendar.group_id,
        "name": calendar.name,
        "slug": calendar.slug,
        "widgetSlug": calendar.slug,
        "isActive": calendar.is_active,
        "calendarType": "round_robin",
        "eventType": "RoundRobin_OptimizeForAvailability",
        "widgetType": "classic",
        "slotDuration": calendar.slot_minutes,
        "slotDurationUnit": "mins",
        "slotInterval": calendar.slot_minutes,
        "slotIntervalUnit": "mins",
        "teamMembers": [{"userId": user_id, "priority": 0.5} for user_id in calendar.user_ids],
        "autoConfirm": True,
        "allowReschedule": True,
        "allowCancellation": True,
    }


READ = ("calendars.readonly",)
ROUTES = (
    Route("GET", "/calendars/", "get-calendars", list_calendars, READ, version=VERSION),
    Route("GET", "/calendars/{calendarId}", "get-calendar", get, READ, version=VERSION),
)
