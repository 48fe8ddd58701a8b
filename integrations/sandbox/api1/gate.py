"""Gate of API 1.0, below `/v1`: it checks key, quota, level and location, then runs the operation.

Its refusals are `{"msg": ...}` (captured answers of public projects, and the vendor's published examples). Whether
answers have the quota headers is not documented; here they do.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from integrations.sandbox.context import PLATFORM
from integrations.sandbox.protocol import ApiCall, ApiError, Json, Route

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refusal(status: int, message: str) -> ApiError:
    """A refusal in the form of API 1.0."""
    return ApiError(status, {"msg": message})


def guarded(route: Route) -> Handler:
    """The aiohttp handler of this operation."""

    async def handle(request: web.Request) -> web.Response:
        platform, now = request.app[PLATFORM], request.app[PLATFORM].clock.now()
        token = platform.bearer(request)[0]
        access = platform.account_tokens.keys.get(token)
        if access is None:
            return _answer({"msg": "Api key is invalid."}, 401, {})
        grant = access.grant
        bucket = platform.quota.bucket(grant.client_id, grant.resource_id)
        within = platform.quota.take(bucket, now)
        headers = platform.quota.headers(bucket, now)
        location = platform.world.locations.get(grant.install.location_id or "")
        call = ApiCall(
            world=platform.world,
            company_id=grant.install.company_id,
            location=location,
            emit=lambda event, payload: None,
            path=request.match_info,
            query=request.query,
        )
        try:
            if not within:
                raise refusal(429, "Too many requests")
            if grant.user_type not in route.levels:
                raise refusal(401, "Unauthorized")
            if location is not None and not location.active:
                raise refusal(400, "Location is not active")
            reply = route.handler(call)
        except ApiError as error:
            return _answer(error.body, error.status, headers)
        return _answer(reply.body, reply.status, headers)

    return handle


def _answer(body: Json, status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(text=json.dumps(body), status=status, headers=headers, content_type="application/json")
