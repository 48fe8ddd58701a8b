"""GET /opportunities/search, with `page` or `startAfter` and `startAfterId`.

The newest is first, unless `order` is given. The cursor in `meta` is the last row's creation time in milliseconds, and
its id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from integrations.sandbox.data.records import Opportunity
from integrations.sandbox.data.row_store import Sort
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import invalid
from integrations.sandbox.resources import paging
from integrations.sandbox.resources.checks import limit, own, query
from integrations.sandbox.resources.opportunities import views as opportunity_views
from integrations.sandbox.resources.opportunities.opportunities import STATUSES
from integrations.sandbox.timestamps import DAY, parse

Test = Callable[[Opportunity], bool]

ORDERS: dict[str, Sort] = {
    "added_desc": (("added_at", True),),
    "added_asc": (("added_at", False),),
    "updated_desc": (("updated_at", True),),
    "updated_asc": (("updated_at", False),),
}
EQUALS = {
    "pipeline_id": "pipeline_id",
    "pipeline_stage_id": "stage_id",
    "contact_id": "contact_id",
    "assigned_to": "assigned_to",
    "id": "id",
}
IN_V3 = {
    "locationId": "location_id",
    "pipelineId": "pipeline_id",
    "pipelineStageId": "pipeline_stage_id",
    "contactId": "contact_id",
    "assignedTo": "assigned_to",
}


def search(call: ApiCall) -> Reply:
    """GET /opportunities/search."""
    names = IN_V3 if call.is_v3 else {name: name for name in IN_V3.values()}
    where = next(iter(names))
    asked = query(
        call,
        {
            **dict.fromkeys((*names, "id", "q", "campaignId", "country", "date", "endDate", "startAfterId"), "string"),
            **dict.fromkeys(("getTasks", "getNotes", "getCalendarEvents"), "boolean"),
            **dict.fromkeys(("page", "limit", "startAfter"), "number"),
            "status": (*STATUSES, "all"),
            "order": tuple(ORDERS),
        },
        required=(where,),
    )
    location = own(call, asked[where])
    given = {names.get(name, name): value for name, value in asked.items()}
    current, sort = paging.number(given), ORDERS[given.get("order", "added_desc")]
    after, size = paging.cursor(given), limit(given)
    tests = _tests(location, given)
    rows = (row for row in location.opportunities.in_order(sort, after=after) if _all(tests, row))
    page = paging.cut(rows, size=size, skip=0 if after else (current - 1) * size)
    total = sum(_all(tests, row) for row in location.opportunities.values())
    meta = paging.meta(call, "/opportunities/search", page, total=total, current=current, column=sort[0][0])
    return Reply({"opportunities": views(location, page.rows), "meta": meta, "aggregations": {}})


def _tests(location: Location, given: dict[str, Any]) -> list[Test]:
    tests: list[Test] = [
        lambda row, name=EQUALS[name], value=value: getattr(row, name) == value  # type: ignore[misc]
        for name, value in given.items()
        if name in EQUALS
    ]
    if given.get("status", "all") != "all":
        tests.append(lambda row: row.status == given["status"])
    if "date" in given:
        start = _day(given["date"], "date")
        tests.append(lambda row: row.added_at >= start)
    if "endDate" in given:
        end = _day(given["endDate"], "endDate") + DAY
        tests.append(lambda row: row.added_at < end)
    if text := given.get("q"):
        tests.append(mentions(location, text))
    return tests


def _all(tests: Iterable[Test], row: Opportunity) -> bool:
    return all(test(row) for test in tests)


def _day(text: str, name: str) -> int:
    """Days are written mm-dd-yyyy here."""
    month, _, rest = text.partition("-")
    day, _, year = rest.partition("-")
    at = parse(f"{year}-{month}-{day}") if year else None
    if at is None:
        raise invalid(f"{name} must be a date, mm-dd-yyyy")
    return at


def mentions(location: Location, text: str) -> Test:
    """The full-text search: the name, or the contact's name, e-mail or phone contains `text`."""
    wanted = text.lower()

    def test(row: Opportunity) -> bool:
        contact = location.contacts.get(row.contact_id)
        parts = (row.name, contact.name, contact.email, contact.phone) if contact else (row.name,)
        return any(wanted in part.lower() for part in parts if part)

    return test


def views(location: Location, rows: list[Opportunity]) -> list[dict[str, Any]]:
    """Opportunities with their contacts, as the search returns them."""
    return [opportunity_views.detail(row, location.contacts.get(row.contact_id)) for row in rows]


READ = ("opportunities.readonly",)
ROUTES = (Route("GET", "/opportunities/search", "search-opportunity", search, READ),)
