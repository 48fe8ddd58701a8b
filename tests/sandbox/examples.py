"""One good call of every operation, for the tests that hold the answers against the vendor's schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.sandbox.protocol import Reply
from integrations.sandbox.timestamps import DAY
from tests.sandbox.desk import NOW, Desk

Example = Callable[[Desk], Reply]

NOW_MS = int(NOW * 1000)
FULL_CONTACT = {
    "firstName": "Rosa",
    "lastName": "Deo",
    "email": "rosa@example.com",
    "phone": "+1 202-555-0107",
    "address1": "1 Mill Lane",
    "city": "Austin",
    "state": "TX",
    "postalCode": "78701",
    "country": "US",
    "website": "https://rosa.example.com",
    "timezone": "America/Chicago",
    "dnd": True,
    "dndSettings": {"SMS": {"status": "active", "message": "asked", "code": "101"}},
    "tags": ["VIP", "Fresh"],
    "source": "public api",
    "dateOfBirth": "1990-09-25",
    "companyName": "Contoso",
}


def contact_path(desk: Desk, **more: str) -> dict[str, str]:
    return {"contactId": next(iter(desk.location.contacts)), **more}


def note_path(desk: Desk) -> dict[str, str]:
    note = next(iter(desk.location.notes.values()))
    return {"contactId": note.contact_id, "id": note.id}


def task_path(desk: Desk) -> dict[str, str]:
    task = next(task for task in desk.location.tasks.values() if not task.completed)
    return {"contactId": task.contact_id, "taskId": task.id}


def opportunity_path(desk: Desk) -> dict[str, str]:
    return {"id": next(iter(desk.location.opportunities))}


def location_path(desk: Desk, **more: str) -> dict[str, str]:
    return {"locationId": desk.location.id, **more}


def tag_path(desk: Desk) -> dict[str, str]:
    return location_path(desk, tagId=next(iter(desk.location.tags)))


def field_path(desk: Desk) -> dict[str, str]:
    return location_path(desk, id=next(iter(desk.location.custom_fields)))


def conversation_path(desk: Desk) -> dict[str, str]:
    return {"conversationId": next(iter(desk.location.conversations))}


def event_path(desk: Desk) -> dict[str, str]:
    return {"eventId": next(iter(desk.location.events))}


def here(desk: Desk, **more: str) -> dict[str, str]:
    return {"locationId": desk.location.id, **more}


def custom_values(desk: Desk, model: str) -> list[dict[str, Any]]:
    field = next(field for field in desk.location.custom_fields.values() if field.model == model)
    return [{"id": field.id, "field_value": "2000"}]


def new_contact(desk: Desk) -> dict[str, Any]:
    return {**FULL_CONTACT, "locationId": desk.location.id, "customFields": custom_values(desk, "contact")}


def new_opportunity(desk: Desk) -> dict[str, Any]:
    pipeline = next(iter(desk.location.pipelines.values()))
    return {
        "pipelineId": pipeline.id,
        "pipelineStageId": pipeline.stages[1].id,
        "locationId": desk.location.id,
        "contactId": next(iter(desk.location.contacts)),
        "name": "First deal",
        "status": "open",
        "monetaryValue": 220,
        "assignedTo": next(iter(desk.location.users)),
        "customFields": custom_values(desk, "opportunity"),
    }


def new_appointment(desk: Desk) -> dict[str, Any]:
    return {
        "calendarId": next(iter(desk.location.calendars)),
        "locationId": desk.location.id,
        "contactId": next(iter(desk.location.contacts)),
        "startTime": "2031-06-23T03:30:00+05:30",
        "description": "First visit",
    }


def span(desk: Desk) -> dict[str, str]:
    calendar_id = next(iter(desk.location.calendars))
    return here(desk, calendarId=calendar_id, startTime=str(NOW_MS - 200 * DAY), endTime=str(NOW_MS + 90 * DAY))


def idle_contact(desk: Desk) -> str:
    busy = {row.contact_id for row in desk.location.conversations.values()}
    return next(row.id for row in desk.location.contacts.values() if row.id not in busy and row.email and not row.dnd)


def busiest_conversation(desk: Desk) -> dict[str, str]:
    rows = [row.conversation_id for row in desk.location.messages.values()]
    return {"conversationId": max(rows, key=rows.count)}


EXAMPLES: dict[str, Example] = {
    "search-contacts-advanced": lambda d: d.reply(
        "search-contacts-advanced", body={"locationId": d.location.id, "pageLimit": 20}
    ),
    "get-contacts": lambda d: d.reply("get-contacts", query=here(d)),
    "get-duplicate-contact": lambda d: d.reply(
        "get-duplicate-contact", query=here(d, email=next(iter(d.location.contacts.values())).email or "")
    ),
    "get-contact": lambda d: d.reply("get-contact", contact_path(d)),
    "create-contact": lambda d: d.reply("create-contact", body=new_contact(d)),
    "update-contact": lambda d: d.reply("update-contact", contact_path(d), body=FULL_CONTACT),
    "upsert-contact": lambda d: d.reply("upsert-contact", body=new_contact(d)),
    "delete-contact": lambda d: d.reply(
        "delete-contact", {"contactId": next(iter(d.location.opportunities.values())).contact_id}
    ),
    "add-tags": lambda d: d.reply("add-tags", contact_path(d), body={"tags": ["Brand new"]}),
    "remove-tags": lambda d: d.reply(
        "remove-tags",
        {"contactId": next(row.id for row in d.location.contacts.values() if "vip" in row.tags)},
        body={"tags": ["VIP"]},
    ),
    "add-followers-contact": lambda d: d.reply(
        "add-followers-contact", contact_path(d), body={"followers": list(d.location.users)}
    ),
    "remove-followers-contact": lambda d: d.reply(
        "remove-followers-contact", contact_path(d), body={"followers": list(d.location.users)}
    ),
    "get-all-notes": lambda d: d.reply("get-all-notes", {"contactId": note_path(d)["contactId"]}),
    "create-note": lambda d: d.reply(
        "create-note", contact_path(d), body={"body": "Called.", "title": "Call", "color": "#FFAA00", "pinned": True}
    ),
    "get-note": lambda d: d.reply("get-note", note_path(d)),
    "update-note": lambda d: d.reply("update-note", note_path(d), body={"body": "Called twice."}),
    "delete-note": lambda d: d.reply("delete-note", note_path(d)),
    "get-all-tasks": lambda d: d.reply("get-all-tasks", {"contactId": task_path(d)["contactId"]}),
    "create-task": lambda d: d.reply(
        "create-task",
        contact_path(d),
        body={"title": "Call", "dueDate": "2030-10-25T11:00:00Z", "completed": False},
    ),
    "get-task": lambda d: d.reply("get-task", task_path(d)),
    "update-task": lambda d: d.reply("update-task", task_path(d), body={"title": "Call again"}),
    "delete-task": lambda d: d.reply("delete-task", task_path(d)),
    "update-task-completed": lambda d: d.reply("update-task-completed", task_path(d), body={"completed": True}),
    "task-search": lambda d: d.reply("task-search", location_path(d), body={"limit": 5}),
    "search-opportunity": lambda d: d.reply("search-opportunity", query={"location_id": d.location.id, "limit": "5"}),
    "search-opportunities-advanced": lambda d: d.reply(
        "search-opportunities-advanced", body={"locationId": d.location.id, "limit": 5}
    ),
    "get-pipelines": lambda d: d.reply("get-pipelines", query=here(d)),
    "get-opportunity": lambda d: d.reply("get-opportunity", opportunity_path(d)),
    "create-opportunity": lambda d: d.reply("create-opportunity", body=new_opportunity(d)),
    "update-opportunity": lambda d: d.reply(
        "update-opportunity",
        opportunity_path(d),
        body={"status": "won", "monetaryValue": 7, "assignedTo": list(d.location.users)[-1]},
    ),
    "update-opportunity-status": lambda d: d.reply(
        "update-opportunity-status", opportunity_path(d), body={"status": "lost", "lostReasonId": "too dear"}
    ),
    "Upsert-opportunity": lambda d: d.reply("Upsert-opportunity", body=new_opportunity(d)),
    "delete-opportunity": lambda d: d.reply("delete-opportunity", opportunity_path(d)),
    "add-followers-opportunity": lambda d: d.reply(
        "add-followers-opportunity", opportunity_path(d), body={"followers": list(d.location.users)}
    ),
    "remove-followers-opportunity": lambda d: d.reply(
        "remove-followers-opportunity", opportunity_path(d), query={"isRemoveAllFollowers": "true"}
    ),
    "search-locations": lambda d: d.reply("search-locations", query={"companyId": d.company.id}, agency=True),
    "get-location": lambda d: d.reply("get-location", location_path(d)),
    "get-location-tags": lambda d: d.reply("get-location-tags", location_path(d)),
    "create-tag": lambda d: d.reply("create-tag", location_path(d), body={"name": "Tag"}),
    "get-tag-by-id": lambda d: d.reply("get-tag-by-id", tag_path(d)),
    "update-tag": lambda d: d.reply("update-tag", tag_path(d), body={"name": "Renamed"}),
    "delete-tag": lambda d: d.reply("delete-tag", tag_path(d)),
    "get-custom-fields": lambda d: d.reply("get-custom-fields", location_path(d), query={"model": "all"}),
    "create-custom-field": lambda d: d.reply(
        "create-custom-field", location_path(d), body={"name": "Pet", "dataType": "TEXT", "model": "contact"}
    ),
    "get-custom-field": lambda d: d.reply("get-custom-field", field_path(d)),
    "update-custom-field": lambda d: d.reply("update-custom-field", field_path(d), body={"name": "Funds"}),
    "delete-custom-field": lambda d: d.reply("delete-custom-field", field_path(d)),
    "search-users": lambda d: d.reply("search-users", query={"companyId": d.company.id}, agency=True),
    "get-user-by-location": lambda d: d.reply("get-user-by-location", query=here(d)),
    "get-user": lambda d: d.reply("get-user", {"userId": next(iter(d.location.users))}),
    "get-company": lambda d: d.reply("get-company", {"companyId": d.company.id}, agency=True),
    "get-calendars": lambda d: d.reply("get-calendars", query=here(d)),
    "get-calendar": lambda d: d.reply("get-calendar", {"calendarId": next(iter(d.location.calendars))}),
    "get-calendar-events": lambda d: d.reply("get-calendar-events", query=span(d)),
    "create-appointment": lambda d: d.reply("create-appointment", body=new_appointment(d)),
    "get-appointment": lambda d: d.reply("get-appointment", event_path(d)),
    "edit-appointment": lambda d: d.reply(
        "edit-appointment", event_path(d), body={"startTime": "2031-06-24T03:30:00Z", "description": "Moved"}
    ),
    "delete-event": lambda d: d.reply("delete-event", event_path(d)),
    "get-appointments-for-contact": lambda d: d.reply(
        "get-appointments-for-contact", {"contactId": next(iter(d.location.events.values())).contact_id}
    ),
    "search-conversation": lambda d: d.reply("search-conversation", query=here(d)),
    "create-conversation": lambda d: d.reply(
        "create-conversation", body={"locationId": d.location.id, "contactId": idle_contact(d)}
    ),
    "get-conversation": lambda d: d.reply("get-conversation", conversation_path(d)),
    "update-conversation": lambda d: d.reply(
        "update-conversation",
        conversation_path(d),
        body={"locationId": d.location.id, "unreadCount": 4, "starred": True},
    ),
    "delete-conversation": lambda d: d.reply("delete-conversation", conversation_path(d)),
    "get-messages": lambda d: d.reply("get-messages", busiest_conversation(d)),
    "get-message": lambda d: d.reply("get-message", {"id": next(iter(d.location.messages))}),
    "update-message-status": lambda d: d.reply(
        "update-message-status", {"messageId": next(iter(d.location.messages))}, body={"status": "read"}
    ),
    "send-a-new-message": lambda d: d.reply(
        "send-a-new-message",
        body={"type": "Email", "contactId": idle_contact(d), "subject": "Hello", "html": "<p>Hello</p>"},
    ),
    "add-an-inbound-message": lambda d: d.reply(
        "add-an-inbound-message",
        body={"type": "SMS", "contactId": idle_contact(d), "message": "Hi", "conversationProviderId": "p1"},
    ),
}
