"""Locations, their tags and custom fields, users and the agency: what each level of token sees."""

from __future__ import annotations

import pytest

from integrations.sandbox.data.seed import seed
from tests.sandbox.desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_location_token_sees_its_own_location(desk: Desk) -> None:
    location = desk.get("get-location", {"locationId": desk.location.id})["location"]
    assert (location["name"], location["companyId"]) == (desk.location.name, desk.company.id)
    desk.refused(403, "get-location", {"locationId": desk.other.id})


def test_an_agency_token_sees_all_its_locations_and_no_others(desk: Desk) -> None:
    stranger = next(iter(seed(companies=1, locations=1, contacts=0, seed=99).companies.values()))
    desk.world.add(stranger)
    for location_id in desk.company.locations:
        assert desk.get("get-location", {"locationId": location_id}, agency=True)["location"]["id"] == location_id
    desk.refused(403, "get-location", {"locationId": next(iter(stranger.locations))}, agency=True)
    desk.refused(400, "get-location", {"locationId": "none"}, agency=True)
    desk.refused(403, "search-locations", query={"companyId": stranger.id}, agency=True)


def test_the_agencys_list_is_cut_and_turned(desk: Desk) -> None:
    names = sorted(location.name for location in desk.company.locations.values())
    ask = {"companyId": desk.company.id}
    found = [desk.get("search-locations", query=ask | {"skip": skip, "limit": "1"}, agency=True) for skip in "012"]
    assert [[row["name"] for row in answer["locations"]] for answer in found] == [[names[0]], [names[1]], []]
    turned = desk.get("search-locations", query=ask | {"order": "desc"}, agency=True)["locations"]
    assert [row["name"] for row in turned] == names[::-1]
    by_email = desk.get("search-locations", query=ask | {"email": desk.other.email}, agency=True)["locations"]
    assert [row["id"] for row in by_email] == [desk.other.id]
    assert [row["id"] for row in desk.get("search-locations")["locations"]] == [desk.location.id]


@pytest.mark.parametrize("query", [{"skip": "-1"}, {"limit": "0"}, {"order": "up"}, {"skip": "x"}])
def test_a_list_cannot_be_cut_anyhow(query: dict[str, str], desk: Desk) -> None:
    desk.refused(422, "search-locations", query=query, agency=True)


def test_the_company_is_the_tokens(desk: Desk) -> None:
    company = desk.get("get-company", {"companyId": desk.company.id}, agency=True)["company"]
    assert (company["name"], company["locationCount"]) == (desk.company.name, 2)
    desk.refused(403, "get-company", {"companyId": "another"}, agency=True)


def test_users_of_a_location(desk: Desk) -> None:
    users = desk.get("get-user-by-location", query={"locationId": desk.location.id})["users"]
    assert {user["id"] for user in users} == set(desk.location.users)
    assert all(desk.location.id in user["roles"]["locationIds"] for user in users)
    desk.refused(403, "get-user-by-location", query={"locationId": desk.other.id})


def test_a_location_token_does_not_see_other_locations_users(desk: Desk) -> None:
    theirs = {"userId": next(iter(desk.other.users))}
    desk.refused(400, "get-user", theirs)
    assert desk.get("get-user", theirs, agency=True)["id"] == theirs["userId"]


def test_the_user_search_narrows(desk: Desk) -> None:
    ask = {"companyId": desk.company.id, "limit": "100"}
    everybody = desk.get("search-users", query=ask, agency=True)
    assert everybody["count"] == len(desk.company.users) == 7
    here = desk.get("search-users", query=ask | {"locationId": desk.other.id}, agency=True)["users"]
    assert {user["id"] for user in here} == set(desk.other.users)
    one = everybody["users"][3]
    assert desk.get("search-users", query=ask | {"query": one["email"]}, agency=True)["users"] == [one]
    assert desk.get("search-users", query=ask | {"ids": one["id"]}, agency=True)["users"] == [one]
    owner = desk.get("search-users", query=ask | {"type": "agency"}, agency=True)["users"]
    assert [user["roles"]["type"] for user in owner] == ["agency"]
    desk.refused(403, "search-users", query={"companyId": "another"}, agency=True)
    desk.refused(422, "search-users", agency=True)


def test_a_tag_is_made_once(desk: Desk) -> None:
    path = {"locationId": desk.location.id}
    one = desk.get("create-tag", path, body={"name": " Fresh "})["tag"]
    two = desk.get("create-tag", path, body={"name": "fresh"})["tag"]
    assert one == two == {"id": one["id"], "name": "fresh", "locationId": desk.location.id}
    desk.refused(422, "create-tag", path, body={"name": " "})
    desk.refused(403, "create-tag", {"locationId": desk.other.id}, body={"name": "x"})


def test_renaming_and_deleting_a_tag_reaches_its_contacts(desk: Desk) -> None:
    tag = next(tag for tag in desk.location.tags.values() if tag.name == "vip")
    carriers = {row.id for row in desk.location.contacts.values() if "vip" in row.tags}
    path = {"locationId": desk.location.id, "tagId": tag.id}
    desk.get("update-tag", path, body={"name": "Premium"})
    assert carriers
    assert {row.id for row in desk.location.contacts.values() if "premium" in row.tags} == carriers
    desk.get("delete-tag", path)
    assert not any("premium" in row.tags or "vip" in row.tags for row in desk.location.contacts.values())
    desk.refused(400, "get-tag-by-id", path)


def test_custom_fields_are_listed_by_model(desk: Desk) -> None:
    path = {"locationId": desk.location.id}
    models = {
        model: {field["model"] for field in desk.get("get-custom-fields", path, query={"model": model})["customFields"]}
        for model in ("contact", "opportunity", "all")
    }
    assert models == {"contact": {"contact"}, "opportunity": {"opportunity"}, "all": {"contact", "opportunity"}}
    desk.refused(422, "get-custom-fields", path, query={"model": "task"})


def test_a_custom_field_is_made_found_by_key_changed_and_deleted_with_its_values(desk: Desk) -> None:
    path = {"locationId": desk.location.id}
    field = desk.get("create-custom-field", path, body={"name": "Pet name", "dataType": "TEXT"})["customField"]
    assert field["fieldKey"] == "contact.pet_name"
    desk.refused(422, "create-custom-field", path, body={"name": "Pet name", "dataType": "TEXT"})
    assert desk.get("get-custom-field", {**path, "id": "contact.pet_name"})["customField"] == field
    contact_id = next(iter(desk.location.contacts))
    values = {"customFields": [{"id": field["id"], "field_value": "Rex"}]}
    desk.get("update-contact", {"contactId": contact_id}, body=values)
    one = {**path, "id": field["id"]}
    assert desk.get("update-custom-field", one, body={"name": "Dog"})["customField"]["name"] == "Dog"
    desk.get("delete-custom-field", one)
    assert field["id"] not in dict(desk.location.contacts[contact_id].custom_fields)
    desk.refused(400, "get-custom-field", one)
