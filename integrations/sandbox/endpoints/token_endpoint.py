"""`POST /oauth/token`: code exchange and refresh, in both dialects. It has no quota, because it has no bearer token.

API 2.0 reads forms only; v3 (`Version: v3`) reads forms and JSON. `user_type` is checked on a refresh, where it must be
the one that was issued, and ignored on an exchange, where the install decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any

from aiohttp import web

from integrations.sandbox.context import PLATFORM, Platform
from integrations.sandbox.oauth import jwt, token_answers
from integrations.sandbox.oauth.dialects import V3_FIELDS, TokenRefused, refusal, to_v3
from integrations.sandbox.oauth.tokens import Grant, Refused

Fields = Mapping[str, str]
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")


async def token(request: web.Request) -> web.Response:
    """Handle `POST /oauth/token`."""
    platform = request.app[PLATFORM]
    v3 = request.headers.get("Version") == "v3"
    fields = await _fields(request, v3=v3)
    try:
        answer = _granted(platform, fields)
    except TokenRefused as error:
        platform.token_requests["refused"] += 1
        status, body = refusal(error, v3=v3)
        return web.json_response(body, status=status)
    platform.token_requests[fields["grant_type"]] += 1
    return web.json_response(to_v3(answer) if v3 else answer)


async def _fields(request: web.Request, *, v3: bool) -> dict[str, str]:
    """The parameters by their API 2.0 names. Values that are not text are left out."""
    given: dict[str, Any]
    if v3 and request.content_type == "application/json":
        given = _json_object(await request.text())
    else:
        given = dict(await request.post())
    names = {new: old for old, new in V3_FIELDS.items()} if v3 else {}
    return {names.get(name, name): value for name, value in given.items() if isinstance(value, str)}


def _json_object(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _granted(platform: Platform, fields: Fields) -> dict[str, Any]:
    for name in ("client_id", "client_secret", "grant_type"):
        if not fields.get(name):
            raise TokenRefused("missing", name)
    if fields["grant_type"] not in GRANT_TYPES:
        raise TokenRefused("invalid", "grant_type")
    if fields.get("user_type", "Location") not in ("Company", "Location"):
        raise TokenRefused("invalid", "user_type")
    _check_client(platform, fields)
    if fields["grant_type"] == "authorization_code":
        return _exchange(platform, fields)
    if fields["grant_type"] == "refresh_token":
        return _refresh(platform, fields)
    raise TokenRefused("grant_type")


def _check_client(platform: Platform, fields: Fields) -> None:
    app = platform.app
    secret_fits = compare_digest(fields["client_secret"].encode(), app.client_secret.encode())
    if fields["client_id"] != app.client_id or not secret_fits:
        raise TokenRefused("client")


def _exchange(platform: Platform, fields: Fields) -> dict[str, Any]:
    if not fields.get("code"):
        raise TokenRefused("missing", "code")
    now = platform.clock.now()
    code = platform.tokens.codes.pop(fields["code"], None)
    if code is None or code.expires_at <= now:
        raise TokenRefused("code")
    if fields.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
        raise TokenRefused("invalid", "redirect_uri")
    _check_alive(platform, code.grant)
    refresh_token = platform.tokens.issue_refresh(code.grant, now)
    return token_answers.token_answer(platform.tokens, code.grant, refresh_token, now)


def _refresh(platform: Platform, fields: Fields) -> dict[str, Any]:
    given = fields.get("refresh_token")
    if given is None:
        raise TokenRefused("missing", "refresh_token")
    if not given:
        raise TokenRefused("empty", "refresh_token")
    if not jwt.looks_like_one(given):
        raise TokenRefused("malformed")
    record = platform.tokens.refresh.get(given)
    if record is None:
        raise TokenRefused("refresh")
    if fields.get("user_type", record.grant.user_type) != record.grant.user_type:
        raise TokenRefused("invalid", "user_type")
    _check_alive(platform, record.grant)
    now = platform.clock.now()
    try:
        successor = platform.tokens.rotate(given, now)
    except Refused:
        raise TokenRefused("refresh") from None
    return token_answers.token_answer(platform.tokens, record.grant, successor, now)


def _check_alive(platform: Platform, grant: Grant) -> None:
    """An uninstalled grant is refused as a wrong client. A paused location's refresh token stays valid."""
    if not grant.install.live:
        raise TokenRefused("client")
    location = platform.world.locations.get(grant.install.location_id or "")
    if location is not None and not location.active:
        raise TokenRefused("inactive")
