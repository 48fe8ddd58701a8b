"""POST /opportunities/search: filters, sorts, and pages by `page` or `searchAfter`.

The OpenAPI file knows neither `filters` nor `sort`. Both are as the vendor's page on this search has them (the one that
the file links to): snake case, `limit` up to 500, a query of 75 characters, and for each field its own operators. The
file calls every field of the body required; deployed apps send what they need.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from operator import attrgetter
from typing import Any

from integrations.sandbox.data.records import Opportunity
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import invalid
from integrations.sandbox.resources.checks import body, limit, own
from integrations.sandbox.resources.filters import OPERATORS, Searchable, Test, compile_filters
from integrations.sandbox.resources.opportunities.search import READ, mentions, views
from integrations.sandbox.resources.ordering import Ordering, cursor, skip

LONGEST_QUERY = 75
ORDERING = Ordering(
    {
        "date_added": "added_at",
        "date_updated": "updated_at",
        "name": "name",
        "monetary_value": "value",
        "last_status_change_date": "status_changed_at",
        "last_stage_change_date": "stage_changed_at",
    },
    dates=frozenset({"added_at", "updated_at", "status_changed_at", "stage_changed_at"}),
    amounts=frozenset({"value"}),
)
_OWN = {
    "id": "id",
    "name": "name",
    "monetary_value": "value",
    "pipeline_id": "pipeline_id",
    "pipeline_stage_id": "stage_id",
    "status": "status",
    "lost_reason_id": "lost_reason_id",
    "source": "source",
    "assigned_to": "assigned_to",
    "followers": "followers",
    "contact_id": "contact_id",
    "date_added": "added_at",
    "date_updated": "updated_at",
    "last_status_change_date": "status_changed_at",
    "last_stage_change_date": "stage_changed_at",
}
_CONTACTS = {"contact_name": "name", "company_name": "company_name", "email": "email", "phone": "phone"}
_DATES = frozenset({"date_added", "date_updated", "last_status_change_date", "last_stage_change_date"})
_PRESENCE = frozenset({"exists", "not_exists"})
_EQUALITY = frozenset({"eq", "not_eq"})
_TEXTS = {"name", "followers", *_CONTACTS}
_OPERATORS = {
    **dict.fromkeys(_OWN, _EQUALITY | _PRESENCE),
    **dict.fromkeys(_TEXTS, frozenset(OPERATORS) - {"range"}),
    **dict.fromkeys(_DATES, _PRESENCE | {"range"}),
    "monetary_value": _EQUALITY | _PRESENCE | {"range"},
    "id": _EQUALITY,
}


def search(call: ApiCall) -> Reply:
    """Handle POST /opportunities/search."""
    given = body(
        call,
        {
            "locationId": "string",
            "query": "string",
            "limit": "number",
            "page": "number",
            "searchAfter": "array?",
            "filters": "array",
            "sort": "objects",
            "additionalDetails": "object",
        },
        required=("locationId",),
    )
    location = own(call, given["locationId"])
    size, sort, test = limit(given, maximum=500), ORDERING.sort(given), _test(location, given)
    after = ORDERING.after(given, sort)
    before = 0 if after else skip(given, size, "opportunities")
    rows = list(islice(filter(test, location.opportunities.in_order(sort, after=after)), before, before + size))
    answers = [
        {**view, "searchAfter": cursor(row, sort)} for view, row in zip(views(location, rows), rows, strict=True)
    ]
    total = sum(map(test, location.opportunities.values()))
    return Reply({"opportunities": answers, "total": total, "aggregations": {}, "traceId": call.world.ids.uuid()})


def _test(location: Location, given: dict[str, Any]) -> Test:
    tests = [compile_filters(_searchable(location), given["filters"])] if given.get("filters") else []
    if text := given.get("query"):
        if len(text) > LONGEST_QUERY:
            raise invalid(f"query must be shorter than or equal to {LONGEST_QUERY} characters")
        tests.append(mentions(location, text))
    return lambda row: all(test(row) for test in tests)


def _searchable(location: Location) -> Searchable:
    of_contact = {name: _reader(location, attribute) for name, attribute in _CONTACTS.items()}
    of_row = {name: attrgetter(attribute) for name, attribute in _OWN.items()}
    return Searchable({**of_row, **of_contact}, dates=_DATES, custom="custom_fields.", only=_OPERATORS)


def _reader(location: Location, attribute: str) -> Callable[[Opportunity], Any]:
    """Reader of an attribute of a row's contact; None for a deleted contact."""

    def read(row: Opportunity) -> Any:
        return getattr(location.contacts.get(row.contact_id), attribute, None)

    return read


ROUTES = (Route("POST", "/opportunities/search", "search-opportunities-advanced", search, READ),)
