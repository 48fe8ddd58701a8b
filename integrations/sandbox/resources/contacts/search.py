"""POST /contacts/search, the way to list contacts, and the deprecated GET /contacts/.

The OpenAPI file leaves the search's body and answer empty. What is done here is what deployed apps send and receive:
`pageLimit` (to 500) with either `page` (only within the first 10,000 rows) or `searchAfter` (any depth); each row
has its own `searchAfter`, `[sort value, id]`; without a sort the newest contact comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from typing import Any

from integrations.sandbox.data.records import Contact
from integrations.sandbox.data.row_store import RowStore
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.resources import paging
from integrations.sandbox.resources.checks import body, limit, own, query
from integrations.sandbox.resources.contacts import views as contact_views
from integrations.sandbox.resources.filters import Searchable, Test, compile_filters
from integrations.sandbox.resources.ordering import NEWEST_FIRST, Ordering, cursor, skip

ORDERING = Ordering(
    {
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
    },
    dates=frozenset({"added_at", "updated_at"}),
)
_READ = {
    "id": "id",
    "address": "address1",
    "assignedTo": "assigned_to",
    "city": "city",
    "companyName": "company_name",
    "contactName": "name",
    "country": "country",
    "dateAdded": "added_at",
    "dateUpdated": "updated_at",
    "dateOfBirth": "date_of_birth",
    "dnd": "dnd",
    "email": "email",
    "firstName": "first_name",
    "firstNameLowerCase": "first_name_lower",
    "lastName": "last_name",
    "lastNameLowerCase": "last_name_lower",
    "fullNameLowerCase": "full_name_lower",
    "followers": "followers",
    "phone": "phone",
    "postalCode": "postal_code",
    "source": "source",
    "state": "state",
    "tags": "tags",
    "timezone": "timezone",
    "type": "type",
    "website": "website",
}
SEARCHABLE = Searchable(
    {name: attrgetter(attribute) for name, attribute in _READ.items()},
    dates=frozenset({"dateAdded", "dateUpdated"}),
    custom="customFields.",
)


def search(call: ApiCall) -> Reply:
    """Handle POST /contacts/search."""
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
    sort = ORDERING.sort(given)
    answers = [
        contact_views.row(row, location.opportunities.where("contact_id", row.id), cursor(row, sort)) for row in rows
    ]
    return Reply({"contacts": answers, "total": total, "traceId": call.world.ids.uuid()})


def _test(given: dict[str, Any]) -> Test | None:
    tests = [compile_filters(SEARCHABLE, given["filters"])] if given.get("filters") else []
    if given.get("query"):
        tests.append(matches(given["query"]))
    return (lambda row: all(test(row) for test in tests)) if tests else None


def matches(text: str) -> Test:
    """The full-text search: name, e-mail, phone or company contains `text`."""
    wanted = text.lower()
    return lambda row: any(
        wanted in part.lower() for part in (row.name, row.email, row.phone, row.company_name) if part
    )


def _page(contacts: RowStore[Contact], given: dict[str, Any], test: Test | None) -> tuple[int, Iterator[Contact]]:
    size = limit(given, maximum=500, name="pageLimit")
    sort = ORDERING.sort(given)
    after = ORDERING.after(given, sort)
    before = 0 if after is not None else skip(given, size, "contacts")
    if test is None:
        return len(contacts), islice(contacts.in_order(sort, after=after, skip=before), size)
    total = sum(map(test, contacts.values()))
    return total, islice(filter(test, contacts.in_order(sort, after=after)), before, before + size)


def list_contacts(call: ApiCall) -> Reply:
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
    rows = filter(test, location.contacts.in_order(NEWEST_FIRST, after=paging.cursor(given)))
    page = paging.cut(rows, size=limit(given))
    total = sum(map(test, location.contacts.values()))
    meta = paging.meta(call, "/contacts/", page, total=total, current=1, column="added_at")
    return Reply({"contacts": [contact_views.list_row(row) for row in page.rows], "count": total, "meta": meta})


ROUTES = (
    Route("POST", "/contacts/search", "search-contacts-advanced", search, ("contacts.readonly",)),
    Route("GET", "/contacts/", "get-contacts", list_contacts, ("contacts.readonly",)),
)
