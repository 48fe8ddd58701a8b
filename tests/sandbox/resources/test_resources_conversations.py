"""Conversations and messages: the search's cursor, the messages behind a message, sending and receiving."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.sandbox.desk import Desk
from tests.sandbox.examples import busiest_conversation, conversation_path, idle_contact


@pytest.fixture
def desk() -> Desk:
    return Desk(contacts=300)  # 30 conversations


def search(desk: Desk, **more: str) -> Any:
    return desk.get("search-conversation", query={"locationId": desk.location.id, **more})


def ids(answer: Any) -> list[str]:
    return [row["id"] for row in answer["conversations"]]


def text(desk: Desk, **more: Any) -> dict[str, Any]:
    contact = next(row for row in desk.location.contacts.values() if row.phone and not row.dnd)
    return {"type": "SMS", "contactId": contact.id, "message": "Hello", **more}


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_the_cursor_leads_through_all(sort: str, desk: Desk) -> None:
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(6):
        answer = search(desk, sort=sort, limit="7", **cursor)
        if not answer["conversations"]:
            break
        found += ids(answer)
        cursor = {"startAfterDate": str(answer["conversations"][-1]["lastMessageDate"])}
    rows = sorted(desk.location.conversations.values(), key=lambda row: row.last_message_at, reverse=sort == "desc")
    assert found == [row.id for row in rows]
    assert answer["total"] == 30


def test_the_newest_come_first_and_twenty_of_them(desk: Desk) -> None:
    rows = search(desk)["conversations"]
    dates = [row["lastMessageDate"] for row in rows]
    assert dates == sorted(dates, reverse=True)
    assert len(rows) == 20


def test_filters(desk: Desk) -> None:
    everything = search(desk, limit="100")["conversations"]
    unread = {row["id"] for row in everything if row["unreadCount"]}
    one = everything[4]
    assert set(ids(search(desk, status="unread", limit="100"))) == unread
    assert set(ids(search(desk, status="read", limit="100"))) == {row["id"] for row in everything} - unread
    assert ids(search(desk, contactId=one["contactId"])) == [one["id"]]
    assert ids(search(desk, query=one["email"])) == [one["id"]]
    assert ids(search(desk, id=one["id"])) == [one["id"]]
    assert ids(search(desk, status="starred")) == []
    desk.refused(422, "search-conversation", query={"locationId": desk.location.id, "status": "new"})
    desk.refused(422, "search-conversation", query={"locationId": desk.location.id, "startAfterDate": "soon"})
    desk.refused(403, "search-conversation", query={"locationId": desk.other.id})


def test_messages_come_newest_first_behind_the_last_one_seen(desk: Desk) -> None:
    path = busiest_conversation(desk)
    for _ in range(40):
        desk.get(
            "send-a-new-message",
            body=text(desk, contactId=desk.location.conversations[path["conversationId"]].contact_id, type="Custom"),
        )
    rows = sorted(
        (row for row in desk.location.messages.values() if row.conversation_id == path["conversationId"]),
        key=lambda row: (row.added_at, row.id),
        reverse=True,
    )
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(10):
        page = desk.get("get-messages", path, query=cursor)
        found += [message["id"] for message in page["messages"]]
        cursor = {"lastMessageId": page["lastMessageId"]}
        if not page["nextPage"]:
            break
    assert found == [row.id for row in rows]
    assert desk.get("get-messages", path, query=cursor)["messages"] == []


def test_messages_of_one_kind(desk: Desk) -> None:
    path = busiest_conversation(desk)
    contact_id = desk.location.conversations[path["conversationId"]].contact_id
    desk.get(
        "add-an-inbound-message",
        body={"type": "WhatsApp", "contactId": contact_id, "message": "Hi", "conversationProviderId": "p"},
    )
    found = desk.get("get-messages", path, query={"type": "TYPE_WHATSAPP,TYPE_CALL"})["messages"]
    assert [message["messageType"] for message in found] == ["TYPE_WHATSAPP"]
    desk.refused(400, "get-messages", path, query={"lastMessageId": "none"})
    desk.refused(400, "get-messages", {"conversationId": next(iter(desk.other.conversations))})


def test_a_sent_message_is_announced_and_leads_its_conversation(desk: Desk) -> None:
    sent = desk.get("send-a-new-message", body=text(desk))
    message = desk.get("get-message", {"id": sent["messageId"]})
    assert (message["direction"], message["body"], message["status"]) == ("outbound", "Hello", "pending")
    row = search(desk)["conversations"][0]
    assert (row["id"], row["lastMessageBody"]) == (sent["conversationId"], "Hello")
    ((event, fields),) = desk.emitted
    assert (event, fields["messageId"], fields["direction"]) == ("OutboundMessage", sent["messageId"], "outbound")


def test_the_first_message_starts_a_conversation_the_second_does_not(desk: Desk) -> None:
    contact_id = idle_contact(desk)
    body = {"type": "Email", "contactId": contact_id, "html": "<p>Hi</p>", "subject": "Hi"}
    one, two = desk.get("send-a-new-message", body=body), desk.get("send-a-new-message", body=body)
    assert one["conversationId"] == two["conversationId"]
    assert len(desk.location.conversations) == 31
    desk.refused(400, "create-conversation", body={"locationId": desk.location.id, "contactId": contact_id})


def test_a_received_message_is_unread(desk: Desk) -> None:
    path = conversation_path(desk)
    before = desk.get("get-conversation", path)["unreadCount"]
    body = {"type": "SMS", **path, "message": "Hi", "conversationProviderId": "p"}
    desk.get("add-an-inbound-message", body=body)
    assert desk.get("get-conversation", path)["unreadCount"] == before + 1
    desk.get("update-conversation", path, body={"locationId": desk.location.id, "unreadCount": before})
    without_provider = {name: value for name, value in body.items() if name != "conversationProviderId"}
    desk.get("add-an-inbound-message", body=without_provider)  # as public callers do
    assert desk.get("get-conversation", path)["unreadCount"] == before + 1
    desk.get("update-conversation", path, body={"locationId": desk.location.id, "unreadCount": 0})
    assert [fields["unreadCount"] for _, fields in desk.emitted if "unreadCount" in fields][-2:] == [before + 1, 0]
    assert desk.get("get-conversation", path)["inbox"] is False


def test_who_cannot_be_reached_is_refused(desk: Desk) -> None:
    contact = next(row for row in desk.location.contacts.values() if row.phone and not row.dnd)
    body = text(desk, contactId=contact.id)
    for fields, sentence in (
        ({"dnd": True}, "Cannot send message as DND is active for SMS."),
        ({"dnd_settings": (("SMS", {"status": "active"}),)}, "Cannot send message as DND is active for SMS."),
        ({"phone": None}, "Missing phone number"),
    ):
        desk.location.contacts.add(replace(contact, **fields))
        assert desk.refused(400, "send-a-new-message", body=body)["message"] == sentence
    desk.location.contacts.add(replace(contact, email=None))
    desk.refused(400, "send-a-new-message", body={**body, "type": "Email"})
    desk.refused(400, "send-a-new-message", body={**body, "message": ""})
    desk.refused(400, "send-a-new-message", body={**body, "contactId": "nobody"})
    desk.refused(422, "send-a-new-message", body={**body, "type": "Pigeon"})
    assert desk.emitted == []


def test_an_inbound_message_needs_a_conversation_or_a_contact(desk: Desk) -> None:
    body = {"type": "SMS", "message": "Hi", "conversationProviderId": "p"}
    desk.refused(422, "add-an-inbound-message", body=body)
    desk.refused(400, "add-an-inbound-message", body={**body, "conversationId": "none"})
    desk.refused(400, "add-an-inbound-message", body={**body, "contactId": "nobody"})


def test_a_status_is_set(desk: Desk) -> None:
    path = {"messageId": next(iter(desk.location.messages))}
    assert desk.get("update-message-status", path, body={"status": "failed"})["status"] == "failed"
    assert desk.get("get-message", {"id": path["messageId"]})["status"] == "failed"
    desk.refused(422, "update-message-status", path, body={"status": "lost"})
    desk.refused(400, "update-message-status", {"messageId": "none"}, body={"status": "read"})


def test_a_deleted_conversation_takes_its_messages(desk: Desk) -> None:
    path = busiest_conversation(desk)
    desk.get("delete-conversation", path)
    desk.refused(400, "get-conversation", path)
    assert path["conversationId"] not in {row.conversation_id for row in desk.location.messages.values()}
