"""Seeded activity of a location's contacts: appointments, conversations, notes and tasks."""

from __future__ import annotations

from integrations.sandbox.data.ids import Ids
from integrations.sandbox.data.records import Contact, Conversation, Event, Message, Note, Task
from integrations.sandbox.data.seed_words import INBOUND, NOTES, OUTBOUND, TASK_TITLES
from integrations.sandbox.data.world import Location
from integrations.sandbox.timestamps import DAY, HOUR, MINUTE

SHARE = 0.1  # of the contacts have a conversation; likewise an appointment, a note, a task
PAST, COMING = 180 * DAY, 60 * DAY
STATUSES = ("new", "confirmed", "confirmed", "showed", "noshow", "cancelled")


def fill_activity(location: Location, ids: Ids, *, until: int) -> None:
    """Add appointments, conversations, notes and tasks to the location's contacts."""
    contacts = list(location.contacts.values())
    count = min(len(contacts), max(1, int(len(contacts) * SHARE)))
    # startAfterDate knows no tie-break, so a location's conversations end in different seconds.
    ends = iter(ids.random.sample(range((until - PAST) // 1000, until // 1000), count))
    for contact in ids.random.sample(contacts, count):
        _conversation(location, ids, contact, next(ends) * 1000)
    for contact in ids.random.sample(contacts, count):
        location.events.add(_event(location, ids, contact, until))
    for contact in ids.random.sample(contacts, count):
        location.notes.add(_note(location, ids, contact, until))
    for contact in ids.random.sample(contacts, count):
        location.tasks.add(_task(location, ids, contact, until))


def _conversation(location: Location, ids: Ids, contact: Contact, ended_at: int) -> None:
    conversation_id = ids.new()
    count = ids.random.randint(1, 6)
    at = ended_at - count * HOUR
    message = None
    for turn in range(count):
        at = ended_at if turn == count - 1 else at + ids.random.randint(MINUTE, HOUR)
        direction = ids.random.choice(("inbound", "outbound"))
        message = Message(
            id=ids.new(),
            location_id=location.id,
            contact_id=contact.id,
            conversation_id=conversation_id,
            channel="SMS" if contact.phone else "Email",
            direction=direction,
            status="delivered",
            body=ids.random.choice(INBOUND if direction == "inbound" else OUTBOUND),
            added_at=at,
        )
        location.messages.add(message)
    assert message is not None
    location.conversations.add(
        Conversation(
            id=conversation_id,
            location_id=location.id,
            contact_id=contact.id,
            added_at=ended_at - count * HOUR,
            updated_at=ended_at,
            last_message_at=ended_at,
            last_body=message.body,
            last_type=f"TYPE_{message.channel.upper()}",
            last_direction=message.direction,
            unread=int(message.direction == "inbound"),
            assigned_to=contact.assigned_to,
        )
    )


def _event(location: Location, ids: Ids, contact: Contact, until: int) -> Event:
    pick = ids.random
    calendar = pick.choice(list(location.calendars.values()))
    length = calendar.slot_minutes * MINUTE
    starts_at = pick.randrange(until - PAST, until + COMING) // length * length
    booked_at = min(until, starts_at) - pick.randint(HOUR, 14 * DAY)
    return Event(
        id=ids.new(),
        location_id=location.id,
        calendar_id=calendar.id,
        contact_id=contact.id,
        group_id=calendar.group_id,
        title=f"{calendar.name} with {contact.name}",
        status=pick.choice(STATUSES) if starts_at < until else "confirmed",
        starts_at=starts_at,
        ends_at=starts_at + length,
        added_at=booked_at,
        updated_at=booked_at,
        assigned_to=pick.choice(calendar.user_ids),
    )


def _note(location: Location, ids: Ids, contact: Contact, until: int) -> Note:
    return Note(
        id=ids.new(),
        location_id=location.id,
        contact_id=contact.id,
        body=ids.random.choice(NOTES),
        user_id=contact.assigned_to,
        added_at=ids.random.randint(contact.added_at, until),
    )


def _task(location: Location, ids: Ids, contact: Contact, until: int) -> Task:
    added_at = ids.random.randint(contact.added_at, until)
    return Task(
        id=ids.new(),
        location_id=location.id,
        contact_id=contact.id,
        title=ids.random.choice(TASK_TITLES),
        assigned_to=contact.assigned_to,
        completed=ids.random.random() < 0.5,
        due_at=added_at + ids.random.randint(1, 20) * DAY,
        added_at=added_at,
    )
