"""Operations of API 1.0 that list an account's data. Rows are those of API 2.0's older listings, with other names.

The key names the account, so no request does. Sources: public-api.gohighlevel.com, and captured answers of public
projects (FACTS section 16).
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

from integrations.sandbox.api1.gate import refusal
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.resources import paging
from integrations.sandbox.resources.calendars import calendars
from integrations.sandbox.resources.checks import here, limit, query
from integrations.sandbox.resources.contacts import views as contact_views
from integrations.sandbox.resources.locations import custom_fields, tags, users
from integrations.sandbox.resources.opportunities import pipelines
from integrations.sandbox.resources.opportunities.search import views as opportunity_views
from integrations.sandbox.resources.ordering import NEWEST_FIRST

PAGE = {"startAfterId": "string", "startAfter": "number", "limit": "number", "query": "string"}
BASE = "/v1"
# Listings of what the sandbox has no data of, with the name of the list in their answers.
MADE_UP = {"custom-values": "customValues"} | {name: name for name in ("campaigns", "workflows", "forms", "surveys")}


def list_contacts(call: ApiCall) -> Reply:
    """The newest contact first; `meta` has the cursor of the next page."""
    given, location = query(call, {**PAGE}), here(call)
    rows = location.contacts.in_order(NEWEST_FIRST, after=paging.cursor(given))
    page = paging.cut(iter(rows), size=limit(given))
    total = len(location.contacts)
    meta = paging.meta(call, f"{BASE}/contacts/", page, total=total, current=1, column="added_at")
    return Reply({"contacts": [_contact(contact_views.list_row(row)) for row in page.rows], "meta": meta})


def get_contact(call: ApiCall) -> Reply:
    """One contact."""
    contact = here(call).contacts.get(call.path["contactId"])
    if contact is None:
        raise refusal(404, "Contact not found")
    return Reply({"contact": _contact(contact_views.detail(contact))})


def list_pipelines(call: ApiCall) -> Reply:
    """All pipelines."""
    location = here(call)
    return Reply({"pipelines": [pipelines.view(row, location.id) for row in location.pipelines.values()]})


def list_opportunities(call: ApiCall) -> Reply:
    """The opportunities of one pipeline, newest first."""
    given, location, pipeline_id = query(call, {**PAGE}), here(call), call.path["pipelineId"]
    if pipeline_id not in location.pipelines:
        raise refusal(404, "Pipeline not found")
    found = location.opportunities.in_order((("added_at", True),), after=paging.cursor(given))
    page = paging.cut((row for row in found if row.pipeline_id == pipeline_id), size=limit(given))
    total = sum(row.pipeline_id == pipeline_id for row in location.opportunities.values())
    path = f"{BASE}/pipelines/{pipeline_id}/opportunities"
    meta = paging.meta(call, path, page, total=total, current=1, column="added_at")
    return Reply({"opportunities": opportunity_views(location, page.rows), "meta": meta})


def list_users(call: ApiCall) -> Reply:
    """All users of the location."""
    return Reply({"users": [users.view(user) for user in here(call).users.values()]})


def list_services(call: ApiCall) -> Reply:
    """All calendars of the location, which API 1.0 calls services."""
    return Reply({"services": [calendars.view(row) for row in here(call).calendars.values()]})


def list_custom_fields(call: ApiCall) -> Reply:
    """The custom fields of the location's contacts and opportunities."""
    return Reply({"customFields": [custom_fields.view(row) for row in here(call).custom_fields.values()]})


def list_tags(call: ApiCall) -> Reply:
    """The location's tags."""
    return Reply({"tags": [tags.view(row) for row in here(call).tags.values()]})


def list_made_up(name: str, call: ApiCall) -> Reply:
    """Two rows of a kind that the sandbox has no data of. Each location has its own, always the same."""
    location = here(call)
    return Reply({name: [_made_up(name, location.id, number) for number in (1, 2)]})


def _made_up(name: str, location_id: str, number: int) -> dict[str, Any]:
    digest = hashlib.sha256(f"{name} {location_id} {number}".encode()).hexdigest()
    return {"id": digest[:20], "name": f"{name} {number}", "locationId": location_id}


def list_locations(call: ApiCall) -> Reply:
    """The agency's locations."""
    rows = call.world.companies[call.company_id].locations.values()
    return Reply({"locations": [_location(row) for row in rows]})


def get_location(call: ApiCall) -> Reply:
    """One location, for its own key or its agency's."""
    found = call.world.locations.get(call.path["locationId"])
    mine = found is not None and found.company_id == call.company_id and call.location in (None, found)
    if found is None or not mine:
        raise refusal(404, "Location not found")
    return Reply(_location(found))


def _contact(fields: dict[str, Any]) -> dict[str, Any]:
    """API 1.0 calls the custom fields of a contact `customField`."""
    return {("customField" if name == "customFields" else name): value for name, value in fields.items()}


def _location(location: Location) -> dict[str, Any]:
    return {"id": location.id, "name": location.name, "email": location.email, "timezone": location.timezone}


BOTH = ("Location", "Company")
ROUTES = (
    Route("GET", "/contacts/", "api1-contacts", list_contacts, ()),
    Route("GET", "/contacts/{contactId}", "api1-contact", get_contact, ()),
    Route("GET", "/pipelines/", "api1-pipelines", list_pipelines, ()),
    Route("GET", "/pipelines/{pipelineId}/opportunities", "api1-opportunities", list_opportunities, ()),
    Route("GET", "/users/", "api1-users", list_users, ()),
    Route("GET", "/calendars/services", "api1-services", list_services, ()),
    Route("GET", "/custom-fields/", "api1-custom-fields", list_custom_fields, ()),
    Route("GET", "/tags/", "api1-tags", list_tags, ()),
    *(Route("GET", f"/{path}/", f"api1-{path}", partial(list_made_up, name), ()) for path, name in MADE_UP.items()),
    Route("GET", "/locations/", "api1-locations", list_locations, (), ("Company",)),
    Route("GET", "/locations/{locationId}", "api1-location", get_location, (), BOTH),
)
