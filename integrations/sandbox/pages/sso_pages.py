"""Embedding page: `/sandbox/embed` frames the app's page and answers its request for the user, as HighLevel does.

`GET /sandbox/embed?location=ID&user=ID&company=ID&src=URL` and `GET /sandbox/sso` take the same parameters, all
optional: without a location the user is in the agency view, without a user it is the first one of the location or
agency, without `src` the page is `/embed/` at the app's first redirect URI.
"""

from __future__ import annotations

import json
from urllib.parse import urlencode, urljoin

from aiohttp import web

from integrations.sandbox.context import PLATFORM, Platform
from integrations.sandbox.data.records import User
from integrations.sandbox.data.world import Location
from integrations.sandbox.pages import markup, sso


async def payload(request: web.Request) -> web.Response:
    """Return the encrypted user context."""
    platform = request.app[PLATFORM]
    user, location = _viewer(platform, request)
    body = sso.context(platform.app, user, location)
    return web.json_response({"payload": sso.encrypted(body, platform.app.shared_secret), "user": body})


async def embed(request: web.Request) -> web.Response:
    """Frame the app's page as HighLevel does. Each of its requests for the user is answered with a new payload."""
    platform = request.app[PLATFORM]
    user, location = _viewer(platform, request)
    body = sso.context(platform.app, user, location)
    redirect_uri = next(iter(platform.app.redirect_uris), "")
    src = request.query.get("src") or urljoin(redirect_uri, "/embed/")
    if not src.startswith(("http://", "https://")):
        raise web.HTTPBadRequest(text="src must be an http or https URL")
    content = markup.fill(
        "embed",
        app=platform.app.name,
        src=src,
        user=body["userName"],
        where=location.name if location else "the agency view",
        places=_places(platform, request, user),
        payloads=markup.Markup(json.dumps(f"/sandbox/sso?{request.query_string}")),
    )
    return markup.page(f"{platform.app.name} inside HighLevel", content, width="wide")


def _places(platform: Platform, request: web.Request, user: User) -> markup.Markup:
    """Links to the same page as another account shows it: the agency view, and each of the agency's locations."""
    kept = {name: value for name, value in request.query.items() if name == "src"}
    company = user.company_id
    shown = {"the agency view": {"company": company}} | {
        location.name: {"location": location.id}
        for location in platform.world.locations.values()
        if location.company_id == company
    }
    links = (markup.tag("a", name, href=f"/sandbox/embed?{urlencode(where | kept)}") for name, where in shown.items())
    return markup.Markup(" · ".join(links))


def _viewer(platform: Platform, request: web.Request) -> tuple[User, Location | None]:
    world = platform.world
    location = world.locations.get(request.query.get("location", ""))
    company_id = location.company_id if location else request.query.get("company", "")
    company = world.companies.get(company_id) or next(iter(world.companies.values()))
    wanted = request.query.get("user")
    if request.query.get("location") and location is None:
        raise web.HTTPBadRequest(text="no such location")
    if wanted and wanted not in company.users:
        raise web.HTTPBadRequest(text="no such user in this agency")
    users = location.users if location else company.users
    return company.users[wanted or next(iter(users))], location


ROUTES = (web.get("/sandbox/sso", payload), web.get("/sandbox/embed", embed))
