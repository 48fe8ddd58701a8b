"""Calendars and appointments: the span in milliseconds, bookings, taken slots."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.sandbox.timestamps import HOUR, MINUTE
from tests.sandbox.desk import Desk
from tests.sandbox.examples import event_path, new_appointment, span


@pytest.fixture
def desk() -> Desk:
    return Desk(contacts=200)


def listed(desk: Desk, **more: str) -> list[str]:
    return [event["id"] for event in desk.get("get-calendar-events", query=span(desk) | more)["events"]]


def test_calendars_are_listed_and_read(desk: Desk) -> None:
    calendars = desk.get("get-calendars", query={"locationId": desk.location.id})["calendars"]
    assert [calendar["id"] for calendar in calendars] == list(desk.location.calendars)
    assert desk.get("get-calendar", {"calendarId": calendars[0]["id"]})["calendar"] == calendars[0]
    other_group = desk.get("get-calendars", query={"locationId": desk.location.id, "groupId": "none"})
    assert other_group == {"calendars": []}
    desk.refused(400, "get-calendar", {"calendarId": next(iter(desk.other.calendars))})
    desk.refused(403, "get-calendars", query={"locationId": desk.other.id})


def test_events_are_those_of_the_calendar_in_the_span(desk: Desk) -> None:
    calendar_id = span(desk)["calendarId"]
    rows = sorted(
        (row for row in desk.location.events.values() if row.calendar_id == calendar_id), key=lambda row: row.starts_at
    )
    assert listed(desk) == [row.id for row in sorted(rows, key=lambda row: (row.starts_at, row.id))]
    middle = rows[len(rows) // 2].starts_at
    assert set(listed(desk, startTime=str(middle))) == {row.id for row in rows if row.starts_at >= middle}
    assert set(listed(desk, endTime=str(middle))) == {row.id for row in rows if row.starts_at <= middle}


def test_an_iso_date_finds_nothing_and_is_no_error(desk: Desk) -> None:
    assert listed(desk, startTime="2026-01-01T00:00:00Z") == []
    assert listed(desk, endTime="2027-01-01") == []


def test_events_of_a_user(desk: Desk) -> None:
    user_id = next(iter(desk.location.users))
    query = {name: value for name, value in span(desk).items() if name != "calendarId"}
    events = desk.get("get-calendar-events", query={**query, "userId": user_id})["events"]
    assert {event["assignedUserId"] for event in events} == {user_id}
    desk.refused(422, "get-calendar-events", query=query)
    desk.refused(403, "get-calendar-events", query={**query, "locationId": desk.other.id, "userId": user_id})


def test_a_booking_is_read_moved_and_deleted(desk: Desk) -> None:
    booking = desk.get("create-appointment", body=new_appointment(desk))
    path = {"eventId": booking["id"]}
    event = desk.get("get-appointment", path)["event"]
    assert event["startTime"] == booking["startTime"] == "2031-06-22T22:00:00+00:00"
    assert event["endTime"] == "2031-06-22T22:30:00+00:00"
    assert event["title"] == booking["title"]
    moved = desk.get("edit-appointment", path, body={"startTime": "2031-06-25T10:00:00Z"})
    assert moved["endTime"] == "2031-06-25T10:30:00+00:00"
    cancelled = desk.get("edit-appointment", path, body={"appointmentStatus": "cancelled"})
    assert (cancelled["appointmentStatus"], cancelled["startTime"]) == ("cancelled", moved["startTime"])
    desk.get("delete-event", path)
    desk.refused(400, "get-appointment", path)
    assert desk.events() == ["AppointmentCreate", "AppointmentUpdate", "AppointmentUpdate", "AppointmentDelete"]


def test_a_taken_slot_is_refused_unless_asked_not_to_look(desk: Desk) -> None:
    desk.get("create-appointment", body=new_appointment(desk))
    error = desk.refused(400, "create-appointment", body=new_appointment(desk))
    assert error["message"] == "The slot you have selected is no longer available."
    desk.get("create-appointment", body={**new_appointment(desk), "ignoreFreeSlotValidation": True})


def test_a_cancelled_booking_frees_its_slot(desk: Desk) -> None:
    booking = desk.get("create-appointment", body=new_appointment(desk))
    desk.get("edit-appointment", {"eventId": booking["id"]}, body={"appointmentStatus": "cancelled"})
    again = desk.get("create-appointment", body=new_appointment(desk))
    assert again["id"] != booking["id"]
    assert again["startTime"] == booking["startTime"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"startTime": "tomorrow"}, 422),
        ({"startTime": None}, 422),
        ({"endTime": "2031-06-22T00:00:00Z"}, 422),
        ({"appointmentStatus": "maybe"}, 422),
        ({"calendarId": "none"}, 400),
        ({"contactId": "nobody"}, 400),
        ({"assignedUserId": "nobody"}, 400),
        ({"locationId": "elsewhere"}, 403),
    ],
)
def test_what_cannot_be_booked_is_refused(change: dict[str, Any], status: int, desk: Desk) -> None:
    desk.refused(status, "create-appointment", body={**new_appointment(desk), **change})
    assert desk.emitted == []


def test_a_contacts_own_appointments(desk: Desk) -> None:
    event = desk.location.events[event_path(desk)["eventId"]]
    shown = desk.get("get-appointments-for-contact", {"contactId": event.contact_id})["events"]
    assert event.id in [row["id"] for row in shown]
    assert event.ends_at - event.starts_at == 30 * MINUTE
    assert event.starts_at % HOUR in (0, 30 * MINUTE)
