"""Rows that a test gave the sandbox for operations which no code plays, listed and looked up as the vendor would.

`POST /sandbox/listings` gives the rows of one listing of one location or company. They replace what it had, so an edit,
an insert and a deletion are the same act. The listing comes before code that plays the operation. What it needs to know
is data:

    {"location": ID, "listing": "GET /products/{productId}/price", "rows": [{"_id": …}, …],
     "items": "prices", "total": "total",            where the answer has its rows, and their number
     "parent": {"productId": "product"},             the parameter and the row's field that have to be equal
     "between": ["createdAt", "startAt", "endAt"],   the row's date, and the parameters that bound it
     "next": "nextCursor", "more": "hasMore",        where the answer has the next page's cursor, and whether one is
     "at_most": 50, "only_one": false,               rows of a page, whatever is asked; an object instead of rows
     "record": "GET /products/{productId}/price/{priceId}", "name": "", "ids": ["_id"]}

`company` instead of `location` gives those of a company. Paging goes by the names of the parameters: a position
(`skip`, `offset`), a number (`page`), or the last row (`cursor`, `searchAfter`, `startAfter`, `startAfterDate`,
`last…Id`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import unquote

from integrations.sandbox import refusals
from integrations.sandbox.openapi import vendor_routes
from integrations.sandbox.protocol import ApiCall, Reply, Route

LEVELS = ("Location", "Company")
SIZES = ("limit", "pageSize", "pageLimit", "pageLength")
_LAST_ID = re.compile(r"cursor|startAfter|lastDoc|last\w*Id")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The rows of one listing of one location or company, and how to answer with them."""

    listing: str
    rows: list[Row]
    location: str = ""
    company: str = ""
    items: str = ""
    total: str = ""
    parent: Mapping[str, str] = field(default_factory=dict)
    between: tuple[str, str, str] | None = None
    next: str = ""
    more: str = ""
    first_page: int = 1
    at_most: int = 0
    only_one: bool = False
    record: str = ""
    name: str = ""
    ids: tuple[str, ...] = ("id", "_id")

    def id_of(self, row: Row) -> str:
        """The row's id."""
        return next((str(row[name]) for name in self.ids if row.get(name)), "")


class Listings:
    """All listings that were given, by tenant and operation."""

    def __init__(self) -> None:
        self._listings: dict[tuple[str, str], Listing] = {}
        self._records: dict[tuple[str, str], Listing] = {}

    def put(self, given: Mapping[str, Any]) -> Listing:
        """Keep a listing. Raises TypeError and ValueError for one that lacks something or has an unknown field."""
        one = Listing(**given)
        for route in filter(None, (one.listing, one.record)):
            method, _, path = route.partition(" ")
            if vendor_routes.route_of(method, path) is None:
                raise ValueError(f"the vendor has no operation {route}")
        self._listings[one.location or one.company, _shape(one.listing)] = one
        if one.record:
            self._records[one.location or one.company, _shape(one.record)] = one
        return one

    def route(self, method: str, raw_path: str, wanted: str, version: str) -> Route | None:
        """How to answer the operation with this path; None if no rows were given for it.

        The gate checks token, quota and location. A location's token gets the location's rows, and a company's the
        company's. Versions and scopes are as the caller says.
        """
        key = _shape(f"{method} {wanted}")
        if not any(key == known for _, known in (*self._listings, *self._records)):
            return None
        handler = partial(self._answer, key, _path(wanted, raw_path))
        return Route(method, wanted, key, handler, (), LEVELS, version)

    def _answer(self, key: str, path: Mapping[str, str], call: ApiCall) -> Reply:
        tenant_id = call.location.id if call.location else call.company_id
        if (listing := self._listings.get((tenant_id, key))) is not None:
            return Reply(listed(listing, {**call.query, **_body(call), **path}))
        record = self._records.get((tenant_id, key))
        wanted = {**call.query, **path}
        if record is not None:
            asked = {value for name, value in wanted.items() if name not in record.parent}
            row = next((row for row in record.rows if record.id_of(row) in asked), None)
            if row is not None:
                return Reply(_placed({}, record.name, dict(row)))
        raise refusals.not_found("Record", next(reversed([*path.values()]), ""))


