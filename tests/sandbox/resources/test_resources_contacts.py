"""Contacts and what hangs on them: create, update, upsert, delete, tags, followers, notes, tasks."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.sandbox.data.records import Contact
from integrations.sandbox.timestamps import iso
from tests.sandbox.desk import Desk
from tests.sandbox.examples import idle_contact, new_contact, note_path, task_path


@pytest.fixture
def desk() -> Desk:
    return Desk()


def first(desk: Desk) -> Contact:
    return next(iter(desk.location.contacts.values()))


def create(desk: Desk, **fields: Any) -> Any:
    return desk.get("create-contact", body={"locationId": desk.location.id, **fields})["contact"]


def read(desk: Desk, contact_id: str) -> Any:
    return desk.get("get-contact", {"contactId": contact_id})["contact"]


def test_what_was_created_can_be_read(desk: Desk) -> None:
    sent = new_contact(desk)
    contact_id = desk.get("create-contact", body=sent)["contact"]["id"]
    contact = read(desk, contact_id)
    assert {name: contact[name] for name in ("firstName", "lastName", "email", "address1", "dateOfBirth")} == {
        name: sent[name] for name in ("firstName", "lastName", "email", "address1", "dateOfBirth")
    }
    assert contact["phone"] == "+12025550107"
    assert contact["tags"] == ["vip", "fresh"]
    assert contact["customFields"] == [{"id": sent["customFields"][0]["id"], "value": "2000"}]
    assert contact["dateAdded"] == contact["dateUpdated"]


def test_a_new_tag_of_a_contact_becomes_a_tag_of_the_location(desk: Desk) -> None:
    create(desk, tags=["Never seen"])
    tags = desk.get("get-location-tags", {"locationId": desk.location.id})["tags"]
    assert [tag["name"] for tag in tags].count("never seen") == 1


def test_one_name_is_split_in_two(desk: Desk) -> None:
    contact = create(desk, name="Rosan Deo Smith")
    assert (contact["firstName"], contact["lastName"]) == ("Rosan", "Deo Smith")


@pytest.mark.parametrize(
    ("field", "change"), [("email", str.upper), ("phone", lambda text: text.replace("555", " 555-"))]
)
def test_a_duplicate_is_refused_and_named(field: str, change: Any, desk: Desk) -> None:
    old = next(row for row in desk.location.contacts.values() if row.phone)
    error = desk.refused(
        400,
        "create-contact",
        body={"locationId": desk.location.id, field: change(getattr(old, field)), "tags": ["untold"]},
    )
    assert error["message"] == "This location does not allow duplicated contacts."
    assert "untold" not in {tag.name for tag in desk.location.tags.values()}
    assert error["meta"] == {"contactId": old.id, "contactName": old.name, "matchingField": field}
    assert desk.emitted == []


def test_an_update_may_not_take_anothers_email_but_keep_its_own(desk: Desk) -> None:
    one, two, *_ = desk.location.contacts.values()
    desk.refused(400, "update-contact", {"contactId": one.id}, body={"email": two.email})
    desk.get("update-contact", {"contactId": one.id}, body={"email": one.email})


def test_an_update_leaves_what_it_does_not_name(desk: Desk) -> None:
    old = first(desk)
    desk.get("update-contact", {"contactId": old.id}, body={"city": "Lima", "companyName": None})
    new = desk.location.contacts[old.id]
    assert (new.city, new.company_name) == ("Lima", None)
    assert (new.email, new.tags, new.custom_fields, new.added_at) == (
        old.email,
        old.tags,
        old.custom_fields,
        old.added_at,
    )
    assert new.updated_at > old.updated_at


def test_an_update_merges_custom_fields_and_an_empty_value_clears_one(desk: Desk) -> None:
    fields = [field.id for field in desk.location.custom_fields.values() if field.model == "contact"]
    contact_id = create(desk, customFields=[{"id": fields[0], "field_value": "1"}])["id"]
    desk.get("update-contact", {"contactId": contact_id}, body={"customFields": [{"key": "budget", "field_value": ""}]})
    desk.get(
        "update-contact",
        {"contactId": contact_id},
        body={"customFields": [{"key": "contact.referred_by", "field_value": "Ann"}]},
    )
    assert [value["value"] for value in read(desk, contact_id)["customFields"]] == ["Ann"]


def test_an_update_without_tag_or_dnd_changes_tells_of_neither(desk: Desk) -> None:
    desk.get("update-contact", {"contactId": first(desk).id}, body={"city": "Lima"})
    assert desk.events() == ["ContactUpdate"]


def test_upsert_creates_then_updates(desk: Desk) -> None:
    body = {"locationId": desk.location.id, "email": "one@example.com", "firstName": "One"}
    created = desk.get("upsert-contact", body=body)
    updated = desk.get("upsert-contact", body={**body, "firstName": "Two"})
    assert (created["new"], updated["new"]) == (True, False)
    assert created["contact"]["id"] == updated["contact"]["id"]
    assert updated["contact"]["firstName"] == "Two"
    assert desk.events() == ["ContactCreate", "ContactUpdate"]


def test_delete_takes_along_what_hangs_on_the_contact(desk: Desk) -> None:
    contact_id = next(iter(desk.location.opportunities.values())).contact_id
    desk.get("create-note", {"contactId": contact_id}, body={"body": "soon gone"})
    desk.get("delete-contact", {"contactId": contact_id})
    desk.refused(400, "get-contact", {"contactId": contact_id})
    for store in (desk.location.opportunities, desk.location.notes, desk.location.messages, desk.location.events):
        assert contact_id not in {row.contact_id for row in store.values()}
    assert desk.events()[-1] == "ContactDelete"
    assert "OpportunityDelete" in desk.events()


def test_the_duplicate_search_finds_by_email_or_number(desk: Desk) -> None:
    old = next(row for row in desk.location.contacts.values() if row.phone)
    here = {"locationId": desk.location.id}
    for query in ({"email": old.email or ""}, {"number": old.phone or ""}):
        assert desk.get("get-duplicate-contact", query=here | query)["contact"]["id"] == old.id
    assert desk.get("get-duplicate-contact", query=here | {"email": "no@example.com"})["contact"] is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"firstName": 5}, "firstName must be a string"),
        ({"dndSettings": {"SMS": "active"}}, "each value in nested property dndSettings must be an object"),
        ({"dnd": "yes"}, "dnd must be a boolean value"),
        ({"tags": "vip"}, "each value in tags must be a string"),
        ({"shoeSize": 44}, "property shoeSize should not exist"),
        ({"email": "nobody"}, "email must be an email"),
        ({"phone": "none"}, "phone must be a valid phone number"),
        ({"customFields": [{"id": "x", "field_value": 1}]}, "customFields.0.id is not a custom field of this location"),
    ],
)
def test_bad_fields_are_named_in_a_list(body: dict[str, Any], sentence: str, desk: Desk) -> None:
    error = desk.refused(422, "create-contact", body={"locationId": desk.location.id, **body})
    assert error == {"statusCode": 422, "message": [sentence], "error": "Unprocessable Entity"}
    desk.refused(422, "update-contact", {"contactId": first(desk).id}, body=body)


def test_a_body_that_is_no_object_is_refused(desk: Desk) -> None:
    desk.refused(422, "create-contact", body=["locationId"])
    desk.refused(422, "create-contact", body=None)


def test_contacts_of_another_location_are_not_there(desk: Desk) -> None:
    theirs = next(iter(desk.other.contacts))
    for operation in ("get-contact", "update-contact", "delete-contact", "get-all-notes", "add-tags"):
        error = desk.refused(400, operation, {"contactId": theirs}, body={})
        assert error["message"] == f"Contact with id {theirs} not found"
    desk.refused(403, "create-contact", body={"locationId": desk.other.id})


def test_tags_are_added_once_and_removed(desk: Desk) -> None:
    path = {"contactId": create(desk, tags=["one"])["id"]}
    assert desk.get("add-tags", path, body={"tags": ["Two", "one"]})["tags"] == ["one", "two"]
    assert desk.get("add-tags", path, body={"tags": ["two"]})["tags"] == ["one", "two"]
    assert desk.get("remove-tags", path, body={"tags": ["ONE", "none"]})["tags"] == ["two"]
    assert desk.events() == ["ContactCreate", "ContactTagUpdate", "ContactTagUpdate"]
    desk.refused(422, "add-tags", path, body={})


def test_followers_are_added_once_and_removed(desk: Desk) -> None:
    path = {"contactId": first(desk).id}
    assert desk.get("add-followers-contact", path, body={"followers": ["a", "b"]})["followersAdded"] == ["a", "b"]
    assert desk.get("add-followers-contact", path, body={"followers": ["b", "c"]}) == {
        "followers": ["a", "b", "c"],
        "followersAdded": ["c"],
    }
    assert desk.get("remove-followers-contact", path, body={"followers": ["a", "z"]}) == {
        "followers": ["b", "c"],
        "followersRemoved": ["a"],
    }


def test_notes_come_and_go(desk: Desk) -> None:
    path = {"contactId": idle_contact(desk)}
    before = desk.get("get-all-notes", path)["notes"]
    note = desk.get("create-note", path, body={"body": "Called.", "pinned": True})["note"]
    one = {**path, "id": note["id"]}
    assert desk.get("get-note", one)["note"] == note
    assert desk.get("update-note", one, body={"body": "Twice."})["note"] == {**note, "body": "Twice."}
    assert len(desk.get("get-all-notes", path)["notes"]) == len(before) + 1
    desk.get("delete-note", one)
    assert desk.get("get-all-notes", path)["notes"] == before
    desk.refused(400, "get-note", one)
    desk.refused(422, "create-note", path, body={"body": ""})


def test_a_note_is_found_under_its_own_contact_only(desk: Desk) -> None:
    path = note_path(desk)
    other = next(contact_id for contact_id in desk.location.contacts if contact_id != path["contactId"])
    desk.refused(400, "get-note", {**path, "contactId": other})


def test_tasks_come_and_go(desk: Desk) -> None:
    path = {"contactId": idle_contact(desk)}
    sent = {"title": "Call", "dueDate": "2030-10-25T11:00:00Z", "completed": False}
    task = desk.get("create-task", path, body=sent)["task"]
    assert task["dueDate"] == "2030-10-25T11:00:00.000Z"
    one = {**path, "taskId": task["id"]}
    assert desk.get("update-task", one, body={"title": "Write"})["task"]["title"] == "Write"
    assert desk.get("update-task-completed", one, body={"completed": True})["task"]["completed"] is True
    desk.get("update-task-completed", one, body={"completed": True})
    assert desk.events() == ["TaskCreate", "TaskComplete"]
    desk.get("delete-task", one)
    desk.refused(400, "get-task", one)
    desk.refused(422, "create-task", path, body={**sent, "dueDate": "tomorrow"})
    desk.refused(422, "create-task", path, body={"title": "Call"})


def test_the_task_search_filters_and_skips(desk: Desk) -> None:
    where = {"locationId": desk.location.id}
    everything = desk.get("task-search", where, body={"limit": 100})["tasks"]
    done = desk.get("task-search", where, body={"limit": 100, "completed": True})["tasks"]
    assert len(everything) == len(desk.location.tasks)
    assert {task["id"] for task in done} == {row.id for row in desk.location.tasks.values() if row.completed}
    assert desk.get("task-search", where, body={"skip": 2, "limit": 2})["tasks"] == everything[2:4]
    mine = task_path(desk)["contactId"]
    found = desk.get("task-search", where, body={"contactId": [mine]})["tasks"]
    assert {task["contactId"] for task in found} == {mine}
    desk.refused(403, "task-search", {"locationId": desk.other.id}, body={})


def test_the_webhook_says_what_the_contact_is_now(desk: Desk) -> None:
    contact = create(desk, firstName="Ann", email="ann@example.com", tags=["vip"])
    (event, fields), *_ = desk.emitted
    assert event == fields["type"] == "ContactCreate"
    assert fields["locationId"] == desk.location.id
    assert (fields["id"], fields["email"], fields["tags"]) == (contact["id"], "ann@example.com", ["vip"])
    assert fields["dateAdded"] == iso(desk.location.contacts[contact["id"]].added_at)
