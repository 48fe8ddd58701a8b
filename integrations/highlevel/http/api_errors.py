"""Error table of the API: classification of refused calls by meaning and by who has to act (FACTS section 1.5).

Not every 401 is an expired token. To refresh on a missing scope loops for ever (the official Node SDK does), so the
words decide. A 401 that no row matches is `Unexplained401`: the token is asked about before it is replaced
(`tokens.access.second_opinion`). Any other unknown 4xx is the vendor's final refusal of this request.
"""

from __future__ import annotations

from typing import Any

from integrations.core.errors import (
    IntegrationError,
    LocationInactive,
    OtherAccount,
    RequestRejected,
    Retryable,
    ScopeMissing,
    ServerFault,
    Unreachable,
    VendorAnswer,
    VendorThrottled,
)
from integrations.core.texts import storable
from integrations.highlevel.errors import AccessTokenRejected, Unexplained401, UnknownRefusal
from integrations.highlevel.http import error_rows
from integrations.highlevel.http.error_rows import ErrorRow
from integrations.highlevel.http.transport import Response

MESSAGES_SHOWN = 10
TEXT_READ = 2_000  # bytes of a refusal that is not JSON
CLIENT_ERRORS = range(400, 500)
NOT_IMPLEMENTED = 501

ROWS = (
    ErrorRow(
        (401, 403),
        r"authclass type is not allowed|authclass is not yet supported|user type mismatch",
        OtherAccount,
        "wrong_kind",
        "this operation takes another kind of credential (a company's where a location's was sent, or the reverse): "
        "call it for the other one",
        "logs of live calls in public projects: an agency's OAuth or private token on a location's operation; "
        "that IAM is to be configured is HighLevel's word to its own developers",
    ),
    ErrorRow(
        (401, 403),
        r"not yet supported by the iam|update your iam config",
        RequestRejected,
        "unmapped_route",
        "HighLevel does not offer this method and path to access tokens: compare both with its documentation, because "
        "a wrong method or path gets this answer too",
        "FACTS 1.5 'API call, route without a rule'",
    ),
    ErrorRow(
        (400, 401, 403),
        r"version header (was not found|is (invalid|required|missing))",
        RequestRejected,
        "wrong_version",
        "HighLevel does not accept the Version header of this call",
        "FACTS 1.5 'API call, no Version header'",
    ),
    ErrorRow(
        (401, 403),
        r"no (conversation )?provider found",
        UnknownRefusal,
        "provider_not_ready",
        "HighLevel has not handed the message to its conversation provider yet: try again in some seconds",
        "FACTS 1.5 'Status of a message, set too early'",
    ),
    ErrorRow(
        (401, 403),
        r"not authorized for this scope",
        ScopeMissing,
        "scope_missing",
        "the grant lacks a scope of this operation: add it to the app and connect the account again",
        "FACTS 1.5 'API call, scope missing' (live fixture)",
    ),
    ErrorRow(
        CLIENT_ERRORS,
        r"location is not active",
        LocationInactive,
        "location_inactive",
        "the location is paused, unpaid or closed: its tokens work again once HighLevel reactivates it",
        "FACTS 1.5 'Location paused / SaaS unpaid / agency inactive'",
    ),
    ErrorRow(
        (403,),
        r"does not have access to this (location|company)",
        OtherAccount,
        "wrong_location",
        "the token belongs to another account than the requested one",
        "FACTS 1.5 'Token for another location'",
    ),
    ErrorRow(
        (401,),
        r"invalid private integration token",
        AccessTokenRejected,
        "private_token_invalid",
        "the private integration token was rotated or deleted",
        "FACTS 1.5 'API call, private token rotated or deleted'",
    ),
    ErrorRow(
        (401,),
        r"api key is invalid|switch to the new api token",
        AccessTokenRejected,
        "api_key_invalid",
        "the API 1.0 key is not one, or no longer",
        "FACTS 1.5 'API 1.0 call, bad key'",
    ),
    ErrorRow(
        (401,),
        r"invalid token|invalid jwt|(jwt|token) (is |has )?(been )?expired",
        AccessTokenRejected,
        "token_invalid",
        "the access token is expired or invalid",
        "FACTS 1.5 'API call, bad or expired token'",
    ),
    ErrorRow(
        (401,),
        r"",
        Unexplained401,
        "unlisted_401",
        "HighLevel answered 401 in words that do not blame the access token",
        "FACTS 1.9: what an uninstall does to tokens is not documented, expect 401",
    ),
    ErrorRow(
        CLIENT_ERRORS,
        r"not available in api version|endpoint has been removed",
        RequestRejected,
        "endpoint_removed",
        "HighLevel removed this operation: rebuild the catalogue and use its successor",
        "FACTS 1.5 'Endpoint removed in v3', 1.9",
    ),
    ErrorRow(
        (422,),
        r"",
        RequestRejected,
        "validation",
        "HighLevel found the parameters or the body invalid",
        "FACTS 1.5 'Validation'",
    ),
    ErrorRow((404,), r"", RequestRejected, "not_found", "HighLevel has nothing at this URL", "RFC 9110 15.5.5"),
    ErrorRow(
        (408, 425),
        r"",
        UnknownRefusal,
        "try_again",
        "HighLevel asks to try again",
        "RFC 9110 15.5.9, RFC 8470",
    ),
    ErrorRow(
        (NOT_IMPLEMENTED,),
        r"",
        RequestRejected,
        "not_implemented",
        "the server does not serve this operation, and a repetition changes nothing",
        "RFC 9110 15.6.2; the sandbox answers so what it does not play",
    ),
    ErrorRow(CLIENT_ERRORS, r"", RequestRejected, "unlisted", "HighLevel refused the request", "closed by default"),
)


