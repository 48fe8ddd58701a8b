"""Conversations: search with `startAfterDate`, one by id, create, update, delete.

The search's cursor is the last row's sort value alone, with no tie-break: rows that share it with the last row of a
page are passed over, as with the vendor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

from integrations.sandbox.data.records import Conversation
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import bad_request, invalid, not_found
from integrations.sandbox.resources.checks import Rules, body, here, limit, own, query
from integrations.sandbox.resources.conversations import views as conversation_views
from integrations.sandbox.timestamps import parse

VERSION = "2021-04-15"
SEARCH_RULES: Rules = {
    **dict.fromkeys(("locationId", "contactId", "assignedTo", "followers", "mentions", "query", "id"), "string"),
    **dict.fromkeys(("lastMessageType", "sortScoreProfile", "scoreProfile", "startAfterDate"), "string"),
    **dict.fromkeys(("limit", "scoreProfileMin", "scoreProfileMax", "startDate", "endDate"), "number"),
    "sort": ("asc", "desc"),
    "lastMessageAction": ("automated", "manual"),
    "lastMessageDirection": ("inbound", "outbound"),
    "status": ("all", "read", "unread", "starred", "recents"),
    "sortBy": ("last_manual_message_date", "last_message_date", "score_profile", "overdue_at", "due_at"),
}
STATUSES: dict[str, Callable[[Conversation], bool]] = {
    "all": lambda row: True,
    "recents": lambda row: True,
    "read": lambda row: row.unread == 0,
    "unread": lambda row: row.unread > 0,
    "starred": lambda row: row.starred,
}
EQUALS = {"id": "id", "lastMessageType": "last_type", "lastMessageDirection": "last_direction"}


def search(call: ApiCall) -> Reply:
    """Search conversations."""
    given = query(call, SEARCH_RULES, required=("locationId",))
    location = own(call, given["locationId"])
    sort = (("last_message_at", given.get("sort", "desc") == "desc"),)
    rows = location.conversations.in_order(sort, after=_after(given))
    found = islice((row for row in rows if _fits(location, row, given)), limit(given))
    total = sum(_fits(location, row, given) for row in location.conversations.values())
    views = [conversation_views.row(row, location.contacts.get(row.contact_id)) for row in found]
    return Reply({"conversations": views, "total": total})


def _after(given: dict[str, Any]) -> list[int] | None:
    if "startAfterDate" not in given:
        return None
    at = parse(given["startAfterDate"])
    if at is None:
        raise invalid("startAfterDate must be the sort value of the last row")
    return [at]


def _fits(location: Location, row: Conversation, given: dict[str, Any]) -> bool:
    assigned, contact_ids = given.get("assignedTo"), given.get("contactId")
    return (
        all(getattr(row, attribute) == given[name] for name, attribute in EQUALS.items() if name in given)
        and STATUSES[given.get("status", "all")](row)
        and (assigned is None or row.assigned_to in assigned.split(","))
        and (contact_ids is None or row.contact_id in contact_ids.split(","))
        and given.get("startDate", 0) <= row.added_at <= given.get("endDate", row.added_at)
        and _mentions(location, row, given.get("query", "").lower())
    )


def _mentions(location: Location, row: Conversation, text: str) -> bool:
    contact = location.contacts.get(row.contact_id) if text else None
    parts = (contact.name, contact.email, contact.phone) if contact else ()
    return not text or any(text in part.lower() for part in (row.last_body, *parts) if part)


def find(location: Location, conversation_id: str) -> Conversation:
    """The conversation with this id. Raises ApiError 400."""
    conversation = location.conversations.get(conversation_id)
    if conversation is None:
        raise not_found("Conversation", conversation_id)
    return conversation


def get(call: ApiCall) -> Reply:
    """Return one conversation."""
    return Reply(conversation_views.detail(find(here(call), call.path["conversationId"])))


def create(call: ApiCall) -> Reply:
    """Create a conversation."""
    given = body(call, {"locationId": "string", "contactId": "text"}, required=("locationId", "contactId"))
    location = own(call, given["locationId"])
    if old := location.conversations.where("contact_id", given["contactId"]):
        raise bad_request("Conversation already exists", conversationId=old[0].id)
    conversation = start(call, location, given["contactId"])
    return Reply({"success": True, "conversation": conversation_views.created(conversation)}, 201)


def start(call: ApiCall, location: Location, contact_id: str) -> Conversation:
    """A new, empty conversation. Raises ApiError 400 for a contact that is not there."""
    contact = location.contacts.get(contact_id)
    if contact is None:
        raise not_found("Contact", contact_id)
    now = call.world.now()
    return location.conversations.add(
        Conversation(
            id=call.world.ids.new(),
            location_id=location.id,
            contact_id=contact.id,
            added_at=now,
            updated_at=now,
            last_message_at=now,
            assigned_to=contact.assigned_to,
        )
    )


def update(call: ApiCall) -> Reply:
    """Update a conversation."""
    rules: Rules = {"locationId": "string", "unreadCount": "number", "starred": "boolean", "feedback": "object"}
    given = body(call, rules, required=("locationId",), v3={"feedback": ("positive", "negative")})
    location = own(call, given["locationId"])
    old = find(location, call.path["conversationId"])
    fields = {"unread": given.get("unreadCount", old.unread), "starred": given.get("starred", old.starred)}
    new = location.conversations.add(replace(old, **fields, updated_at=call.world.now()))
    if new.unread != old.unread:
        call.publish("ConversationUnreadWebhook", location.id, conversation_views.unread(new))
    return Reply({"success": True, "conversation": conversation_views.updated(new)})


def delete(call: ApiCall) -> Reply:
    """Delete a conversation."""
    location = here(call)
    conversation = find(location, call.path["conversationId"])
    for message in location.messages.where("conversation_id", conversation.id):
        del location.messages[message.id]
    del location.conversations[conversation.id]
    return Reply({"success": True})


READ, WRITE = ("conversations.readonly",), ("conversations.write",)
ONE = "/conversations/{conversationId}"
ROUTES = (
    Route("GET", "/conversations/search", "search-conversation", search, READ, version=VERSION),
    Route("POST", "/conversations/", "create-conversation", create, WRITE, version=VERSION),
    Route("GET", ONE, "get-conversation", get, READ, version=VERSION),
    Route("PUT", ONE, "update-conversation", update, WRITE, version=VERSION),
    Route("DELETE", ONE, "delete-conversation", delete, WRITE, version=VERSION),
)
