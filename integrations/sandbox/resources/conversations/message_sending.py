"""Sending a message to a contact, and taking in one that a conversation provider received from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from integrations.sandbox.data.records import Contact, Conversation, Message
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import bad_request, invalid, not_found
from integrations.sandbox.resources.checks import Rules, body, here
from integrations.sandbox.resources.conversations import views as conversation_views
from integrations.sandbox.resources.conversations.conversations import VERSION, find, start
from integrations.sandbox.timestamps import parse

SHARED_RULES: Rules = {
    **dict.fromkeys(("contactId", "html", "message", "subject", "emailFrom", "emailTo"), "string"),
    "conversationProviderId": "string",
    **dict.fromkeys(("attachments", "emailCc", "emailBcc"), "strings"),
}
OUTBOUND_RULES: Rules = {
    **SHARED_RULES,
    **dict.fromkeys(("appointmentId", "replyMessageId", "templateId", "threadId", "customSubtypeId"), "string"),
    **dict.fromkeys(("fromNumber", "toNumber"), "string"),
    "type": ("SMS", "RCS", "Email", "WhatsApp", "IG", "FB", "Custom", "Live_Chat", "TIKTOK"),
    "subType": "any",
    "status": ("delivered", "failed", "pending", "read"),
    "scheduledTimestamp": "number",
    "emailReplyMode": ("reply", "reply_all"),
    "forward": "object",
    "usesNativeSchedulingAi": "boolean",
    "optimizationPeriod": ("24h", "48h", "72h"),
}
INBOUND_RULES: Rules = {
    **SHARED_RULES,
    **dict.fromkeys(("conversationId", "emailMessageId", "altId"), "string"),
    "type": ("SMS", "RCS", "Email", "WhatsApp", "GMB", "IG", "FB", "Custom", "WebChat", "Live_Chat", "Call"),
    "direction": "any",
    "date": "date",
    "call": "object",
}


def send(call: ApiCall) -> Reply:
    """POST /conversations/messages. The spec also calls `subType` and `status` required; callers leave them out."""
    given = body(call, OUTBOUND_RULES, required=("type", "contactId"))
    location = here(call)
    contact = location.contacts.get(given["contactId"])
    if contact is None:
        raise not_found("Contact", given["contactId"])
    _refuse_unreachable(contact, given)
    message = _store(call, location, _conversation(call, location, given), given, "outbound")
    call.publish("OutboundMessage", location.id, {**conversation_views.webhook(message), "source": "api"})
    answer = {
        "conversationId": message.conversation_id,
        "messageId": message.id,
        "msg": "Message queued successfully.",
        "status": message.status,
        **({"emailMessageId": message.id} if message.channel == "Email" else {}),
    }
    return Reply(answer)


def receive(call: ApiCall) -> Reply:
    """POST /conversations/messages/inbound. The spec calls `conversationProviderId` required; callers leave it out."""
    given = body(call, INBOUND_RULES, required=("type",))
    location = here(call)
    message = _store(call, location, _conversation(call, location, given), given, "inbound")
    call.publish("InboundMessage", location.id, conversation_views.webhook(message))
    unread = conversation_views.unread(location.conversations[message.conversation_id])
    call.publish("ConversationUnreadWebhook", location.id, unread)
    answer = {
        "success": True,
        "conversationId": message.conversation_id,
        "messageId": message.id,
        "message": "Message added successfully.",
        "contactId": message.contact_id,
    }
    return Reply(answer)


def _refuse_unreachable(contact: Contact, given: dict[str, Any]) -> None:
    channel = given["type"]
    blocked = dict(contact.dnd_settings).get(channel, {}).get("status") in ("active", "permanent")
    if contact.dnd or blocked:
        raise bad_request(f"Cannot send message as DND is active for {channel}.")
    if channel == "SMS" and not (contact.phone or given.get("toNumber")):
        raise bad_request("Missing phone number")
    if channel == "Email" and not (contact.email or given.get("emailTo")):
        raise bad_request("Missing email address")
    if not any(given.get(name) for name in ("message", "html", "attachments", "templateId")):
        raise bad_request("There is no message or attachments for this message. Skip sending.")


def _conversation(call: ApiCall, location: Location, given: dict[str, Any]) -> Conversation:
    if given.get("conversationId"):
        return find(location, given["conversationId"])
    if not given.get("contactId"):
        raise invalid("contactId should not be empty")
    old = location.conversations.where("contact_id", given["contactId"])
    return old[0] if old else start(call, location, given["contactId"])


def _store(
    call: ApiCall, location: Location, conversation: Conversation, given: dict[str, Any], direction: str
) -> Message:
    inbound = direction == "inbound"
    message = location.messages.add(
        Message(
            id=call.world.ids.new(),
            location_id=location.id,
            contact_id=conversation.contact_id,
            conversation_id=conversation.id,
            channel=given["type"],
            direction=direction,
            status="delivered" if inbound else given.get("status", "pending"),
            added_at=parse(given.get("date")) or call.world.now(),
            body=given.get("message") or given.get("html") or "",
            subject=given.get("subject"),
            attachments=tuple(given.get("attachments", ())),
            source="api",
            provider_id=given.get("conversationProviderId"),
        )
    )
    location.conversations.add(
        replace(
            conversation,
            updated_at=call.world.now(),
            last_message_at=max(conversation.last_message_at, message.added_at),
            last_body=message.body,
            last_type=conversation_views.TYPES[message.channel],
            last_direction=direction,
            unread=conversation.unread + 1 if inbound else conversation.unread,
        )
    )
    return message


WRITE = ("conversations/message.write",)
ROUTES = (
    Route("POST", "/conversations/messages", "send-a-new-message", send, WRITE, version=VERSION),
    Route("POST", "/conversations/messages/inbound", "add-an-inbound-message", receive, WRITE, version=VERSION),
)
