"""Listing contacts: both ways of paging, at depth and while the data moves; filters; sorts; the deprecated list."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from integrations.sandbox.data.records import Contact
from integrations.sandbox.timestamps import iso
from tests.sandbox.desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk(contacts=150)


def search(desk: Desk, **more: Any) -> Any:
    body = {"locationId": desk.location.id, "pageLimit": 20, **more}
    return desk.get("search-contacts-advanced", body=body)


def ids(answer: Any) -> list[str]:
    return [row["id"] for row in answer["contacts"]]


def listed(desk: Desk, between: Callable[[int], None] = lambda page: None, **more: Any) -> list[str]:
    """All ids, page by page, the way an app reads them; `between` happens after each page."""
    found: list[str] = []
    cursor: dict[str, Any] = {}
    for page in range(500):
        answer = search(desk, **more, **cursor)
        if not answer["contacts"]:
            return found
        found += ids(answer)
        cursor = {"searchAfter": answer["contacts"][-1]["searchAfter"]}
        between(page)
    pytest.fail("the pages never end")


def newest_first(desk: Desk) -> list[str]:
    rows = sorted(desk.location.contacts.values(), key=lambda row: (-row.added_at, row.id))
    return [row.id for row in rows]


def test_the_first_page_has_the_newest_and_the_total(desk: Desk) -> None:
    answer = search(desk)
    assert ids(answer) == newest_first(desk)[:20]
    assert answer["total"] == 150


def test_a_row_carries_the_cursor_behind_it(desk: Desk) -> None:
    row = search(desk)["contacts"][0]
    contact = desk.location.contacts[row["id"]]
    assert row["searchAfter"] == [contact.added_at, contact.id]
    assert row["dateAdded"] == iso(contact.added_at)


def test_a_row_shows_the_contacts_opportunities(desk: Desk) -> None:
    deal = next(iter(desk.location.opportunities.values()))
    filters = [{"field": "id", "operator": "eq", "value": deal.contact_id}]
    (row,) = search(desk, filters=filters)["contacts"]
    assert deal.id in [shown["id"] for shown in row["opportunities"]]


def test_cursors_lead_through_all_contacts(desk: Desk) -> None:
    assert listed(desk) == newest_first(desk)


def test_pages_lead_through_all_contacts(desk: Desk) -> None:
    pages = [ids(search(desk, page=page)) for page in range(1, 10)]
    assert [row for page in pages for row in page] == newest_first(desk)
    assert [len(page) for page in pages] == [20] * 7 + [10, 0]


def test_pages_end_where_cursors_have_to_be_used(desk: Desk) -> None:
    error = desk.refused(
        400, "search-contacts-advanced", body={"locationId": desk.location.id, "pageLimit": 500, "page": 21}
    )
    assert "searchAfter" in error["message"]


def test_rows_deleted_and_added_between_pages_repeat_and_hide_nothing(desk: Desk) -> None:
    before = newest_first(desk)
    gone: list[str] = []

    def disturb(page: int) -> None:
        desk.get("create-contact", body={"locationId": desk.location.id, "firstName": f"New {page}"})
        read, ahead = before[page * 20], before[-1 - page]
        for contact_id in (read, ahead):
            if contact_id in desk.location.contacts:
                desk.get("delete-contact", {"contactId": contact_id})
                gone.append(contact_id)

    found = listed(desk, disturb)
    assert len(set(found)) == len(found)
    assert set(before) - set(gone) <= set(found)


def test_updates_between_pages_send_a_row_ahead_without_an_endless_loop(desk: Desk) -> None:
    # Reading by dateUpdated upwards, a touched row moves to the end and is read once more: with one touch after each
    # page the listing must still come to its end.
    def touch(page: int) -> None:
        if page < 30:
            desk.get("update-contact", {"contactId": newest_first(desk)[page]}, body={"city": f"Town {page}"})

    found = listed(desk, touch, sort=[{"field": "dateUpdated", "direction": "asc"}])
    assert set(found) == set(desk.location.contacts)


@pytest.mark.slow
def test_ten_thousand_contacts_are_paged_in_moments() -> None:
    desk = Desk(contacts=10_000)
    started = time.process_time()
    found = listed(desk, pageLimit=100)
    assert len(set(found)) == 10_000
    assert time.process_time() - started < 10  # 0.2 s on an idle machine, minutes if a page read all
    started = time.process_time()
    for _ in range(200):
        search(desk, searchAfter=[0, ""], pageLimit=1)
    assert time.process_time() - started < 10


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("dateUpdated", lambda row: row.updated_at),
        ("email", lambda row: row.email or ""),
        ("companyName", lambda row: row.company_name or ""),
        ("firstNameLowerCase", lambda row: (row.first_name or "").lower()),
    ],
)
def test_contacts_are_sorted_and_paged_by_a_field(
    field: str, key: Callable[[Contact], Any], direction: str, desk: Desk
) -> None:
    found = listed(desk, sort=[{"field": field, "direction": direction}])
    values = [key(desk.location.contacts[row]) for row in found]
    assert values == sorted(values, reverse=direction == "desc")
    assert sorted(found) == sorted(desk.location.contacts)


def field_id(desk: Desk, name: str) -> str:
    return next(field.id for field in desk.location.custom_fields.values() if field.name == name)


def matching(desk: Desk, test: Callable[[Contact], bool]) -> set[str]:
    return {row.id for row in desk.location.contacts.values() if test(row)}


@pytest.mark.parametrize(
    ("filters", "test"),
    [
        ([("city", "eq", "AUSTIN")], lambda row: row.city == "Austin"),
        ([("city", "not_eq", "Austin")], lambda row: row.city != "Austin"),
        ([("city", "eq", ["Austin", "Denver"])], lambda row: row.city in ("Austin", "Denver")),
        ([("email", "contains", "EXAMPLE.org")], lambda row: "example.org" in row.email),
        ([("email", "not_contains", "example.org")], lambda row: "example.org" not in row.email),
        ([("phone", "exists", None)], lambda row: row.phone is not None),
        ([("phone", "not_exists", None)], lambda row: row.phone is None),
        ([("tags", "eq", ["vip"])], lambda row: "vip" in row.tags),
        ([("tags", "contains", ["vip", "trial"])], lambda row: {"vip", "trial"} & set(row.tags)),
        ([("tags", "eq", ["vip", "trial"])], lambda row: {"vip", "trial"} <= set(row.tags)),
        ([("dnd", "eq", True)], lambda row: row.dnd),
        (
            [("type", "eq", "customer"), ("country", "eq", "US")],
            lambda row: row.type == "customer" and row.country == "US",
        ),
        ([("dateAdded", "range", {"gte": "2026-01-01"})], lambda row: iso(row.added_at) >= "2026"),
        ([("dateUpdated", "range", {"gt": 1_767_225_600_000})], lambda row: iso(row.updated_at) > "2026"),
        (
            [("dateAdded", "range", {"gte": "2025-06-01T00:00:00Z", "lt": "2026-01-01T00:00:00Z"})],
            lambda row: "2025-06" <= iso(row.added_at) < "2026",
        ),
    ],
)
def test_filters_choose(filters: list[tuple[str, str, Any]], test: Callable[[Contact], bool], desk: Desk) -> None:
    sent = [{"field": field, "operator": how, "value": value} for field, how, value in filters]
    answer = search(desk, filters=sent, pageLimit=500)
    assert set(ids(answer)) == matching(desk, test)
    assert answer["total"] == len(answer["contacts"])


def test_every_filter_above_really_divides(desk: Desk) -> None:
    assert 0 < len(matching(desk, lambda row: row.dnd)) < 150
    assert 0 < len(matching(desk, lambda row: {"vip", "trial"} <= set(row.tags))) < 150


def test_groups_of_filters(desk: Desk) -> None:
    city = [{"field": "city", "operator": "eq", "value": name} for name in ("Austin", "Denver")]
    filters = [{"group": "OR", "filters": city}, {"field": "phone", "operator": "exists"}]
    found = set(ids(search(desk, filters=filters, pageLimit=500)))
    assert found == matching(desk, lambda row: row.city in ("Austin", "Denver") and row.phone is not None)


def test_filters_by_a_custom_field(desk: Desk) -> None:
    budget = field_id(desk, "Budget")
    filters = [{"field": f"customFields.{budget}", "operator": "range", "value": {"gte": 5000}}]
    found = set(ids(search(desk, filters=filters, pageLimit=500)))
    assert found == matching(desk, lambda row: dict(row.custom_fields).get(budget, 0) >= 5000)
    assert found


def test_filtered_cursors_lead_through_the_matches_only(desk: Desk) -> None:
    filters = [{"field": "country", "operator": "eq", "value": "US"}]
    found = listed(desk, filters=filters, pageLimit=7)
    assert len(found) == len(set(found))
    assert set(found) == matching(desk, lambda row: row.country == "US")


def test_the_query_looks_into_name_email_phone_and_company(desk: Desk) -> None:
    contact = next(row for row in desk.location.contacts.values() if row.phone)
    assert contact.phone is not None
    assert ids(search(desk, query=contact.phone[2:])) == [contact.id]
    assert contact.id in ids(search(desk, query=contact.name.upper(), pageLimit=500))


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"pageLimit": 501}, 422),
        ({"pageLimit": 0}, 422),
        ({"pageLimit": "20"}, 422),
        ({"page": 0}, 422),
        ({"startAfter": 3}, 422),
        ({"filters": [{"field": "shoeSize", "operator": "eq", "value": 4}]}, 422),
        ({"filters": [{"field": "city", "operator": "like", "value": "A"}]}, 422),
        ({"filters": [{"field": "dateAdded", "operator": "range", "value": {"gte": "soon"}}]}, 422),
        ({"filters": [{"field": "dateAdded", "operator": "range", "value": {"from": 3}}]}, 422),
        ({"filters": [{"group": "XOR", "filters": []}]}, 422),
        ({"filters": ["city"]}, 422),
        ({"sort": [{"field": "shoeSize", "direction": "asc"}]}, 422),
        ({"sort": [{"field": "email", "direction": "up"}]}, 422),
        ({"searchAfter": [1]}, 400),
        ({"searchAfter": ["soon", "x"]}, 400),
        ({"searchAfter": [1, 2]}, 400),
        ({"searchAfter": [1, "x"], "sort": [{"field": "email", "direction": "asc"}]}, 400),
    ],
)
def test_what_cannot_be_searched_is_refused(more: dict[str, Any], status: int, desk: Desk) -> None:
    body = {"locationId": desk.location.id, "pageLimit": 20, **more}
    error = desk.refused(status, "search-contacts-advanced", body=body)
    assert error["message"]


def test_another_location_is_out_of_reach(desk: Desk) -> None:
    error = desk.refused(403, "search-contacts-advanced", body={"locationId": desk.other.id, "pageLimit": 1})
    assert error == {"statusCode": 403, "message": "The token does not have access to this location."}


def test_the_deprecated_list_leads_through_all_contacts(desk: Desk) -> None:
    found: list[str] = []
    query = {"locationId": desk.location.id, "limit": "40"}
    for _ in range(10):
        answer = desk.get("get-contacts", query=query)
        found += ids(answer)
        meta = answer["meta"]
        if meta["nextPage"] is None:
            break
        query |= {"startAfter": str(meta["startAfter"]), "startAfterId": meta["startAfterId"]}
    assert found == newest_first(desk)
    assert answer["count"] == meta["total"] == 150


def test_the_deprecated_list_takes_at_most_a_hundred(desk: Desk) -> None:
    assert len(ids(desk.get("get-contacts", query={"locationId": desk.location.id}))) == 20
    desk.refused(422, "get-contacts", query={"locationId": desk.location.id, "limit": "101"})
    desk.refused(422, "get-contacts", query={"locationId": desk.location.id, "limit": "many"})
    desk.refused(422, "get-contacts", query={"locationId": desk.location.id, "startAfterId": "x"})
