"""A vendor's contact listing that behaves: it filters, sorts, counts and pages by cursor, and may change in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.sync.resources import Single
from integrations.sync.resources.dates import iso, moment

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    items: list[Any]
    total: int | None
    next: dict[str, Any] | None
    asked_at: datetime | None = None


@dataclass
class Listing:
    """`page` is what `gateway.client.page` would be, and `record` what `sync.listing.record` would be.

    `before` is called with the number of each page's request (1, 2, …). `hidden` are ids that the listing lacks,
    although the records exist; `total_is` makes the count false. `asked` are the ids that were asked for one by one.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    before: Callable[[int], None] = lambda number: None
    total_is: Callable[[int], int | None] = lambda count: count
    hidden: set[str] = field(default_factory=set)
    requests: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def add(self, number: int, **fields: Any) -> str:
        at = iso(EPOCH + timedelta(minutes=number))
        row = {"id": f"c{number:05}", "firstName": f"Name {number}", "dateAdded": at, "dateUpdated": at, **fields}
        self.rows[row["id"]] = row
        return str(row["id"])

    def change(self, record_id: str, at: datetime, **fields: Any) -> None:
        self.rows[record_id] |= {"dateUpdated": iso(at), **fields}

    def page(self, operation: str, **arguments: Any) -> Page:
        self.requests.append({"operation": operation, **arguments})
        self.before(len(self.requests))
        body, cursor = arguments["body"], arguments["cursor"]
        shown = (row for row_id, row in self.rows.items() if row_id not in self.hidden)
        found = sorted(filter(_test(body), shown), key=_place)
        total = self.total_is(len(found))
        rest = [row for row in found if cursor is None or _place(row) > tuple(cursor["searchAfter"])]
        items = [{**row, "searchAfter": list(_place(row))} for row in rest[: body["pageLimit"]]]
        more = len(rest) > len(items)
        return Page(items, total, {"searchAfter": items[-1]["searchAfter"]} if more else None)

    def record(self, single: Single, record_id: str, **arguments: Any) -> dict[str, Any] | None:
        self.asked.append(record_id)
        return self.rows.get(record_id)


def of(count: int) -> Listing:
    listing = Listing()
    for number in range(count):
        listing.add(number)
    return listing


def _place(row: dict[str, Any]) -> tuple[str, str]:
    return row["dateAdded"], row["id"]


def _test(body: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
    tests = [_entry(entry) for entry in body.get("filters", [])]
    return lambda row: all(test(row) for test in tests)


def _entry(entry: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
    """A range of `dateUpdated`, or the equality of another field; on a list all values have to be there."""
    name, value = entry["field"], entry["value"]
    if entry["operator"] == "eq":
        return lambda row: set(value) <= set(row.get(name, ())) if isinstance(value, list) else row.get(name) == value
    assert (name, entry["operator"]) == ("dateUpdated", "range")
    since = moment(value["gte"])
    assert since is not None
    return lambda row: moment(row["dateUpdated"]) >= since
