"""An appointment in the calendar's list, in the answer to a booking, in a contact's list and in a webhook."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.data.records import Event
from integrations.sandbox.timestamps import SECOND

Json = dict[str, Any]
SOURCE = "booking_widget"


def moment(at: int) -> str:
    """The vendor writes an appointment's times with an offset, other objects' with a Z."""
    return datetime.fromtimestamp(at // SECOND, UTC).isoformat()


def detail(event: Event) -> Json:
    """An appointment as GET returns it."""
    return {
        **_shared(event),
        "locationId": event.location_id,
        "isRecurring": False,
        "assignedResources": [],
        "createdBy": {"source": SOURCE},
        **({"description": event.description} if event.description else {}),
    }


def booking(event: Event, *, is_v3: bool) -> Json:
    """An appointment as POST and PUT return it; in v3 with its dates."""
    dates = {"dateAdded": moment(event.added_at), "dateUpdated": moment(event.updated_at)}
    return {
        "id": event.id,
        "calendarId": event.calendar_id,
        "locationId": event.location_id,
        "contactId": event.contact_id,
        "startTime": moment(event.starts_at),
        "endTime": moment(event.ends_at),
        "title": event.title,
        "appointmentStatus": event.status,
        "assignedUserId": event.assigned_to,
        "address": event.address or "",
        "isRecurring": False,
        **(dates if is_v3 else {}),
    }


def of_contact(event: Event) -> Json:
    """An appointment in a contact's list."""
    shown = _shared(event)
    times = {name: shown[name][:19].replace("T", " ") for name in ("startTime", "endTime", "dateAdded", "dateUpdated")}
    return {**shown, **times, "locationId": event.location_id, "status": "booked", "assignedResources": []}


def webhook(event: Event) -> Json:
    """An appointment in a webhook."""
    return {**_shared(event), "source": SOURCE}


def _shared(event: Event) -> Json:
    return {
        "id": event.id,
        "address": event.address or "",
        "title": event.title,
        "calendarId": event.calendar_id,
        "contactId": event.contact_id,
        "groupId": event.group_id,
        "appointmentStatus": event.status,
        "assignedUserId": event.assigned_to,
        "users": [event.assigned_to],
        "notes": event.description or "",
        "startTime": moment(event.starts_at),
        "endTime": moment(event.ends_at),
        "dateAdded": moment(event.added_at),
        "dateUpdated": moment(event.updated_at),
    }