def listed(listing: Listing, asked: Mapping[str, Any]) -> Any:
    """The answer to a request for a page of the listing. Raises ApiError where the one object is not there."""
    rows = [row for row in listing.rows if _fits(listing, row, asked)]
    size = next((int(asked[name]) for name in SIZES if name in asked), len(rows))
    size = min(size, listing.at_most) if listing.at_most else size
    rest = list(_rest(listing, rows, asked, size))
    page, more = rest[:size], len(rest) > size
    answer: dict[str, Any] = {}
    shown = [{**row, "searchAfter": [listing.id_of(row)]} if "searchAfter" in asked else row for row in page]
    if listing.only_one and not shown:
        raise refusals.not_found("Record", next(reversed([*map(str, asked.values())]), ""))
    if not listing.items:
        return shown[0] if listing.only_one else shown
    _placed(answer, listing.items, shown[0] if listing.only_one else shown)
    if listing.total:
        _placed(answer, listing.total, len(rows))
    if listing.next:
        _placed(answer, listing.next, listing.id_of(page[-1]) if more else None)
    if listing.more:
        _placed(answer, listing.more, more)
    return answer


def _rest(listing: Listing, rows: list[Row], asked: Mapping[str, Any], size: int) -> Iterator[Row]:
    """The rows from the page that was asked for on."""
    position = next((int(asked[name]) for name in ("skip", "offset") if name in asked), 0)
    after = next((value for name, value in asked.items() if _LAST_ID.fullmatch(name) and value), None)
    if isinstance(asked.get("searchAfter"), list) and asked["searchAfter"]:
        after = asked["searchAfter"][-1]
    elif "page" in asked and "searchAfter" not in asked:
        position = (int(asked["page"]) - listing.first_page) * size
    if asked.get("startAfterDate"):
        return iter([row for row in rows if int(row["lastMessageDate"]) > int(asked["startAfterDate"])])
    if after is not None:
        position = 1 + next((n for n, row in enumerate(rows) if listing.id_of(row) == after), len(rows))
    return iter(rows[position:])


def _fits(listing: Listing, row: Row, asked: Mapping[str, Any]) -> bool:
    if any(row.get(name) != asked.get(parameter) for parameter, name in listing.parent.items()):
        return False
    if listing.between is None:
        return True
    name, start, end = listing.between
    at = _moment(row[name])
    return not (
        (asked.get(start) and at < _moment(asked[start])) or (end and asked.get(end) and at >= _moment(asked[end]))
    )


def _moment(value: Any) -> datetime:
    text = str(value)
    if text.isdecimal():
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    if text.endswith("M"):
        return datetime.strptime(text, "%m-%d-%Y %I:%M %p").replace(tzinfo=UTC)
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _body(call: ApiCall) -> Mapping[str, Any]:
    return call.body if isinstance(call.body, dict) else {}


def _placed(answer: dict[str, Any], path: str, value: Any) -> Any:
    """The answer with the value at a dotted path; the value itself where the path is empty."""
    if not path:
        return value
    *parents, name = path.split(".")
    inner = answer
    for parent in parents:
        inner = inner.setdefault(parent, {})
    inner[name] = value
    return answer


def _path(template: str, raw_path: str) -> dict[str, str]:
    """The path's parameters by their names in the template."""
    pairs = zip(template.strip("/").split("/"), raw_path.strip("/").split("/"), strict=False)
    return {name[1:-1]: unquote(value) for name, value in pairs if name.startswith("{")}


def _shape(route: str) -> str:
    """A route without the names of its parameters, which the vendor's two dialects spell differently."""
    return re.sub(r"\{[^}]*\}", "{}", route).rstrip("/")
