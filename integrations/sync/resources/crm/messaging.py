"""Conversations and messages.

Conversations come in the order of their last message, oldest first: one that gets a message during the run moves to the
end and is seen there. `startAfterDate` is the cursor of the listing, so it also asks for what came after a moment. The
total then counts the rest or all, which the vendor does not say. A conversation has its contact's name and addresses,
which change without a new message.

Messages come from the location's export, with the metadata of their attachments. It has a filter by date, so no
conversation is read by itself. A message's status changes after that; a webhook or the next full run brings it. The
channel is an enum of the export and another one of the webhook, so the webhook's is not stored.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from integrations.sync.resources.base import HOURLY, ListingRequest, Resource, Single
from integrations.sync.resources.dates import iso
from integrations.sync.resources.listing_filters import ListingFilter
from integrations.sync.resources.windows import milliseconds

_BY_LAST_MESSAGE = {"sort": "asc", "sortBy": "last_message_date"}
_BY_CREATION = {"sortBy": "createdAt", "sortOrder": "asc"}


def _conversations_since(_location_id: str, since: datetime) -> ListingRequest:
    return ListingRequest(params={**_BY_LAST_MESSAGE, "startAfterDate": milliseconds(since)})


def _messages_since(_location_id: str, since: datetime) -> ListingRequest:
    return ListingRequest(params={**_BY_CREATION, "startDate": iso(since)})


CONVERSATIONS = Resource(
    name="conversations",
    operation="conversations.search-conversation",
    params=_BY_LAST_MESSAGE,
    since=_conversations_since,
    counts=False,
    single=Single("conversations.get-conversation", "conversationId"),
    noise=frozenset({"sort"}),
    copies=frozenset({"contactName", "fullName", "email", "phone"}),
    filters=(
        ListingFilter(parameter="status", values=("read", "unread", "starred", "recents")),
        ListingFilter(parameter="assignedTo", field="assignedTo"),
        ListingFilter(parameter="lastMessageDirection", values=("inbound", "outbound"), field="lastMessageDirection"),
        ListingFilter(parameter="lastMessageType", field="lastMessageType"),
    ),
    updates=frozenset({"ConversationUnreadUpdate"}),
    recheck=frozenset({"ConversationUpdate"}),
)
MESSAGES = Resource(
    name="messages",
    operation="conversations.export-messages-by-location",
    every=HOURLY,
    full_every=timedelta(days=28),
    params=_BY_CREATION,
    since=_messages_since,
    single=Single("conversations.get-message", "id"),
    creates=frozenset({"InboundMessage", "OutboundMessage"}),
    renames={"messageId": "id"},
    event_noise=frozenset({"messageType"}),
    filters=(ListingFilter(parameter="channel", values=("Call", "SMS", "Email", "WhatsApp", "Instagram", "Facebook")),),
)

ALL = (CONVERSATIONS, MESSAGES)
