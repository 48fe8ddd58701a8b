"""Every row of the token table with the body it was made for, in both dialects."""

from __future__ import annotations

import pytest

from integrations.core import errors
from integrations.highlevel.errors import UnknownRefusal
from integrations.highlevel.oauth import oauth_errors

# (status, body as captured or specified, error, reason); sources: FACTS 1.5 in this order.
CAPTURED = [
    (
        400,
        {"error": "invalid_grant", "error_description": "This refresh token is invalid"},
        errors.GrantRevoked,
        "grant_refused",
    ),
    (
        400,
        {"statusCode": 400, "message": "Invalid grant: refresh token is invalid"},
        errors.GrantRevoked,
        "grant_refused",
    ),
    (
        400,
        {"error": {"code": "INVALID_GRANT", "message": "Invalid grant"}},
        errors.GrantRevoked,
        "grant_refused",
    ),
    (
        400,
        {"statusCode": 400, "message": "Missing parameter: clientId"},
        errors.ClientRejected,
        "client_invalid",
    ),
    (
        400,
        {"statusCode": 400, "message": "Missing parameter: client_secret"},
        errors.ClientRejected,
        "client_invalid",
    ),
    (401, {"error": "invalid_client"}, errors.ClientRejected, "client_invalid"),
    (
        400,
        {"statusCode": 400, "message": "Invalid parameter: grantType"},
        errors.RequestRejected,
        "parameter",
    ),
    (
        400,
        {"statusCode": 400, "message": "Missing parameter: refreshToken"},
        errors.GrantRevoked,
        "refresh_token_missing",
    ),
    (
        400,
        {"statusCode": 400, "message": "Location is not active"},
        errors.LocationInactive,
        "location_inactive",
    ),
    (
        400,
        {"error": "invalid_grant", "error_description": "Location is not active"},
        errors.LocationInactive,
        "location_inactive",
    ),
    (400, "Location is not active", errors.LocationInactive, "location_inactive"),
    (
        401,
        {"error": "UnAuthorized!", "error_description": "Invalid client credentials!"},
        errors.ClientOrGrantRejected,
        "client_or_authorization",
    ),
    (
        401,
        {"statusCode": 401, "message": "Invalid refresh token"},
        errors.GrantRevoked,
        "refresh_token_malformed",
    ),
    (
        400,
        {"error": "Bad Request", "error_description": "Invalid refresh token"},
        errors.GrantRevoked,
        "refresh_token_malformed",
    ),
    (
        422,
        {
            "statusCode": 422,
            "message": ["refresh_token should not be empty"],
            "error": "Unprocessable Entity",
        },
        errors.GrantRevoked,
        "refresh_token_missing",
    ),
    (
        422,
        {"statusCode": 422, "message": ["refreshToken should not be empty"]},
        errors.GrantRevoked,
        "refresh_token_missing",
    ),
    (
        400,
        {"message": "Endpoint ... not available in API version v3. This endpoint was removed."},
        errors.RequestRejected,
        "endpoint_removed",
    ),
    (400, {"message": "API endpoint has been removed"}, errors.RequestRejected, "endpoint_removed"),
]


@pytest.mark.parametrize(("status", "body", "kind", "reason"), CAPTURED)
def test_a_captured_refusal_is_known(status, body, kind, reason):
    error = oauth_errors.classify(status, body, operation="oauth.refresh")
    assert type(error) is kind
    assert error.context["reason"] == reason
    assert error.context["status"] == status
    assert error.context["operation"] == "oauth.refresh"


def test_every_row_has_a_captured_body_and_a_source():
    assert {row.reason for row in oauth_errors.ROWS} == {reason for *_, reason in CAPTURED}
    assert all(row.source for row in oauth_errors.ROWS)


def test_only_the_ambiguous_row_says_so():
    ambiguous = errors.ClientOrGrantRejected
    marked = {
        reason for status, body, _, reason in CAPTURED if isinstance(oauth_errors.classify(status, body), ambiguous)
    }
    assert marked == {"client_or_authorization"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"message": "something new"}),
        (403, {"message": "Forbidden"}),
        (422, {"message": ["userType must be one of Company, Location"]}),
        (404, "<html>Not Found</html>"),
        (418, None),
        (302, ""),
        (401, {"message": "Unauthorized"}),
        (400, {"message": "Invalid grant type"}),
    ],
)
def test_what_no_row_knows_kills_no_grant(status, body):
    error = oauth_errors.classify(status, body)
    assert type(error) is UnknownRefusal
    assert isinstance(error, errors.Retryable)
    assert error.code == "unknown_refusal"


@pytest.mark.parametrize(
    ("status", "kind"), [(429, errors.VendorThrottled), (500, errors.ServerFault), (503, errors.ServerFault)]
)
def test_load_and_faults_are_transient_whatever_they_say(status, kind):
    error = oauth_errors.classify(status, {"error": "invalid_grant"}, retry_after=7.0)
    assert type(error) is kind
    assert error.retry_after == 7.0


def test_the_vendors_words_are_kept_without_tokens():
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdef"
    error = oauth_errors.classify(400, {"message": f"bad token {token} given", "traceId": "t-9"})
    assert error.context["vendor_message"] == "bad token … given"
    assert error.context["trace_id"] == "t-9"
    assert token not in repr(error.context)


def test_a_body_without_end_costs_no_stack():
    body: object = "invalid_grant"
    for _ in range(100_000):
        body = [body]
    assert type(oauth_errors.classify(400, body)) is UnknownRefusal


@pytest.mark.slow
def test_what_looks_like_a_secret_is_looked_for_nearby():
    """Each word would be read to the end of the text for a digit: minutes."""
    error = oauth_errors.classify(400, {"message": "token:" * 100_000})
    assert error.context["vendor_message"] == ("token:" * 100)[:200]
