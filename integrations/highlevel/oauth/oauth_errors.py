"""Error table of the token endpoints: classification of refused token requests (FACTS section 1.5), API 2.0 and v3.

To treat a live grant as dead makes an agency install again. So only the listed words do that; every unknown refusal is
retried and shown. One row is ambiguous by the vendor's own doing: "Invalid client credentials!" means either our secret
or a revoked authorization. It becomes ClientOrGrantRejected: stop the app only when another grant gets it too.
"""

from __future__ import annotations

from typing import Any

from integrations.core.errors import (
    ClientOrGrantRejected,
    ClientRejected,
    GrantRevoked,
    IntegrationError,
    LocationInactive,
    RequestRejected,
    ServerFault,
    VendorThrottled,
)
from integrations.highlevel.errors import UnknownRefusal
from integrations.highlevel.http import error_rows
from integrations.highlevel.http.error_rows import ErrorRow

CLIENT_ERRORS = range(400, 500)
INSTALL_AGAIN = "HighLevel no longer accepts this grant: the account has to be connected again"
CHECK_CLIENT = "check the app's client id and client secret"

ROWS = (
    ErrorRow(
        CLIENT_ERRORS,
        r"location is not active",
        LocationInactive,
        "location_inactive",
        "the location is paused, unpaid or closed: the same tokens work again once HighLevel reactivates it",
        "FACTS 1.5 'Location paused / SaaS unpaid / agency inactive' (v3 spec, highlevel-api-docs#249)",
    ),
    ErrorRow(
        (400, 401, 403),
        r"invalid client credentials",
        ClientOrGrantRejected,
        "client_or_authorization",
        f"HighLevel does not know this client for this grant: {CHECK_CLIENT}",
        "FACTS 1.5 'Wrong client for this token, or authorization revoked'",
    ),
    ErrorRow(
        (400, 401, 403),
        r"invalid[_ ]client\b|(missing|invalid) parameter: client_?(id|secret)",
        ClientRejected,
        "client_invalid",
        f"HighLevel refused our client: {CHECK_CLIENT}",
        "RFC 6749 5.2; FACTS 1.5 'Missing / bad parameter, v3 spec'",
    ),
    ErrorRow(
        (400, 401),
        r"invalid[_ ]grant\b(?! type)",
        GrantRevoked,
        "grant_refused",
        INSTALL_AGAIN,
        "FACTS 1.5 'Refresh token used, expired, bad (API 2.0)' and 'Same, v3 spec'",
    ),
    ErrorRow(
        CLIENT_ERRORS,
        r"(missing parameter: refresh_?token|refresh_?token (should not be empty|is required|must be))",
        GrantRevoked,
        "refresh_token_missing",
        INSTALL_AGAIN,
        "FACTS 1.5 'Empty refresh token' (422) and 'Missing / bad parameter, v3 spec'",
    ),
    ErrorRow(
        (400, 401, 422),
        r"invalid refresh token|invalid parameter: refresh_?token",
        GrantRevoked,
        "refresh_token_malformed",
        INSTALL_AGAIN,
        "FACTS 1.5 'Malformed refresh token with valid secret'",
    ),
    ErrorRow(
        (400,),
        r"(missing|invalid) parameter: ",
        RequestRejected,
        "parameter",
        "HighLevel misses or refuses a parameter: check the app's dialect and redirect URI",
        "FACTS 1.5 'Missing / bad parameter, v3 spec'",
    ),
    ErrorRow(
        CLIENT_ERRORS,
        r"not available in api version|endpoint has been removed",
        RequestRejected,
        "endpoint_removed",
        "HighLevel removed this endpoint: switch the app to the other dialect",
        "FACTS 1.5 'Endpoint removed in v3', 1.9",
    ),
)


def classify(
    status: int, body: Any, *, retry_after: float | None = None, trace_id: str | None = None, **identifiers: Any
) -> IntegrationError:
    """The error for a token endpoint's refusal. `body` is its JSON, or its text when it is not JSON.

    `vendor` has the response, `reason` is the row's, `context` has the caller's identifiers; never a token.
    """
    known: dict[str, Any] = {**identifiers, "vendor": error_rows.vendor_answer(status, body, trace_id=trace_id)}
    if status == 429:
        return VendorThrottled("HighLevel limits token requests", retry_after=retry_after, **known)
    if status >= 500:
        return ServerFault("HighLevel failed to answer the token request", retry_after=retry_after, **known)
    row = error_rows.first_match(ROWS, status, body)
    if row is None:
        return UnknownRefusal("HighLevel refused the token request with an unrecognised error", **known)
    return row.kind(row.advice, reason=row.reason, **known)