def raise_for(response: Response, *, operation: str) -> None:
    """Returns on success; otherwise raises the error that the response stands for (see `error_for`)."""
    error = error_for(response, operation=operation)
    if error is not None:
        raise error


def error_for(response: Response, *, operation: str) -> IntegrationError | None:
    """The error of a response, or None. `vendor` has the response; `reason` is the row's."""
    if 200 <= response.status < 300:
        return _unreadable(response, operation)
    if response.status == 429:
        return _throttled(response, operation)
    if response.status >= 500 and response.status != NOT_IMPLEMENTED:
        vendor = _vendor(response)
        return ServerFault(
            "HighLevel failed to answer", retry_after=response.retry_after, vendor=vendor, operation=operation
        )
    return _refused(response, operation)


def reason_of(status: int | None, message: str) -> str:
    """The reason of a refusal that was stored: `message` begins with the advice of its row. Empty for another error."""
    rows = (row for row in ROWS if status in row.statuses and message.startswith(row.advice))
    return next((row.reason for row in rows), "")


def _vendor(response: Response, *, sentences: int = 0) -> VendorAnswer:
    """The vendor's refusal, with up to `sentences` of its sentences."""
    body = _error_body(response)
    return error_rows.vendor_answer(
        response.status, body, trace_id=response.trace_id, sentences=sentences, headers=response.headers
    )


def _unreadable(response: Response, operation: str) -> IntegrationError | None:
    """The error for a 2xx that should hold JSON and does not: a proxy's page, or a truncated response."""
    expects_json = response.content_type in ("", "text/html") or response.content_type.endswith("json")
    if response.json is not None or not response.body or not expects_json or response.body.strip() == b"null":
        return None
    vendor = error_rows.vendor_answer(response.status, None, trace_id=response.trace_id, headers=response.headers)
    return Unreachable("the answer is not JSON", sent=True, vendor=vendor, operation=operation)


def _error_body(response: Response) -> Any:
    """The vendor's error body, sometimes plain text. An HTML page comes from a proxy and counts as empty."""
    return _text(response) if response.content_type == "text/plain" else response.json


def _text(response: Response) -> str:
    return storable(response.body[:TEXT_READ].decode(errors="replace"))


def _throttled(response: Response, operation: str) -> IntegrationError:
    """The error for a 429. Burst and day limits both give 429; `daily-remaining` 0 means the day (FACTS section 4)."""
    spent = response.rate.day_is_spent
    wait_ms = response.rate.daily_reset_ms if spent else response.rate.interval_ms
    wait = response.retry_after if wait_ms is None or response.retry_after is not None else wait_ms / 1000
    window = "day" if spent else "burst"
    return VendorThrottled(
        f"HighLevel's {window} quota for this resource is used up",
        retry_after=wait,
        window=window,
        vendor=_vendor(response),
        operation=operation,
    )


def _refused(response: Response, operation: str) -> IntegrationError:
    row = error_rows.first_match(ROWS, response.status, response.json or _text(response))
    if row is None:
        return RequestRejected(
            "HighLevel redirects this call; redirects are not followed",
            vendor=_vendor(response),
            operation=operation,
            reason="redirect",
        )
    vendor = _vendor(response, sentences=MESSAGES_SHOWN if row.reason == "validation" else 0)
    if issubclass(row.kind, Retryable):
        return row.kind(
            row.advice, retry_after=response.retry_after, vendor=vendor, operation=operation, reason=row.reason
        )
    return row.kind(row.advice, vendor=vendor, operation=operation, reason=row.reason)
