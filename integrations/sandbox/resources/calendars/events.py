"""Appointments: listed by time span, booked, moved, deleted, and a contact's own list.

The list takes epoch milliseconds. An ISO date there is answered 200 with an empty list, as the live service does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from integrations.sandbox.data.records import Calendar, Event
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import bad_request, invalid, not_found
from integrations.sandbox.resources.calendars import event_views
from integrations.sandbox.resources.calendars.calendars import VERSION
from integrations.sandbox.resources.checks import Rules, body, here, own, query
from integrations.sandbox.resources.contacts.contacts import find as find_contact
from integrations.sandbox.timestamps import MINUTE, parse

OWNERS = {"calendarId": "calendar_id", "userId": "assigned_to", "groupId": "group_id"}
STATUSES = ("new", "confirmed", "cancelled", "showed", "noshow", "invalid")
TEXTS = {
    "title": "title",
    "appointmentStatus": "status",
    "assignedUserId": "assigned_to",
    "description": "description",
    "address": "address",
}
UPDATE_RULES: Rules = {
    **dict.fromkeys(("title", "assignedUserId", "description", "address", "rrule"), "string"),
    **dict.fromkeys(("meetingLocationType", "meetingLocationId", "calendarId"), "string"),
    **dict.fromkeys(("overrideLocationConfig", "ignoreDateRange", "toNotify", "ignoreFreeSlotValidation"), "boolean"),
    "appointmentStatus": STATUSES,
    "startTime": "date",
    "endTime": "date",
}
IN_V3: Rules = {"appointmentStatus": (*STATUSES, "completed", "active")}
CREATE_RULES: Rules = {**UPDATE_RULES, "locationId": "string", "contactId": "text"}


def list_events(call: ApiCall) -> Reply:
    """List appointments in a span of time."""
    names = ("locationId", "startTime", "endTime", *OWNERS)
    given = query(call, dict.fromkeys(names, "string"), required=("locationId", "startTime", "endTime"))
    location = own(call, given["locationId"])
    owners = {row: given[name] for name, row in OWNERS.items() if name in given}
    if not owners:
        raise invalid("Either of calendarId, userId or groupId is required")
    if not (given["startTime"].isdecimal() and given["endTime"].isdecimal()):
        return Reply({"events": []})
    start, end = int(given["startTime"]), int(given["endTime"])
    rows = (row for row in location.events.in_order((("starts_at", False),)) if start <= row.starts_at <= end)
    found = [row for row in rows if all(getattr(row, name) == value for name, value in owners.items())]
    return Reply({"events": [event_views.detail(row) for row in found]})


def get(call: ApiCall) -> Reply:
    """Return one appointment."""
    return Reply({"event": event_views.detail(_find(call)[1])})


def of_contact(call: ApiCall) -> Reply:
    """List the appointments of a contact."""
    location, contact = find_contact(call)
    rows = location.events.where("contact_id", contact.id)
    return Reply({"events": [event_views.of_contact(row) for row in rows]})


def create(call: ApiCall) -> Reply:
    """Book an appointment."""
    given = body(call, CREATE_RULES, required=("calendarId", "locationId", "contactId", "startTime"), v3=IN_V3)
    location = own(call, given["locationId"])
    if given["contactId"] not in location.contacts:
        raise not_found("Contact", given["contactId"])
    calendar = _calendar(location, given["calendarId"])
    now = call.world.now()
    defaults = {
        "title": f"{calendar.name} with {location.contacts[given['contactId']].name}",
        "status": "confirmed",
        "assigned_to": calendar.user_ids[0] if calendar.user_ids else "",
    }
    event = Event(
        id=call.world.ids.new(),
        location_id=location.id,
        contact_id=given["contactId"],
        added_at=now,
        updated_at=now,
        **defaults | _fields(location, calendar, given),
    )
    _refuse_taken(location, event, given)
    location.events.add(event)
    call.publish("AppointmentCreate", location.id, {"appointment": event_views.webhook(event)})
    return Reply(event_views.booking(event, is_v3=call.is_v3))


def update(call: ApiCall) -> Reply:
    """Change an appointment."""
    location, old = _find(call)
    given = body(call, UPDATE_RULES, v3=IN_V3)
    calendar = _calendar(location, given.get("calendarId", old.calendar_id))
    event = replace(old, **_fields(location, calendar, given), updated_at=call.world.now())
    if event.starts_at != old.starts_at:
        _refuse_taken(location, event, given)
    location.events.add(event)
    call.publish("AppointmentUpdate", location.id, {"appointment": event_views.webhook(event)})
    return Reply(event_views.booking(event, is_v3=call.is_v3))


def delete(call: ApiCall) -> Reply:
    """Delete an appointment."""
    location, event = _find(call)
    del location.events[event.id]
    call.publish("AppointmentDelete", location.id, {"appointment": event_views.webhook(event)})
    return Reply({"succeeded": True}, 201)


def _find(call: ApiCall) -> tuple[Location, Event]:
    location = here(call)
    event = location.events.get(call.path["eventId"])
    if event is None:
        raise not_found("Event", call.path["eventId"])
    return location, event


def _calendar(location: Location, calendar_id: str) -> Calendar:
    calendar = location.calendars.get(calendar_id)
    if calendar is None:
        raise not_found("Calendar", calendar_id)
    return calendar


def _fields(location: Location, calendar: Calendar, given: dict[str, Any]) -> dict[str, Any]:
    fields = {row: given[name] for name, row in TEXTS.items() if name in given}
    if fields.get("assigned_to") and fields["assigned_to"] not in location.users:
        raise not_found("User", fields["assigned_to"])
    fields |= {"calendar_id": calendar.id, "group_id": calendar.group_id}
    start, end = parse(given.get("startTime")), parse(given.get("endTime"))
    if start is not None:
        fields["starts_at"] = start
        fields["ends_at"] = start + calendar.slot_minutes * MINUTE
    if end is not None:
        fields["ends_at"] = end
    if start is not None and fields["ends_at"] <= start:
        raise invalid("endTime must be after startTime")
    return fields


def _refuse_taken(location: Location, event: Event, given: dict[str, Any]) -> None:
    if given.get("ignoreFreeSlotValidation"):
        return
    for other in location.events.where("assigned_to", event.assigned_to):
        overlaps = other.starts_at < event.ends_at and event.starts_at < other.ends_at
        if overlaps and other.id != event.id and other.status != "cancelled":
            raise bad_request("The slot you have selected is no longer available.")


READ, WRITE = ("calendars/events.readonly",), ("calendars/events.write",)
ONE = "/calendars/events/appointments/{eventId}"
ROUTES = (
    Route("GET", "/calendars/events", "get-calendar-events", list_events, READ, version=VERSION),
    Route("POST", "/calendars/events/appointments", "create-appointment", create, WRITE, version=VERSION),
    Route("GET", ONE, "get-appointment", get, READ, version=VERSION),
    Route("PUT", ONE, "edit-appointment", update, WRITE, version=VERSION),
    Route("DELETE", "/calendars/events/{eventId}", "delete-event", delete, WRITE, version=VERSION),
    Route(
        "GET",
        "/contacts/{contactId}/appointments",
        "get-appointments-for-contact",
        of_contact,
        ("contacts.readonly",),
    ),
)
