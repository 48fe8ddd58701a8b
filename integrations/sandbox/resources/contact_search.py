"""POST /contacts/search, the way to list contacts, and the deprecated GET /contacts/.

The OpenAPI file leaves the search's body and answer empty. What is done here is what deployed apps send and receive:
`pageLimit` (to 500) with either `page` (only within the first 10,000 rows) or `searchAfter` (any depth); each row
carries its own `searchAfter`, `[sort value, id]`; without a sort the newest contact comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from integrations.sandbox.protocol import Call, Reply, Route
from integrations.sandbox.records import Contact
from integrations.sandbox.resources import contact_views, paging
from integrations.sandbox.resources.checks import bad_request, body, invalid, limit, own, query
from integrations.sandbox.resources.filters import Test, compile_filters
from integrations.sandbox.shelf import Shelf, Sort
from integrations.sandbox.timestamps import parse

NEWEST_FIRST: Sort = (("added_at", True),)
SORTABLE = {
    "dateAdded": "added_at",
    "dateUpdated": "updated_at",
    "firstNameLowerCase": "first_name_lower",
    "lastNameLowerCase": "last_name_lower",
    "contactName": "full_name_lower",
    "businessName": "company_name",
    "companyName": "company_name",
    "email": "email_lower",
    "source": "source",
    "type": "type",
    "city": "city",
    "state": "state",
    "country": "country",
}
NUMBERS = {"added_at", "updated_at"}
DEEPEST_PAGE = 10_000


def search(call: Call) -> Reply:
    given = body(
        call,
        {
            "locationId": "string",
            "pageLimit": "number",
            "page": "number",
            "searchAfter": "array?",
            "filters": "array",
            "sort": "objects",
            "query": "string",
        },
        required=("locationId", "pageLimit"),
    )
    location = own(call, given["locationId"])
    test = _test(given)
    total, rows = _page(location.contacts, given, test)
    sort = _sort(given)
    answers = [
        contact_views.row(row, location.opportunities.where("contact_id", row.id), _cursor(row, sort)) for row in rows
    ]
    return Reply({"contacts": answers, "total": total, "traceId": call.world.ids.uuid()})


def _test(given: dict[str, Any]) -> Test | None:
    tests = [compile_filters(given["filters"])] if given.get("filters") else []
    if given.get("query"):
        tests.append(matches(given["query"]))
    return (lambda row: all(test(row) for test in tests)) if tests else None


def matches(text: str) -> Test:
    """The full-text search: name, e-mail, phone or company contains `text`."""
    wanted = text.lower()
    return lambda row: any(
        wanted in part.lower() for part in (row.name, row.email, row.phone, row.company_name) if part
    )


def _page(shelf: Shelf[Contact], given: dict[str, Any], test: Test | None) -> tuple[int, Iterator[Contact]]:
    size = limit(given, maximum=500, name="pageLimit")
    sort = _sort(given)
    after = _after(given, sort)
    skip = 0 if after is not None else _skip(given, size)
    if test is None:
        return len(shelf), islice(shelf.walk(sort, after=after, skip=skip), size)
    total = sum(map(test, shelf.values()))
    return total, islice(filter(test, shelf.walk(sort, after=after)), skip, skip + size)


def _skip(given: dict[str, Any], size: int) -> int:
    page = paging.number(given)
    if page * size > DEEPEST_PAGE:
        raise bad_request(f"Pages end at {DEEPEST_PAGE} contacts, use searchAfter to go further")
    return (page - 1) * size


def _sort(given: dict[str, Any]) -> Sort:
    entries = given.get("sort") or []
    for entry in entries:
        if str(entry.get("field")) not in SORTABLE:
            raise invalid(f"sort.field must be one of the following values: {', '.join(SORTABLE)}")
        if entry.get("direction", "asc") not in ("asc", "desc"):
            raise invalid("sort.direction must be one of the following values: asc, desc")
    return tuple((SORTABLE[entry["field"]], entry.get("direction") == "desc") for entry in entries) or NEWEST_FIRST


def _after(given: dict[str, Any], sort: Sort) -> list[Any] | None:
    after = given.get("searchAfter")
    if not after:
        return None
    if len(after) != len(sort) + 1:
        raise bad_request(f"searchAfter must have {len(sort) + 1} values, as the rows of this search have")
    *values, row_id = after
    read = [parse(value) if name in NUMBERS else value for value, (name, _) in zip(values, sort, strict=True)]
    fits = [
        value is not None if name in NUMBERS else value is None or isinstance(value, str)
        for value, (name, _) in zip(read, sort, strict=True)
    ]
    if not all(fits) or not isinstance(row_id, str):
        raise bad_request("searchAfter must be copied from a row of this search")
    return [*read, row_id]


def _cursor(row: Contact, sort: Sort) -> list[Any]:
    return [*(getattr(row, name) for name, _ in sort), row.id]


def list_contacts(call: Call) -> Reply:
    """Deprecated; the cursor is the last row's dateAdded in milliseconds and its id, in two parameters."""
    given = query(
        call,
        {
            "locationId": "string",
            "startAfterId": "string",
            "startAfter": "number",
            "query": "string",
            "limit": "number",
        },
        required=("locationId",),
    )
    location = own(call, given["locationId"])
    test = matches(given["query"]) if given.get("query") else lambda row: True
    rows = filter(test, location.contacts.walk(NEWEST_FIRST, after=paging.cursor(given)))
    page = paging.cut(rows, size=limit(given))
    total = sum(map(test, location.contacts.values()))
    meta = paging.meta(call, "/contacts/", page, total=total, current=1, column="added_at")
    return Reply({"contacts": [contact_views.list_row(row) for row in page.rows], "count": total, "meta": meta})


ROUTES = (
    Route("POST", "/contacts/search", "search-contacts-advanced", search, ("contacts.readonly",)),
    Route("GET", "/contacts/", "get-contacts", list_contacts, ("contacts.readonly",)),
)
