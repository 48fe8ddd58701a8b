"""The vendor of any resource, in this process or over HTTP: its rows in the sandbox's store of listings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations.core import clock
from integrations.highlevel.catalogue import Operation, PreparedRequest, catalogue
from integrations.highlevel.http import api_errors
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.highlevel.http.transport import Response
from integrations.sandbox.data.world import Location, World
from integrations.sandbox.openapi import vendor_routes
from integrations.sandbox.openapi.listing_store import Listings
from integrations.sandbox.protocol import ApiCall, ApiError
from integrations.sync.resources import Resource
from integrations.sync.resources.dates import iso
from tests.plugin.vendor import Vendor

AT_MOST = 2  # rows of a page, so that each listing has several
# Where the answer has the cursor of the next page and whether there is one (FACTS 7).
CURSORS = {
    "conversations.export-messages-by-location": {"next": "nextCursor"},
    "knowledge-base.list": {"next": "lastFaqId", "more": "hasMore"},
    "knowledge-base.listAllKnowledgeBasesPaginated": {"next": "data.lastKnowledgeBaseId", "more": "data.hasMore"},
    "calendars.get-appointment-notes": {"more": "hasMore"},
    "forms.get-forms-submissions": {"more": "meta.nextPage"},
    "surveys.get-surveys-submissions": {"more": "meta.nextPage"},
    "agent-studio.getAgents": {"more": "pagination.hasMore"},
}
# Parameters that ask for what is dated since a day or moment.
FILTERS = {name: ("createdAt", name, "") for name in ("startAt", "startDate", "fromDate", "dateFrom", "start")}
Row = dict[str, Any]


@dataclass
class AnyVendor:
    """`perform` takes the place of the gateway's: it answers from the store, without HTTP, token or quota."""

    location_id: str
    listings: Listings = field(default_factory=Listings)
    asked: list[str] = field(default_factory=list)

    def perform(self, operation: Operation, _key: Any, request: PreparedRequest, **_: Any) -> Response:
        self.asked.append(operation.key)
        wanted = vendor_routes.route_of(request.method, request.path)
        assert wanted is not None, request.path
        route = self.listings.route(request.method, request.path, wanted, request.version)
        assert route is not None, f"nobody gave rows for {operation.key}"
        home = Location(
            id=self.location_id, company_id="", name="", address="", city="", state="", country="", timezone=""
        )
        call = ApiCall(World(), "", home, lambda *_: None, query=dict(request.query), body=request.json)
        status = 200
        try:
            body = route.handler(call).body
        except ApiError as error:
            status, body = error.status, error.body
        raw, now = json.dumps(body).encode(), clock.monotonic()
        response = Response(status, json.loads(raw), raw, "application/json", RateSnapshot(), None, None, now, now)
        api_errors.raise_for(response, operation=operation.key)
        return response

    def give(self, resource: Resource, rows: list[Row]) -> None:
        """Let these be all rows of the resource's listing."""
        self.listings.put(listing_of(resource, rows, self.location_id))


@dataclass
class SandboxVendor:
    """The sandbox over HTTP, which has the rows: its gate checks token, version and location."""

    location_id: str
    company_id: str
    sandbox: Vendor

    def tenant_id(self, resource: Resource) -> str:
        """The location or the company, whichever has such records."""
        return self.location_id if resource.kind == "location" else self.company_id

    def give(self, resource: Resource, rows: list[Row]) -> None:
        """Let these be all rows of the resource's listing."""
        self.sandbox.post("/sandbox/listings", listing_of(resource, rows, self.tenant_id(resource)))


def listing_of(resource: Resource, rows: list[Row], tenant_id: str) -> dict[str, Any]:
    """How the sandbox is to answer with these rows."""
    dialect = "v3" if resource.api == "v3" else "v2"
    style, operation = resource.style, catalogue(dialect).operation(resource.operation)
    items = resource.whole or (style.items[0] if style else "")
    single = resource.single
    record = catalogue(dialect).operation(single.operation) if single else None
    between = next(
        (FILTERS[name] for name in FILTERS if name in (resource.request("x", clock.now()).params or {})), None
    )
    if resource.windows is not None:
        between = (resource.windows.places, resource.windows.start, resource.windows.end)
    below = resource.below
    return {
        resource.kind: tenant_id,
        "listing": f"{operation.method} {operation.path}",
        "rows": rows,
        "items": "" if resource.whole == "*" else "data" if items == "*" else items,
        "total": style.total[0] if style and style.total else "",
        "parent": {below.parameter: below.named or below.parameter} if below else {},
        "between": between,
        "first_page": dict(style.start).get("page", 1) if style else 1,
        "at_most": AT_MOST if style else 0,
        "only_one": resource.only_one,
        "record": f"{record.method} {record.path}" if record else "",
        "name": single.name if single else "",
        "ids": resource.ids,
        **CURSORS.get(resource.operation, {}),
    }


def row(resource: Resource, number: int, at: datetime, **fields: Any) -> Row:
    """A row of the resource with an id, dates, and what its listing is placed by."""
    date = iso(at + timedelta(minutes=number))
    made: Row = {
        resource.ids[0]: f"{resource.name[:20]}{number:04}",
        "name": f"Name {number}",
        "createdAt": date,
        "updatedAt": date,
        "lastMessageDate": int((at + timedelta(minutes=number)).timestamp() * 1000),
        "key": f"custom_objects.thing{number}",
        "code": f"CODE{number}",
        "contactId": "contact0001",
    }
    if resource.windows is not None:
        made[resource.windows.places] = date
    return {**made, **fields}


def parents(resource: Resource) -> Iterator[Resource]:
    """The resources above this one, the outermost last."""
    while resource.below is not None:
        resource = resource.below.resource
        yield resource
