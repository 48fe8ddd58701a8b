"""Calendars' groups, schedules, appointments, blocked slots, appointment notes, notifications.

The vendor lists appointments of one calendar in a range of time. A run asks for the last year and the next, in windows
of four months, because these answers have no pages. Earlier and later appointments come by webhook and stay.
"""

from __future__ import annotations

from datetime import timedelta

from integrations.sync.resources.base import SOMETIMES, Parent, Resource, Single
from integrations.sync.resources.lists import CALENDARS, USERS
from integrations.sync.resources.windows import Windows, milliseconds

APPOINTMENT_TIMES = Windows(
    start="startTime",
    end="endTime",
    write=milliseconds,
    places="startTime",
    past=timedelta(days=365),
    ahead=timedelta(days=365),
    step=timedelta(days=122),
)

CALENDAR_GROUPS = Resource(name="calendar_groups", operation="calendars.get-groups", whole="groups")
CALENDAR_EVENTS = Resource(
    name="calendar_events",
    operation="calendars.get-calendar-events",
    every=SOMETIMES,
    whole="events",
    below=Parent(CALENDARS, "calendarId"),
    windows=APPOINTMENT_TIMES,
    single=Single("calendars.get-appointment", "eventId", "event"),
    creates=frozenset({"AppointmentCreate"}),
    updates=frozenset({"AppointmentUpdate"}),
    deletes=frozenset({"AppointmentDelete"}),
    event_object="appointment",
)
BLOCKED_SLOTS = Resource(
    name="blocked_slots",
    operation="calendars.get-blocked-slots",
    every=SOMETIMES,
    whole="events",
    below=Parent(CALENDARS, "calendarId"),
    windows=APPOINTMENT_TIMES,
)
SCHEDULES = Resource(
    name="schedules",
    operation="calendars.getAllSchedules",
    every=SOMETIMES,
    below=Parent(USERS, "userId"),
    single=Single("calendars.getScheduleById", "id", "schedule"),
)
CALENDAR_NOTIFICATIONS = Resource(
    name="calendar_notifications",
    operation="calendars.get-event-notification",
    every=SOMETIMES,
    below=Parent(CALENDARS, "calendarId"),
    single=Single("calendars.find-event-notification", "notificationId", "", {"calendarId": "calendarId"}),
)
APPOINTMENT_NOTES = Resource(
    name="appointment_notes",
    operation="calendars.get-appointment-notes",
    below=Parent(CALENDAR_EVENTS, "appointmentId", by_change=True),
)

ALL = (CALENDAR_GROUPS, CALENDAR_EVENTS, BLOCKED_SLOTS, SCHEDULES, CALENDAR_NOTIFICATIONS, APPOINTMENT_NOTES)
