"""Control API of the sandbox under `/sandbox/`: makes the sandbox do what a user or HighLevel would do.

All bodies are JSON. `GET /sandbox/state`, `requests` and `deliveries` read. The pages are in `sandbox.pages`.

- `GET|POST|DELETE /sandbox/faults`: rules as faults.py describes them; POST takes one or a list;
- `POST /sandbox/clock` `{"advance_seconds": 3600}`: token expiry, refresh grace and quota windows follow;
- `POST /sandbox/app` `{"webhook_url": …, "redirect_uris": […]}`: the app's settings in the developer portal;
- `POST /sandbox/locations` `{"company": ID?, "name": …?, "contacts": 10?}`: a new location;
- `POST /sandbox/locations/{id}/transfer` `{"company": ID}`: to another agency, without any event;
- `POST /sandbox/locations/{id}/pause|resume|uninstall`, `POST /sandbox/companies/{id}/uninstall`;
- `POST /sandbox/changes` `{"location": ID, "kind": "create|update|delete", "resource": "contacts", "count": 10}`;
- `POST /sandbox/listings`: the rows of a listing that no code plays, as `openapi/listing_store.py` describes them;
- `POST /sandbox/tokens` `{"kind": "private|key", "account": ID, "scopes": […]?}`: a token as the settings of a company
  or location make it; `DELETE /sandbox/tokens` `{"token": …}` ends it;
- `POST /sandbox/deliveries/{webhookId}/resend`;
- `GET|POST /sandbox/modules`: calls of workflow actions, triggers and other modules, see `module_controls`.
"""

from __future__ import annotations

from typing import Any, get_args

from aiohttp import web

from integrations.sandbox.context import PLATFORM, Platform
from integrations.sandbox.controls import module_controls, state_report
from integrations.sandbox.controls.request_parts import json_of, object_of, refusal
from integrations.sandbox.data import new_location
from integrations.sandbox.data.world import Company, Location
from integrations.sandbox.endpoints import lifecycle
from integrations.sandbox.oauth.account_tokens import TokenKind
from integrations.sandbox.resources import random_changes


async def state(request: web.Request) -> web.Response:
    """Return counters and tenants."""
    return web.json_response(state_report.state(request.app[PLATFORM]))


async def requests(request: web.Request) -> web.Response:
    """List the last requests for operations."""
    return web.json_response({"requests": request.app[PLATFORM].asked.listed()})


async def deliveries(request: web.Request) -> web.Response:
    """List webhook deliveries with their attempts."""
    log = request.app[PLATFORM].deliveries.log
    return web.json_response({"deliveries": [delivery.summary() for delivery in log]})


async def resend(request: web.Request) -> web.Response:
    """Send a delivery again."""
    webhook_id = request.match_info["webhook_id"]
    if not request.app[PLATFORM].deliveries.resend(webhook_id):
        raise refusal(f"no delivery {webhook_id} in the log", 404)
    return web.json_response({"success": True})


async def list_faults(request: web.Request) -> web.Response:
    """List fault rules."""
    return web.json_response({"faults": request.app[PLATFORM].faults.listed()})


async def add_faults(request: web.Request) -> web.Response:
    """Add fault rules."""
    faults = request.app[PLATFORM].faults
    given = await json_of(request)
    try:
        added = [faults.add(spec).id for spec in (given if isinstance(given, list) else [given])]
    except (ValueError, TypeError, AttributeError) as error:
        raise refusal(str(error)) from None
    return web.json_response({"ids": added}, status=201)


async def clear_faults(request: web.Request) -> web.Response:
    """Remove all fault rules."""
    request.app[PLATFORM].faults.clear()
    return web.json_response({"faults": []})


async def advance(request: web.Request) -> web.Response:
    """Move the sandbox's clock forward."""
    clock = request.app[PLATFORM].clock
    seconds = (await object_of(request)).get("advance_seconds")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
        raise refusal("advance_seconds must be a number of at least 0")
    clock.advance(seconds)
    return web.json_response({"now": clock.iso()})


async def configure(request: web.Request) -> web.Response:
    """Change the app's settings while the sandbox runs."""
    app = request.app[PLATFORM].app
    given = await object_of(request)
    if isinstance(given.get("webhook_url"), str):
        app.webhook_url = given["webhook_url"]
    if isinstance(given.get("redirect_uris"), list):
        app.redirect_uris = tuple(str(uri) for uri in given["redirect_uris"])
    return web.json_response({"webhook_url": app.webhook_url, "redirect_uris": list(app.redirect_uris)})


async def create_location(request: web.Request) -> web.Response:
    """Create a location in a company."""
    platform = request.app[PLATFORM]
    given = await object_of(request)
    company = _company(platform, str(given.get("company") or next(iter(platform.world.companies), "")))
    contacts = given.get("contacts", 0)
    if not isinstance(contacts, int) or contacts < 0:
        raise refusal("contacts must be a whole number")
    location = new_location.location(platform.world, company, str(given.get("name") or "New location"), contacts)
    installed = lifecycle.add_location(platform, location)
    return web.json_response({"id": location.id, "name": location.name, "installed": installed}, status=201)


