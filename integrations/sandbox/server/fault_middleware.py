"""aiohttp middleware that applies fault rules to API and OAuth requests, and never to the control pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from integrations.sandbox import refusals
from integrations.sandbox.context import PLATFORM, Platform
from integrations.sandbox.faults import LISTING_KINDS, REQUEST_KINDS, Rule
from integrations.sandbox.protocol import ApiError
from integrations.sandbox.server import false_listings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

GARBAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
LATENCY_MS = 250.0


@web.middleware
async def disturb(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count and note the request, wait for the configured latency, and apply the rules that match."""
    if request.path.startswith("/sandbox"):
        return await handler(request)
    platform = request.app[PLATFORM]
    platform.requests += 1
    await platform.asked.note(request)
    low, high = platform.options.latency_ms
    if high > 0:
        await asyncio.sleep(platform.faults.random.uniform(low, high) / 1000)
    if not platform.faults.active(REQUEST_KINDS):
        return await handler(request)
    for rule in platform.faults.pick(REQUEST_KINDS, await _facts(platform, request)):
        if rule.kind != "latency":
            return await _act(platform, request, handler, rule)
        await asyncio.sleep(platform.faults.milliseconds(rule.params, LATENCY_MS) / 1000)
    return await handler(request)


async def _facts(platform: Platform, request: web.Request) -> dict[str, str]:
    return {
        "method": request.method,
        "path": request.path,
        "location": await _resource(platform, request),
    }


async def _resource(platform: Platform, request: web.Request) -> str:
    """Id of the location (or company) of a request, from its refresh token, form, query or access token."""
    form: dict[str, Any] = {}
    if request.content_type == "application/x-www-form-urlencoded":
        form = dict(await request.post())
    refresh = platform.tokens.refresh.get(str(form.get("refresh_token") or form.get("refreshToken") or ""))
    if refresh is not None:
        return refresh.grant.resource_id
    named = form.get("locationId") or request.query.get("locationId") or request.query.get("location_id")
    if named:
        return str(named)
    _, access = platform.bearer(request)
    return access.grant.resource_id if access else ""


async def _act(platform: Platform, request: web.Request, handler: Handler, rule: Rule) -> web.StreamResponse:
    if rule.kind == "close":
        return _hang_up(request)
    made_up = _made_up(platform, rule)
    if made_up is not None:
        return made_up
    answer = await handler(request)
    if rule.kind == "lost":
        return _hang_up(request)
    if rule.kind == "garbage":
        status = int(rule.params.get("status", 200))
        return web.Response(body=GARBAGE, status=status, content_type="text/html")
    if rule.kind in LISTING_KINDS:
        return await false_listings.falsified(rule, request, answer, platform.faults.kept_answers)
    return await _cut_short(request, answer)


def _made_up(platform: Platform, rule: Rule) -> web.Response | None:
    """The answer of a rule that stops the request; None for the other kinds."""
    if rule.kind == "status":
        status = int(rule.params.get("status", 503))
        body = rule.params.get("body", {"statusCode": status, "message": "A fault rule of the sandbox"})
        return web.json_response(body, status=status)
    if rule.kind == "unauthorized":
        error = refusals.dead_token()
        if "message" in rule.params:
            error = ApiError(401, {"statusCode": 401, "message": rule.params["message"]})
        return web.json_response(error.body, status=401)
    if rule.kind == "quota":
        overdrawn = int(rule.params.get("overdrawn", 0))
        headers = platform.quota.exhausted_headers(daily=bool(rule.params.get("daily")), overdrawn=overdrawn)
        return web.json_response(refusals.over_quota().body, status=429, headers=headers)
    return None


def _hang_up(request: web.Request) -> web.Response:
    """Close the connection; the returned answer is not sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut_short(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b"{}"
    cut = web.StreamResponse(status=answer.status, headers=answer.headers)
    cut.content_length = len(body)
    await cut.prepare(request)
    await cut.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return cut
