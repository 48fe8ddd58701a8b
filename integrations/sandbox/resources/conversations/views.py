"""Conversations and messages as the API and the webhooks show them."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.data.records import Contact, Conversation, Message
from integrations.sandbox.timestamps import iso

Json = dict[str, Any]

NUMBERS = {"TYPE_CALL": 1, "TYPE_SMS": 2, "TYPE_EMAIL": 3}  # others are shown as an SMS is
CONVERSATION_NUMBERS = {"TYPE_PHONE": 1, "TYPE_EMAIL": 2}
TYPES = {  # the name a caller gives a channel, the name in messages
    "SMS": "TYPE_SMS",
    "RCS": "TYPE_RCS",
    "Email": "TYPE_EMAIL",
    "WhatsApp": "TYPE_WHATSAPP",
    "GMB": "TYPE_GMB",
    "IG": "TYPE_INSTAGRAM",
    "FB": "TYPE_FACEBOOK",
    "Custom": "TYPE_CUSTOM_SMS",
    "WebChat": "TYPE_WEBCHAT",
    "Live_Chat": "TYPE_LIVE_CHAT",
    "TIKTOK": "TYPE_TIKTOK",
    "Call": "TYPE_CALL",
}


def kind(conversation: Conversation) -> str:
    """The conversation's type: email or phone."""
    return "TYPE_EMAIL" if conversation.last_type == "TYPE_EMAIL" else "TYPE_PHONE"


def row(conversation: Conversation, contact: Contact | None) -> Json:
    """A row of the search; its dates are milliseconds, the last message's is the cursor."""
    name = contact.name if contact else ""
    return {
        "id": conversation.id,
        "contactId": conversation.contact_id,
        "locationId": conversation.location_id,
        "lastMessageBody": conversation.last_body,
        "lastMessageType": conversation.last_type,
        "lastMessageDirection": conversation.last_direction,
        "lastMessageDate": conversation.last_message_at,
        "type": kind(conversation),
        "unreadCount": conversation.unread,
        "fullName": name,
        "contactName": name,
        "email": (contact.email if contact else None) or "",
        "phone": (contact.phone if contact else None) or "",
        "tags": list(contact.tags) if contact else [],
        "dateAdded": conversation.added_at,
        "dateUpdated": conversation.updated_at,
        "sort": [conversation.last_message_at],
        **_assigned(conversation),
    }


def detail(conversation: Conversation) -> Json:
    """A conversation as GET returns it."""
    return {
        "id": conversation.id,
        "contactId": conversation.contact_id,
        "locationId": conversation.location_id,
        "deleted": False,
        "inbox": conversation.unread > 0,
        "type": CONVERSATION_NUMBERS[kind(conversation)],
        "unreadCount": conversation.unread,
        "starred": conversation.starred,
        **_assigned(conversation),
    }


def updated(conversation: Conversation) -> Json:
    """A conversation as PUT returns it."""
    return {
        "id": conversation.id,
        "locationId": conversation.location_id,
        "contactId": conversation.contact_id,
        "lastMessageBody": conversation.last_body,
        "lastMessageDate": str(conversation.last_message_at),
        "lastMessageType": conversation.last_type,
        "unreadCount": conversation.unread,
        "inbox": conversation.unread > 0,
        "starred": conversation.starred,
        "deleted": False,
        **_assigned(conversation),
    }


def created(conversation: Conversation) -> Json:
    """A conversation as POST returns it."""
    return {
        "id": conversation.id,
        "locationId": conversation.location_id,
        "contactId": conversation.contact_id,
        "dateAdded": iso(conversation.added_at),
        "dateUpdated": iso(conversation.updated_at),
        "lastMessageDate": iso(conversation.last_message_at),
        "deleted": False,
        **_assigned(conversation),
    }


def unread(conversation: Conversation) -> Json:
    """The subscription is named ConversationUnreadWebhook, the event's type is not."""
    return {
        "type": "ConversationUnreadUpdate",
        "id": conversation.id,
        "contactId": conversation.contact_id,
        "unreadCount": conversation.unread,
        "inbox": conversation.unread > 0,
        "starred": conversation.starred,
        "deleted": False,
    }


def message(sent: Message) -> Json:
    """A message as the API returns it."""
    message_type = TYPES[sent.channel]
    optional = {"userId": sent.user_id, "conversationProviderId": sent.provider_id}
    return {
        "id": sent.id,
        "type": NUMBERS.get(message_type, NUMBERS["TYPE_SMS"]),
        "messageType": message_type,
        "locationId": sent.location_id,
        "contactId": sent.contact_id,
        "conversationId": sent.conversation_id,
        "dateAdded": iso(sent.added_at),
        "body": sent.body,
        "direction": sent.direction,
        "status": sent.status,
        "contentType": _content_type(sent),
        "attachments": list(sent.attachments),
        "source": sent.source,
        **{name: value for name, value in optional.items() if value is not None},
    }


def webhook(sent: Message) -> Json:
    """The fields of InboundMessage and OutboundMessage."""
    optional = {"userId": sent.user_id, "conversationProviderId": sent.provider_id, "subject": sent.subject}
    if sent.channel == "Email":
        optional["emailMessageId"] = sent.id
    return {
        "attachments": list(sent.attachments),
        "body": sent.body,
        "contactId": sent.contact_id,
        "contentType": _content_type(sent),
        "conversationId": sent.conversation_id,
        "dateAdded": iso(sent.added_at),
        "direction": sent.direction,
        "messageType": sent.channel,
        "messageId": sent.id,
        "status": sent.status,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _content_type(sent: Message) -> str:
    return "text/html" if sent.channel == "Email" else "text/plain"


def _assigned(conversation: Conversation) -> Json:
    return {"assignedTo": conversation.assigned_to} if conversation.assigned_to else {}