async def pause(request: web.Request) -> web.Response:
    """Make a location inactive."""
    return _activity(request, active=False)


async def resume(request: web.Request) -> web.Response:
    """Make a location active again."""
    return _activity(request, active=True)


async def transfer(request: web.Request) -> web.Response:
    """Move a location to another company."""
    platform = request.app[PLATFORM]
    location = _location(platform, request.match_info["id"])
    company = _company(platform, str((await object_of(request)).get("company", "")))
    installed = lifecycle.transfer(platform, location, company)
    return web.json_response({"id": location.id, "company": company.id, "installed": installed})


async def uninstall_location(request: web.Request) -> web.Response:
    """Uninstall the app from a location."""
    location = _location(request.app[PLATFORM], request.match_info["id"])
    return web.json_response({"success": lifecycle.uninstall_location(request.app[PLATFORM], location.id)})


async def uninstall_company(request: web.Request) -> web.Response:
    """Uninstall the app from a company and its locations."""
    platform = request.app[PLATFORM]
    company = _company(platform, request.match_info["id"])
    return web.json_response({"success": lifecycle.uninstall_company(platform, company.id)})


async def change(request: web.Request) -> web.Response:
    """Create, update or delete random records."""
    platform = request.app[PLATFORM]
    given = await object_of(request)
    location = _location(platform, str(given.get("location", "")))
    count = given.get("count", 1)
    if not isinstance(count, int) or count < 1:
        raise refusal("count must be a whole number of at least 1")

    def emit(event: str, payload: dict[str, Any]) -> None:
        lifecycle.publish(platform, location.id, event, payload)

    kind, resource = str(given.get("kind", "")), str(given.get("resource", ""))
    try:
        changed = random_changes.apply(platform.world, location, resource, kind, count, emit)
    except ValueError as error:
        raise refusal(str(error)) from None
    return web.json_response({"changed": changed})


async def give_rows(request: web.Request) -> web.Response:
    """Give the rows of a listing of a location or company."""
    platform = request.app[PLATFORM]
    given = await object_of(request)
    if given.get("company") not in platform.world.companies:
        _location(platform, str(given.get("location", "")))
    try:
        kept = platform.listings.put(given)
    except (TypeError, ValueError) as error:
        raise refusal(str(error)) from None
    return web.json_response({"rows": len(kept.rows)}, status=201)


async def make_token(request: web.Request) -> web.Response:
    """Make a private integration token or an API 1.0 key of a company or location."""
    given = await object_of(request)
    account, scopes = str(given.get("account", "")), given.get("scopes")
    kind: TokenKind | None = next((known for known in get_args(TokenKind) if known == given.get("kind")), None)
    if kind is None:
        raise refusal("kind must be private or key")
    try:
        granted = None if scopes is None else tuple(str(scope) for scope in scopes)
        token = request.app[PLATFORM].account_tokens.make(kind, account, granted)
    except KeyError:
        raise refusal(f"no company or location {account}", 404) from None
    return web.json_response({"token": token}, status=201)


async def end_token(request: web.Request) -> web.Response:
    """End such a token."""
    token = str((await object_of(request)).get("token", ""))
    return web.json_response({"success": request.app[PLATFORM].account_tokens.end(token)})


def _activity(request: web.Request, *, active: bool) -> web.Response:
    location = _location(request.app[PLATFORM], request.match_info["id"])
    location.active = active
    return web.json_response({"id": location.id, "active": location.active})


def _location(platform: Platform, location_id: str) -> Location:
    location = platform.world.locations.get(location_id)
    if location is None:
        raise refusal(f"no location {location_id}", 404)
    return location


def _company(platform: Platform, company_id: str) -> Company:
    company = platform.world.companies.get(company_id)
    if company is None:
        raise refusal(f"no company {company_id}", 404)
    return company


ROUTES = (
    web.get("/sandbox/state", state),
    web.get("/sandbox/requests", requests),
    web.get("/sandbox/deliveries", deliveries),
    web.post("/sandbox/deliveries/{webhook_id}/resend", resend),
    web.get("/sandbox/faults", list_faults),
    web.post("/sandbox/faults", add_faults),
    web.delete("/sandbox/faults", clear_faults),
    web.post("/sandbox/clock", advance),
    web.post("/sandbox/app", configure),
    web.post("/sandbox/locations", create_location),
    web.post("/sandbox/locations/{id}/pause", pause),
    web.post("/sandbox/locations/{id}/resume", resume),
    web.post("/sandbox/locations/{id}/transfer", transfer),
    web.post("/sandbox/locations/{id}/uninstall", uninstall_location),
    web.post("/sandbox/companies/{id}/uninstall", uninstall_company),
    web.post("/sandbox/changes", change),
    web.post("/sandbox/listings", give_rows),
    web.post("/sandbox/tokens", make_token),
    web.delete("/sandbox/tokens", end_token),
    *module_controls.ROUTES,
)
