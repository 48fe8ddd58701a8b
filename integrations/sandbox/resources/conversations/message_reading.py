"""Messages of a conversation, newest first: listed behind `lastMessageId`, read, received, their status set.

Sending is in message_sending.py. The list's answer is shaped as the OpenAPI file says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from integrations.sandbox.data.records import Message
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import not_found
from integrations.sandbox.resources.checks import Rules, body, here, limit, query
from integrations.sandbox.resources.conversations import views as conversation_views
from integrations.sandbox.resources.conversations.conversations import VERSION, find


def list_messages(call: ApiCall) -> Reply:
    """List the messages of a conversation."""
    given = query(call, {"lastMessageId": "string", "limit": "number", "type": "string"})
    location = here(call)
    conversation = find(location, call.path["conversationId"])
    wanted = given["type"].split(",") if "type" in given else list(conversation_views.TYPES.values())
    rows = [
        row
        for row in _newest_first(location, conversation.id)
        if conversation_views.TYPES[row.channel] in wanted and _is_behind(location, row, given)
    ]
    page = rows[: limit(given)]
    answer = {
        "lastMessageId": page[-1].id if page else given.get("lastMessageId", ""),
        "nextPage": len(rows) > len(page),
        "messages": [conversation_views.message(row) for row in page],
    }
    return Reply(answer)


def _newest_first(location: Location, conversation_id: str) -> list[Message]:
    rows = location.messages.where("conversation_id", conversation_id)
    return sorted(rows, key=_position, reverse=True)


def _position(message: Message) -> tuple[int, str]:
    return message.added_at, message.id


def _is_behind(location: Location, row: Message, given: dict[str, Any]) -> bool:
    if "lastMessageId" not in given:
        return True
    return _position(row) < _position(_message(location, given["lastMessageId"]))


def _message(location: Location, message_id: str) -> Message:
    message = location.messages.get(message_id)
    if message is None:
        raise not_found("Message", message_id)
    return message


def get(call: ApiCall) -> Reply:
    """Return one message."""
    return Reply(conversation_views.message(_message(here(call), call.path["id"])))


def update_status(call: ApiCall) -> Reply:
    """Set the status of a message."""
    statuses = ("delivered", "failed", "pending", "read")
    rules: Rules = {"status": statuses, "error": "object", "emailMessageId": "string", "recipients": "strings"}
    given = body(call, rules, required=("status",))
    location = here(call)
    old = _message(location, call.path["messageId"])
    new = location.messages.add(replace(old, status=given["status"]))
    return Reply({"conversationId": new.conversation_id, "messageId": new.id, "status": new.status})


READ, WRITE = ("conversations/message.readonly",), ("conversations/message.write",)
ROUTES = (
    Route("GET", "/conversations/messages/{id}", "get-message", get, READ, version=VERSION),
    Route(
        "PUT",
        "/conversations/messages/{messageId}/status",
        "update-message-status",
        update_status,
        WRITE,
        version=VERSION,
    ),
    Route("GET", "/conversations/{conversationId}/messages", "get-messages", list_messages, READ, version=VERSION),
)
