"""What each resource asks for, and how rows, dates and webhooks are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.core.errors import PayloadAnomalous
from integrations.gateway import client
from integrations.gateway.client import Result
from integrations.sync import listing
from integrations.sync.resources import RESOURCES
from integrations.sync.resources.base import ENVELOPE
from integrations.sync.resources.dates import iso, moment

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def test_only_a_resource_that_can_look_back_does() -> None:
    for resource in RESOURCES.values():
        asks_for_all = resource.request("loc", NOON) == resource.request("loc", None)
        assert asks_for_all == (resource.since is None), resource.name


def test_contacts_come_in_the_order_of_creation_a_hundred_at_a_time() -> None:
    body = RESOURCES["contacts"].request("loc", NOON).body
    assert body == {
        "locationId": "loc",
        "pageLimit": 100,
        "sort": [{"field": "dateAdded", "direction": "asc"}],
        "filters": [{"field": "dateUpdated", "operator": "range", "value": {"gte": "2026-11-01T12:00:00.000Z"}}],
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-01T12:00:00.000Z", NOON),
        ("2026-11-01T14:00:00+02:00", NOON),
        ("2026-11-01T12:00:00", NOON),
        (" 2026-11-01T12:00:00Z ", NOON),
        (NOON.timestamp(), NOON),
        (int(NOON.timestamp()) * 1000, NOON),
        (str(int(NOON.timestamp()) * 1000), NOON),
        *[(value, None) for value in (None, "", "soon", 0, -1, 1e30, float("nan"), True, [], {}, "²", "9" * 40)],
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_moments_are_read_as_they_come(value: Any, expected: datetime | None) -> None:
    assert moment(value) == expected


def test_moments_are_written_as_the_vendor_does() -> None:
    at = NOON + timedelta(microseconds=704_999)
    assert iso(at) == "2026-11-01T12:00:00.704Z"
    assert moment(iso(at)) == NOON + timedelta(milliseconds=704)


def test_a_row_is_dated_by_the_first_date_it_has() -> None:
    contacts = RESOURCES["contacts"]
    assert contacts.version_at({"dateUpdated": "nonsense", "updatedAt": iso(NOON)}) == NOON
    assert contacts.version_at({"dateAdded": iso(NOON)}) is None


def test_an_older_objects_id_is_found() -> None:
    assert RESOURCES["calendars"].record_id({"_id": "x"}) == "x"


def test_paging_and_envelope_are_no_part_of_a_record() -> None:
    contacts = RESOURCES["contacts"]
    assert contacts.payload({"id": "a", "searchAfter": [1, "a"]}) == {"id": "a"}
    change = contacts.change("ContactCreate", {**dict.fromkeys(ENVELOPE, "x"), "id": "a"}, NOON, NOON)
    assert change is not None
    assert change.payload == {"id": "a"}


# --- lists that come whole --------------------------------------------------------------------------------------


def answering(monkeypatch: pytest.MonkeyPatch, json: Any) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []

    def call(operation: str, **arguments: Any) -> Result:
        asked.append(arguments)
        return Result(200, json, None, operation)

    monkeypatch.setattr(client, "call", call)
    return asked


def test_a_list_that_comes_whole_is_one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, {"users": [{"id": "a"}], "traceId": "t"})
    page = listing.page("users.get-user-by-location", whole="users", cursor=None, location="loc")
    assert (page.items, page.total, page.next) == ([{"id": "a"}], None, None)
    assert asked == [{"location": "loc"}]


@pytest.mark.parametrize("json", [None, {}, {"users": None}, {"users": {}}, []])
def test_a_missing_list_is_not_an_empty_one(monkeypatch: pytest.MonkeyPatch, json: Any) -> None:
    answering(monkeypatch, json)
    with pytest.raises(PayloadAnomalous):
        listing.page("users.get-user-by-location", whole="users", cursor=None)
