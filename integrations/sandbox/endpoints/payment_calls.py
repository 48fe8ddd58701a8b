"""`POST /oauth/billing/webhook`: an app that bills by itself reports a payment (FACTS 6). Kept for tests to read."""

from __future__ import annotations

from hmac import compare_digest

from aiohttp import web

from integrations.sandbox.context import PLATFORM

PATH = "/oauth/billing/webhook"


async def paid(request: web.Request) -> web.Response:
    """Take one report: the client's id and secret are headers of their own."""
    platform = request.app[PLATFORM]
    sent = (request.headers.get("x-ghl-client-key", ""), request.headers.get("x-ghl-client-secret", ""))
    known = (platform.app.client_id, platform.app.client_secret)
    if not all(compare_digest(a.encode(), b.encode()) for a, b in zip(sent, known, strict=True)):
        return web.json_response({"statusCode": 401, "message": "Invalid client"}, status=401)
    body = await request.json()
    account = body.get("locationId" if body.get("authType") == "location" else "companyId")
    if account not in platform.world.locations and account not in platform.world.companies:
        return web.json_response({"statusCode": 422, "message": ["no such account"]}, status=422)
    if body.get("status") not in ("COMPLETED", "FAILED") or body.get("paymentType") not in ("one_time", "recurring"):
        return web.json_response({"statusCode": 422, "message": ["status and paymentType are wrong"]}, status=422)
    platform.payments.append(body)
    return web.json_response({"success": True})
