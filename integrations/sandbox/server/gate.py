"""Gate of each API request: it checks token, quota, version, level, scope and location, then runs the operation.

A call with an unknown token costs no quota, because it has no resource. Every other call uses up quota before the other
checks, so wrong calls use it up too. The order of the later checks is not known from the vendor.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from integrations.sandbox import refusals
from integrations.sandbox.context import PLATFORM, Platform
from integrations.sandbox.endpoints import lifecycle
from integrations.sandbox.oauth import jwt
from integrations.sandbox.oauth.tokens import AccessToken
from integrations.sandbox.protocol import ApiCall, ApiError, Json, Reply, Route

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Events = list[tuple[str, dict[str, Any]]]

# The official SDKs send one of these two to every operation; the live service accepts them where the path exists.
SDK_VERSIONS = frozenset({"2023-02-21", "v3"})

log = logging.getLogger(__name__)


def guarded(route: Route, *, only_v2: bool = False) -> Handler:
    """The aiohttp handler of this operation; `only_v2` marks a path that v3 has removed."""

    async def handle(request: web.Request) -> web.Response:
        raw = await request.read()
        platform = request.app[PLATFORM]
        now = platform.clock.now()
        headers: dict[str, str] = {}
        try:
            access = _identified(platform, request, now)
            bucket = platform.quota.bucket(access.grant.client_id, access.grant.resource_id)
            within = platform.quota.take(bucket, now)
            headers = platform.quota.headers(bucket, now)
            if not within:
                raise refusals.over_quota()
            _check_version(route, request, only_v2=only_v2)
            _check_grant(platform, route, access)
            reply, events = _operate(platform, route, access, request, _body(request, raw))
        except ApiError as error:
            return _respond(Reply(error.body, error.status), headers)
        for event, payload in events:
            lifecycle.publish(platform, access.grant.resource_id, event, payload)
        return _respond(reply, headers)

    return handle


def _identified(platform: Platform, request: web.Request, now: float) -> AccessToken:
    token, access = platform.bearer(request)
    if access is None:
        raise refusals.dead_token() if jwt.looks_like_one(token) else refusals.not_a_token()
    if access.expires_at <= now or not access.grant.install.live:
        raise refusals.dead_token()
    return access


def _check_version(route: Route, request: web.Request, *, only_v2: bool) -> None:
    given = request.headers.get("Version")
    if given is None:
        raise refusals.version_missing()
    if given == route.version:
        return
    if route.version == "v3":
        raise refusals.no_such_path(request.method, request.path)
    if only_v2 and given == "v3":
        raise refusals.removed_in_v3(request.method, request.path)
    if given not in SDK_VERSIONS:
        raise refusals.version_unknown()


def _check_grant(platform: Platform, route: Route, access: AccessToken) -> None:
    is_private = access.grant.client_id != platform.app.client_id
    if access.grant.user_type not in route.levels or (is_private and route.oauth_only):
        raise refusals.wrong_level()
    if not access.grant.scope_set.issuperset(route.scopes):
        raise refusals.scope_missing()
    location = platform.world.locations.get(access.grant.install.location_id or "")
    if location is not None and not location.active:
        raise refusals.location_inactive()


def _body(request: web.Request, raw: bytes) -> Json:
    if not raw:
        return None
    if request.content_type == "application/x-www-form-urlencoded":
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    if request.content_type == "multipart/form-data":
        return {}  # no operation here reads a file
    try:
        return json.loads(raw)
    except ValueError:
        raise refusals.unreadable_body() from None


def _operate(
    platform: Platform, route: Route, access: AccessToken, request: web.Request, body: Json
) -> tuple[Reply, Events]:
    """Run the operation. From the token check on, no other request runs in between. Raises ApiError."""
    install = access.grant.install
    events: Events = []
    call = ApiCall(
        world=platform.world,
        company_id=install.company_id,
        location=platform.world.locations.get(install.location_id or ""),
        emit=lambda event, payload: events.append((event, payload)),
        path=request.match_info,
        query=request.query,
        body=body,
        version=request.headers.get("Version", ""),
    )
    if call.location is not None and _named_locations(call) - {call.location.id}:
        raise refusals.other_location()
    try:
        reply = route.handler(call)
    except ApiError as error:
        raise ApiError(error.status, _traced(error.body)) from error
    except Exception:
        log.exception("the sandbox failed in %s", route.operation_id)
        raise ApiError(500, _traced({"statusCode": 500, "message": "Internal server error"})) from None
    return Reply(_traced(reply.body), reply.status), events


def _named_locations(call: ApiCall) -> set[str]:
    """The locations the request itself names, in the path, the query and the body."""
    body = call.body if isinstance(call.body, dict) else {}
    named: list[Any] = []
    for given in (call.path, call.query, body):
        named += (given.get("locationId"), given.get("location_id"))
        if given.get("altType") == "location":
            named.append(given.get("altId"))
    return {name for name in named if isinstance(name, str) and name}


def _traced(body: Json) -> Json:
    """The body with the traceId that HighLevel's support asks for."""
    if isinstance(body, dict) and "traceId" not in body:
        return {**body, "traceId": str(uuid.uuid4())}
    return body


def _respond(reply: Reply, headers: dict[str, str]) -> web.Response:
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    raw = json.dumps(reply.body, separators=(",", ":")).encode()
    return web.Response(body=raw, status=reply.status, headers=headers, content_type="application/json")
