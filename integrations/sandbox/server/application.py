"""aiohttp application of the sandbox: the vendor's operations behind the gate, the install pages, the controls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

from aiohttp import web

from integrations.sandbox import context, refusals
from integrations.sandbox.api1 import gate as api1_gate
from integrations.sandbox.api1 import operations as api1
from integrations.sandbox.context import PLATFORM, Platform
from integrations.sandbox.controls import controls
from integrations.sandbox.data.seed import seed
from integrations.sandbox.data.world import World
from integrations.sandbox.endpoints import (
    installations,
    installed_locations,
    location_tokens,
    payment_calls,
    token_endpoint,
    trigger_calls,
)
from integrations.sandbox.oauth import marketplace
from integrations.sandbox.openapi import played_by_schema, vendor_routes
from integrations.sandbox.options import Options
from integrations.sandbox.pages import choose_location, overview, sso_pages
from integrations.sandbox.protocol import ApiError, Route
from integrations.sandbox.resources import ROUTES
from integrations.sandbox.server.fault_middleware import disturb
from integrations.sandbox.server.gate import guarded

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TOKEN_PATH = "/oauth/token"  # noqa: S105 - no secret
BOTH = ("Company", "Location")
LARGEST_BODY = 10 * 1024 * 1024


def build(options: Options, world: World | None = None) -> web.Application:
    """The application. Without a `world`, one is made from the options' seed and sizes."""
    if world is None:
        world = seed(
            companies=options.companies,
            locations=options.locations,
            contacts=options.contacts,
            seed=options.seed,
        )
    served = {scope for route in ROUTES for scope in route.scopes}
    listed = marketplace.listed(
        options, served | {"oauth.readonly", "oauth.write", "marketplace-installer-details.readonly"}
    )
    state = context.assemble(options, world, listed)
    app = web.Application(middlewares=[_unknown_paths, disturb], client_max_size=LARGEST_BODY)
    app[PLATFORM] = state
    # Of two paths that match, the one that is literal for longer is meant. aiohttp takes the first.
    routes = sorted(_routes(state), key=lambda entry: _literal_first(entry[0].path))
    for route, only_v2 in routes:
        handler = guarded(route, only_v2=only_v2)
        if only_v2 and (newer := _in_v3(route, routes)) is not None:
            handler = _by_version(handler, *newer)
        for path in {route.path, route.path.rstrip("/")}:
            app.router.add_route(route.method, path, handler)
    for route in api1.ROUTES:
        path = api1.BASE + route.path
        for spelling in {path, path.rstrip("/")}:
            app.router.add_route(route.method, spelling, api1_gate.guarded(route))
    app.router.add_post(TOKEN_PATH, token_endpoint.token)
    app.router.add_post(payment_calls.PATH, payment_calls.paid)
    for path in ("/v2/oauth/chooselocation", "/oauth/chooselocation"):
        app.router.add_get(path, choose_location.show)
        app.router.add_post(path, choose_location.decide)
    app.router.add_routes([*controls.ROUTES, *overview.ROUTES, *sso_pages.ROUTES])
    app.cleanup_ctx.append(_deliveries)
    return app


def _routes(state: Platform) -> Iterator[tuple[Route, bool]]:
    """Every operation that is played, and whether v3 has removed it; those played by code are not played by schema."""
    by_code = (*ROUTES, *_own_routes(state))
    yield from ((route, vendor_routes.is_removed_in_v3(route.method, route.path)) for route in by_code)
    if state.options.openapi:
        for route, only_v2 in played_by_schema.routes(Path(state.options.openapi), state.options.seed):
            played = (one for one in by_code if one.method == route.method)
            if route.path != TOKEN_PATH and not any(vendor_routes.same_route(one.path, route.path) for one in played):
                yield route, only_v2


def _in_v3(route: Route, routes: list[tuple[Route, bool]]) -> tuple[Handler, dict[str, str]] | None:
    """The route of v3 that this path of API 2.0 means there, with its parameters: `/oauth/google/start` is
    `/oauth/{platform}/start`. None without one."""
    for other, only_v2 in routes:
        if not only_v2 and other.method == route.method and (found := vendor_routes.as_path_of(other.path, route.path)):
            return guarded(other), found
    return None


def _by_version(older: Handler, newer: Handler, parameters: dict[str, str]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Version") != "v3":
            return await older(request)
        request.match_info.update(parameters)
        return await newer(request)

    return handle


def _literal_first(path: str) -> list[bool]:
    return [segment.startswith("{") for segment in path.strip("/").split("/")]


def _own_routes(state: Platform) -> tuple[Route, ...]:
    """The operations on tokens and installations."""
    mint = partial(location_tokens.mint, state)
    write, read = ("oauth.write",), ("oauth.readonly",)
    company = ("Company",)
    about = "/marketplace/app/{appId}/installations"
    who = ("marketplace-installer-details.readonly",)
    by_skip, by_token = partial(installed_locations.by_skip, state), partial(installed_locations.by_token, state)
    return (
        Route(
            "POST",
            "/oauth/locationToken",
            "get-location-access-token",
            partial(mint, v3=False),
            write,
            company,
            oauth_only=True,
        ),
        Route(
            "POST",
            "/oauth/location-token",
            "get-location-access-token",
            partial(mint, v3=True),
            write,
            company,
            "v3",
            oauth_only=True,
        ),
        Route("GET", "/oauth/installedLocations", "get-installed-location", by_skip, read, company, oauth_only=True),
        Route(
            "GET",
            "/oauth/installed-locations",
            "get-installed-location",
            by_token,
            read,
            company,
            "v3",
            oauth_only=True,
        ),
        Route(
            "POST",
            trigger_calls.PATH,
            "execute-trigger",
            partial(trigger_calls.execute, state.triggers),
            (),
            oauth_only=True,
        ),
        Route("DELETE", about, "uninstall-application", partial(installations.uninstall, state), write, BOTH),
        Route("GET", about, "get-installer-details", partial(installations.details, state), who, BOTH),
    )


async def _deliveries(app: web.Application) -> AsyncIterator[None]:
    await app[PLATFORM].deliveries.start()
    yield
    await app[PLATFORM].deliveries.stop()


@web.middleware
async def _unknown_paths(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Paths that the vendor lacks are answered as the vendor does, those that only the sandbox lacks with 501."""
    path = request.rel_url.raw_path
    wanted = vendor_routes.route_of(request.method, path)
    if wanted is not None:
        version = request.headers.get("Version", "")
        given = request.app[PLATFORM].listings.route(request.method, path, wanted, version)
        if given is not None:
            return await guarded(given)(request)
    served = request.match_info.route.resource
    if wanted is not None and (served is None or not vendor_routes.same_route(served.canonical, wanted)):
        return _refused(refusals.not_in_the_sandbox(request.method, request.path))
    try:
        return await handler(request)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        if request.match_info.http_exception is None:  # a handler's own 404
            raise
        return _refused(refusals.no_such_path(request.method, request.path))


def _refused(error: ApiError) -> web.Response:
    return web.json_response(error.body, status=error.status)
