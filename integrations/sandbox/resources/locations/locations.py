"""Locations: one by id, for its own token or its agency's, and the agency's list."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import bad_request, invalid, other_location
from integrations.sandbox.resources.checks import limit, query

BOTH = ("Location", "Company")
SETTINGS = {
    "allowDuplicateContact": False,
    "allowDuplicateOpportunity": False,
    "allowFacebookNameMerge": False,
    "disableContactTimezone": False,
}


def get(call: ApiCall) -> Reply:
    """Return one location."""
    location = reachable(call, call.path["locationId"])
    fields = {**_view(location), "companyId": location.company_id, "business": _business(location)}
    return Reply({"location": fields})


def reachable(call: ApiCall, location_id: str) -> Location:
    """The location, if the token may see it. Raises ApiError 403, or 400 if a company token asks for no location."""
    if call.location is not None:
        if location_id != call.location.id:
            raise other_location()
        return call.location
    location = call.world.locations.get(location_id)
    if location is None:
        raise bad_request(f"Location with id {location_id} not found")
    if location.company_id != call.company_id:
        raise other_location()
    return location


def search(call: ApiCall) -> Reply:
    """List the agency's locations."""
    rules = dict.fromkeys(("companyId", "email"), "string") | dict.fromkeys(("skip", "limit"), "number")
    given = query(call, {**rules, "order": ("asc", "desc")})
    if given.get("companyId", call.company_id) != call.company_id:
        raise other_location()
    own = [call.location] if call.location else call.world.companies[call.company_id].locations.values()
    rows = sorted(
        (location for location in own if given.get("email", location.email) == location.email),
        key=lambda location: (location.name, location.id),
        reverse=given.get("order") == "desc",
    )
    skip = int(given.get("skip", 0))
    if skip < 0:
        raise invalid("skip must not be less than 0")
    size = limit(given, default=10, maximum=1000)
    return Reply({"locations": [_view(location) for location in rows[skip : skip + size]]})


def _view(location: Location) -> dict[str, Any]:
    return {
        "id": location.id,
        "email": location.email,
        "phone": location.phone,
        **_business(location),
        "settings": SETTINGS,
        "social": {},
    }


def _business(location: Location) -> dict[str, Any]:
    return {
        "name": location.name,
        "address": location.address,
        "city": location.city,
        "state": location.state,
        "country": location.country,
        "postalCode": location.postal_code,
        "website": location.website,
        "timezone": location.timezone,
    }


READ = ("locations.readonly",)
ROUTES = (
    Route("GET", "/locations/search", "search-locations", search, READ, BOTH),
    Route("GET", "/locations/{locationId}", "get-location", get, READ, BOTH),
)
