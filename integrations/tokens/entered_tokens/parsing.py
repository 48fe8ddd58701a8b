"""Parses a pasted token: a private integration token, an API 1.0 key, or one of the usual mistakes.

Sources: HighLevel's help article 48001205369 "How to update your API keys" (keys are 250 characters and more, older
ones about 50 and no longer good; a key that pastes as "undefined" was never made; regenerating ends the old key at
once), 155000003054 "Private Integrations" (they do not rotate by themselves), public-api.gohighlevel.com (which
shows where both kinds of key are found). Only public code shows that a key is a JWT which names its location or
company, so a key that names another tenant is refused, and a key that names none is accepted.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from integrations.core.errors import BadRequest
from integrations.core.secret import Secret
from integrations.core.tenant import Tenant, UserType
from integrations.tokens.models import Credential

_PRIVATE = re.compile(r"pit-[A-Za-z0-9-]{20,200}")
_JWT = re.compile(r"[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}", re.ASCII)
_LONGEST = 8192
_OLD_KEY = range(30, 80)

_REGENERATE = (
    "in HighLevel, Settings > Business Info > API Key (an agency's: Agency Settings > API Keys), press the "
    "regenerate arrows and type CONFIRM"
)
_PRIVATE_FROM = "copy it from HighLevel, Settings > Private Integrations, when it is made: it is shown once"
_UNDEFINED = ("undefined", "null", "none", "nan")


def parse(text: str, *, kind: str, tenant: Tenant) -> Secret:
    """The token in `text`. Raises BadRequest, which says what was pasted instead and where to find the token."""
    token = text.strip().strip("\"'").removeprefix("Bearer ").strip()
    _refuse_accidents(token, is_private=kind == Credential.Kind.PRIVATE)
    if kind == Credential.Kind.PRIVATE:
        return _private(token)
    return _key(token, tenant)


def _refuse_accidents(token: str, *, is_private: bool) -> None:
    if not token:
        key = f"copy the key with its clipboard icon; if it is blank there, {_REGENERATE}"
        raise BadRequest(f"nothing was pasted: {_PRIVATE_FROM if is_private else key}")
    if token.lower() in _UNDEFINED:
        key = f"means that this account has no key yet: {_REGENERATE}. It can take five hours to appear"
        raise BadRequest(f"{token!r} {f'is no token: {_PRIVATE_FROM}' if is_private else key}")
    if len(token) > _LONGEST or not token.isascii() or not token.isprintable() or " " in token:
        raise BadRequest(
            "this is no token: it contains spaces, line breaks or characters outside ASCII; copy it once more"
        )


def _private(token: str) -> Secret:
    if _PRIVATE.fullmatch(token):
        return Secret(token)
    if _JWT.fullmatch(token):
        raise BadRequest("this is an API key or an access token; a private integration token begins with pit-")
    raise BadRequest(f"a private integration token begins with pit-: {_PRIVATE_FROM}")


def _key(token: str, tenant: Tenant) -> Secret:
    if token.startswith("pit-"):
        raise BadRequest("this is a private integration token: enter it as one, it opens API 2.0")
    claims = _claims(token)
    if claims is None:
        if len(token) in _OLD_KEY:
            raise BadRequest(f"this is a key of the old kind, which HighLevel no longer accepts: {_REGENERATE}")
        raise BadRequest("this key is malformed, perhaps cut short: copy it with its clipboard icon")
    if "authClass" in claims:
        raise BadRequest("this is an OAuth access token, which lives for a day: an API key is needed here")
    _refuse_others(claims, tenant)
    return Secret(token)


def _refuse_others(claims: dict[str, Any], tenant: Tenant) -> None:
    location, company = claims.get("location_id"), claims.get("company_id")
    if tenant.user_type is UserType.LOCATION and company and not location:
        raise BadRequest("this is an agency's key: enter it for the agency")
    if tenant.user_type is UserType.COMPANY and location:
        raise BadRequest(f"this is the key of location {location}: enter it for that location")
    named = location if tenant.user_type is UserType.LOCATION else company
    if named and named != tenant.id:
        raise BadRequest(f"this key belongs to {named}, not to {tenant.id}")


def _claims(token: str) -> dict[str, Any] | None:
    """The claims of a JWT, or None for other text. Their signature is not verified, so they only serve to refuse."""
    if not _JWT.fullmatch(token):
        return None
    middle = token.split(".")[1]
    try:
        found = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
