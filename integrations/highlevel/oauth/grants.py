"""Parser of token responses into grants: one shape for both API versions, code exchange, refresh and minting.

Only the access token is certain (FACTS section 1.3): live responses lack fields the spec lists and carry others. So the
parser reads each field under both spellings, treats a value of the wrong type as missing, and refuses what cannot be
true. (The official Python SDK merges both spellings and keeps the spent token.) Where the caller knows the tenant,
odd labels are no reason to discard the tokens, because the old ones are spent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from integrations.core.errors import PayloadAnomalous, Unreachable, VendorAnswer
from integrations.core.secret import Secret
from integrations.highlevel.http import error_rows
from integrations.highlevel.http.rate_headers import RateSnapshot

UserType = Literal["Company", "Location"]
LONGEST_LIFE = 400 * 86_400  # refresh tokens live a year; an access token that claims more is a wrong unit
LONGEST_TOKEN = 64 * 1024


@dataclass(frozen=True, slots=True)
class Grant:
    """Tokens and what they are for. `expires_in` is in seconds from the response; an omitted flag is None.

    `refresh_token` None means that the response carried none, never that the old one is dead. `user_type` and the ids
    are what HighLevel states, which for a bulk install is not what was requested. `rate` and `received_at`
    (`clock.monotonic()`) are those of a minting call, whose quota has to be settled. `oddity` describes an impossible
    statement in the response, if there is one.
    """

    access_token: Secret
    refresh_token: Secret | None
    expires_in: int | None
    scopes: frozenset[str]
    user_type: UserType
    company_id: str | None = None
    location_id: str | None = None
    user_id: str | None = None
    is_bulk: bool | None = None
    install_to_future: bool | None = None
    approve_all: bool | None = None
    approved_locations: tuple[str, ...] = ()
    plan_id: str | None = None
    version_id: str | None = None
    trace_id: str | None = None
    rate: RateSnapshot | None = None
    received_at: float | None = None
    oddity: str | None = None


def grant_from(body: Any, *, requested: UserType | None = None, trace_id: str | None = None) -> Grant:
    """Parse a 2xx token response. `requested`, where the caller knows it, settles the user type when the response names
    neither it nor an id, or contradicts itself.

    Raises Unreachable when the response has no access token (the request may have taken effect) and PayloadAnomalous
    when it contradicts itself and `requested` is None.
    """
    trace_id = error_rows.trace_id_of(body) or trace_id
    if not isinstance(body, dict) or _text(body, "access_token", "accessToken") is None:
        raise Unreachable(
            "HighLevel answered without an access token", sent=True, vendor=VendorAnswer(trace_id=trace_id)
        )
    oddity = _oddity(body)
    if oddity is not None and requested is None:
        raise PayloadAnomalous(f"in the answer {oddity}", vendor=VendorAnswer(trace_id=trace_id))
    refresh_token = _text(body, "refresh_token", "refreshToken")
    return Grant(
        access_token=_secret(_text(body, "access_token", "accessToken"), trace_id),
        refresh_token=None if refresh_token is None else _secret(refresh_token, trace_id),
        expires_in=_seconds(_first(body, "expires_in", "expiresIn")),
        scopes=_scopes(_first(body, "scope", "scopes")),
        user_type=_user_type(body, requested, trace_id),
        company_id=_text(body, "companyId", "company_id"),
        location_id=_text(body, "locationId", "location_id"),
        user_id=_text(body, "userId", "user_id"),
        is_bulk=_flag(_first(body, "isBulkInstallation")),
        install_to_future=_flag(_first(body, "installToFutureLocations")),
        approve_all=_flag(_first(body, "approveAllLocations")),
        approved_locations=_texts(_first(body, "approvedLocations")),
        plan_id=_text(body, "planId", "plan_id"),
        version_id=_text(body, "versionId", "version_id"),
        trace_id=trace_id,
        oddity=oddity,
    )


def require_identity(grant: Grant) -> Grant:
    """Check that the grant of a new installation names its tenant. Raises PayloadAnomalous otherwise."""
    owner = grant.location_id if grant.user_type == "Location" else grant.company_id
    if owner is None:
        raise PayloadAnomalous(
            f"a {grant.user_type} grant came without its id", vendor=VendorAnswer(trace_id=grant.trace_id)
        )
    return grant


def _user_type(body: Mapping[str, Any], requested: UserType | None, trace_id: str | None) -> UserType:
    location_id = _text(body, "locationId", "location_id")
    stated = _text(body, "userType", "user_type")
    if stated == "Location" or (stated is None and location_id):
        return "Location"
    if stated == "Company" and not location_id:
        return "Company"
    if requested is not None:
        return requested
    if stated is None and _text(body, "companyId", "company_id"):
        return "Company"
    raise PayloadAnomalous("the answer does not say what kind of grant it is", vendor=VendorAnswer(trace_id=trace_id))


def _oddity(body: Mapping[str, Any]) -> str | None:
    """The impossible statement in our own words, because the vendor's would reach logs and pages."""
    stated = _text(body, "userType", "user_type")
    if (_text(body, "token_type", "tokenType") or "bearer").lower() != "bearer":
        return "the token is not called a bearer token"
    if stated == "Company" and _text(body, "locationId", "location_id"):
        return "a Company grant names a location"
    if stated not in (None, "Company", "Location"):
        return "the user type is an unknown one"
    return None


def _secret(text: str | None, trace_id: str | None) -> Secret:
    if text is None or len(text) > LONGEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise PayloadAnomalous("the answer's token cannot be a token", vendor=VendorAnswer(trace_id=trace_id))
    return Secret(text)


def _first(body: Mapping[str, Any], *names: str) -> Any:
    return next((body[name] for name in names if body.get(name) is not None), None)


def _text(body: Mapping[str, Any], *names: str) -> str | None:
    return next((body[name] for name in names if isinstance(body.get(name), str) and body[name]), None)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str) and v) if isinstance(value, list) else ()


def _scopes(value: Any) -> frozenset[str]:
    words = value.replace(",", " ").split() if isinstance(value, str) else _texts(value)
    return frozenset(words)


def _seconds(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:12])
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST_LIFE:
        return None
    return int(value)


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None
