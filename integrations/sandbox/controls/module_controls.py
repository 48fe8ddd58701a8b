"""Control API for the app's modules: calls a URL of the app as HighLevel does, and returns how the app answered.

- `POST /sandbox/modules` `{"kind": KIND, "url": …, "headers": {…}?, "location": ID, "data": {…}?, "key": …?,
  "workflow": ID?, "contact": ID?, "event": "CREATED|UPDATED|DELETED"?}` answers `{"status", "answer", "sent"}`.
  The kinds are `action`, `trigger`, `auth`, `provider`, `options`, `fields` and `filters`. `headers` are the static
  ones that the developer portal keeps; only a `provider` is signed;
- `GET /sandbox/modules` lists the triggers that workflows have, and what the app fired.
"""

from __future__ import annotations

import json
from typing import Any

import aiohttp
from aiohttp import web

from integrations.sandbox.context import PLATFORM, Platform
from integrations.sandbox.controls.request_parts import object_of, refusal
from integrations.sandbox.data.played_triggers import PlayedTrigger
from integrations.sandbox.data.world import Location
from integrations.sandbox.endpoints.trigger_calls import PATH
from integrations.sandbox.events import signing

EVENTS = ("CREATED", "UPDATED", "DELETED")
_TIMEOUT = aiohttp.ClientTimeout(total=15)


async def call(request: web.Request) -> web.Response:
    """Call a module of the app."""
    platform = request.app[PLATFORM]
    given = await object_of(request)
    location = platform.world.locations.get(str(given.get("location", "")))
    make = _BODIES.get(str(given.get("kind")))
    if location is None or make is None:
        raise refusal(f"give a location of the sandbox, and a kind: {', '.join(_BODIES)}")
    body = make(platform, location, given, f"{request.scheme}://{request.host}")
    raw = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    headers = {str(name): str(value) for name, value in dict(given.get("headers") or {}).items()}
    if given["kind"] == "provider":
        headers[signing.HEADER] = signing.signature(signing.private_key(platform.options.seed), raw)
    method = "GET" if body is None else "POST"
    headers |= {"Content-Type": "application/json"} if body is not None else {}
    try:
        status, answer = await _ask(method, str(given.get("url", "")), raw, headers)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise refusal(f"the app did not answer: {type(error).__name__}") from None
    return web.json_response({"status": status, "answer": answer, "sent": body})


async def listed(request: web.Request) -> web.Response:
    """List triggers, and what was fired."""
    return web.json_response(request.app[PLATFORM].triggers.report())


async def _ask(method: str, url: str, raw: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    """Status and JSON of the app's answer; its text where it is no JSON."""
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.request(method, url, data=raw, headers=headers, allow_redirects=False) as answer,
    ):
        text = await answer.text()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text


def _action(platform: Platform, location: Location, given: dict[str, Any], base: str) -> dict[str, Any]:
    workflow, contact = _workflow(platform, given), given.get("contact") or next(iter(location.contacts), "")
    return {
        "data": given.get("data") or {},
        "extras": {"locationId": location.id, "contactId": contact, "workflowId": workflow},
        "meta": {"key": str(given.get("key") or "an_action"), "version": "1.0"},
    }


def _trigger(platform: Platform, location: Location, given: dict[str, Any], base: str) -> dict[str, Any]:
    event = str(given.get("event") or EVENTS[0])
    if event not in EVENTS:
        raise refusal(f"event is one of {', '.join(EVENTS)}")
    key = str(given.get("key") or "a_trigger")
    wanted = PlayedTrigger(platform.world.ids.new(), location.id, _workflow(platform, given), key)
    kept = platform.triggers.change(wanted, event)
    return {
        "triggerData": {
            "id": kept.id,
            "key": key,
            "filters": given.get("data") or [],
            "eventType": event,
            "targetUrl": base + PATH.format(locationId=location.id, triggerId=kept.id),
        },
        "meta": {"key": key, "version": "1.0"},
        "extras": {"locationId": location.id, "workflowId": kept.workflow_id, "companyId": location.company_id},
    }


def _auth(platform: Platform, location: Location, given: dict[str, Any], base: str) -> dict[str, Any]:
    return {
        **dict(given.get("data") or {}),
        "companyId": location.company_id,
        "approveAllLocations": False,
        "locationId": [location.id],
        "excludedLocations": None,
    }


def _provider(platform: Platform, location: Location, given: dict[str, Any], base: str) -> dict[str, Any]:
    return {
        "contactId": given.get("contact") or next(iter(location.contacts), ""),
        "locationId": location.id,
        "messageId": platform.world.ids.new(),
        "type": "SMS",
        "phone": "+15550100",
        "message": "Hello",
        "attachments": [],
        "userId": next(iter(location.users), ""),
        **dict(given.get("data") or {}),
    }


def _options(platform: Platform, location: Location, given: dict[str, Any], base: str) -> None:
    """Options are asked for without any context (FACTS 14)."""


def _workflow(platform: Platform, given: dict[str, Any]) -> str:
    return str(given.get("workflow") or platform.world.ids.uuid())


_BODIES = {
    "action": _action,
    "trigger": _trigger,
    "auth": _auth,
    "provider": _provider,
    "options": _options,
    "fields": _action,
    "filters": _action,
}

ROUTES = (web.get("/sandbox/modules", listed), web.post("/sandbox/modules", call))
