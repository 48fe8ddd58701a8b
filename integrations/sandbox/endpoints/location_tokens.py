"""`POST /oauth/locationToken` (v3: `/oauth/location-token`): mints a location's tokens for a company token.

It counts in the company's quota bucket, answers 201 (captured live; the OpenAPI file says 200), adds the two oauth
scopes to the granted ones, and issues a refresh token for the location.
"""

from __future__ import annotations

from typing import Any

from integrations.sandbox import refusals
from integrations.sandbox.context import Platform
from integrations.sandbox.oauth import token_answers
from integrations.sandbox.oauth.dialects import to_v3
from integrations.sandbox.oauth.tokens import Grant
from integrations.sandbox.protocol import ApiCall, ApiError, Reply

ADDED_SCOPES = ("oauth.write", "oauth.readonly")


def mint(platform: Platform, call: ApiCall, *, v3: bool) -> Reply:
    """Answer with new tokens of the location. Raises ApiError."""
    fields: dict[str, Any] = call.body if isinstance(call.body, dict) else {}
    empty = [name for name in ("companyId", "locationId") if not isinstance(fields.get(name), str)]
    if empty:
        raise refusals.invalid(*(f"{name} must be a string" for name in empty))
    if fields["companyId"] != call.company_id:
        raise refusals.other_company()
    grant = _grant(platform, call.company_id, fields["locationId"])
    answer = token_answers.minted_answer(platform.tokens, platform.app, grant, platform.clock.now())
    platform.token_requests["location_token"] += 1
    return Reply(to_v3(answer) if v3 else answer, 201)


def _grant(platform: Platform, company_id: str, location_id: str) -> Grant:
    location = platform.world.locations.get(location_id)
    if location is None or location.company_id != company_id:
        raise refusals.other_location()
    install = platform.installs.locations.get(location_id)
    if install is None:
        message = "The app is not installed on this location."
        raise ApiError(400, {"statusCode": 400, "message": message, "error": "Bad Request"})
    if not location.active:
        raise refusals.location_inactive()
    added = tuple(scope for scope in ADDED_SCOPES if scope not in install.scopes)
    return Grant(platform.app.client_id, install, (*install.scopes, *added))
