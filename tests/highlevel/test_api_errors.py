"""Every row of the API table with its captured body, and the answers no row may swallow."""

from __future__ import annotations

import json
import pickle

import pytest

from integrations.core import errors
from integrations.highlevel.errors import AccessTokenRejected, Unexplained401, UnknownRefusal
from integrations.highlevel.http import api_errors
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.highlevel.http.transport import Response


def answer(status: int, body: object = None, *, text: bytes | None = None, **more) -> Response:
    raw = text if text is not None else (b"" if body is None else json.dumps(body).encode())
    fields = {
        "content_type": "application/json",
        "rate": RateSnapshot(),
        "retry_after": None,
        "trace_id": "t-1",
        "sent_at": 1.0,
        "received_at": 1.2,
    }
    return Response(status=status, json=body, body=raw, **{**fields, **more})


WRONG_KIND = "This authClass type is not allowed to access this scope."
UNMAPPED = "This route is not yet supported by the IAM Service. Please update your IAM config."
WRONG_KIND_IS = (errors.OtherAccount, "wrong_kind")

# (status, message, error, reason); bodies as FACTS 1.5 has them, the 404 in v3's envelope.
CAPTURED = [
    (400, "Location is not active", errors.LocationInactive, "location_inactive"),
    (401, "Invalid token: access token is invalid", AccessTokenRejected, "token_invalid"),
    (401, "Invalid JWT", AccessTokenRejected, "token_invalid"),
    (401, "The token is not authorized for this scope.", errors.ScopeMissing, "scope_missing"),
    (401, f"{WRONG_KIND} Please verify your IAM configuration if this is not the case.", *WRONG_KIND_IS),
    (401, f"{WRONG_KIND} Please reach out to the HighLevel API team to update your IAM config.", *WRONG_KIND_IS),
    (401, "Token's user type mismatch!", *WRONG_KIND_IS),
    (401, "E-102. This AuthClass is not yet supported!", *WRONG_KIND_IS),
    (401, UNMAPPED, errors.RequestRejected, "unmapped_route"),
    (403, UNMAPPED, errors.RequestRejected, "unmapped_route"),
    (401, "version header was not found.", errors.RequestRejected, "wrong_version"),
    (401, "version header is invalid", errors.RequestRejected, "wrong_version"),
    (401, "No conversation provider found for this message", UnknownRefusal, "provider_not_ready"),
    (403, "No conversation provider found for this message", UnknownRefusal, "provider_not_ready"),
    (401, "Invalid Private Integration token", AccessTokenRejected, "private_token_invalid"),
    (401, "Api key is invalid.", AccessTokenRejected, "api_key_invalid"),
    (401, "Unauthorized, Switch to the new API token.", AccessTokenRejected, "api_key_invalid"),
    (401, "jwt expired", AccessTokenRejected, "token_invalid"),
    (401, "Unauthorized", Unexplained401, "unlisted_401"),
    (401, None, Unexplained401, "unlisted_401"),
    (403, "The token does not have access to this location.", errors.OtherAccount, "wrong_location"),
    (422, ["locationId must be a string", "limit must be a number"], errors.RequestRejected, "validation"),
    (400, "Endpoint ... not available in API version v3. ...", errors.RequestRejected, "endpoint_removed"),
    (404, {"code": "RESOURCE_NOT_FOUND", "message": "No App 'abc'."}, errors.RequestRejected, "not_found"),
    (408, None, UnknownRefusal, "try_again"),
    (501, "GET /x is not in the sandbox", errors.RequestRejected, "not_implemented"),
    (400, "version header is required", errors.RequestRejected, "wrong_version"),
    (400, "pipelineId is wrong", errors.RequestRejected, "unlisted"),
]


def body_of(status: int, message: object) -> object:
    if isinstance(message, dict):
        return {"error": message}
    return message and {"statusCode": status, "message": message, "error": "Some Phrase"}


@pytest.mark.parametrize(("status", "message", "kind", "reason"), CAPTURED)
def test_a_captured_refusal_is_known(status, message, kind, reason):
    body = body_of(status, message)
    error = api_errors.error_for(answer(status, body), operation="contacts.get-contact")
    assert type(error) is kind
    assert error.context["reason"] == reason
    assert (error.context["status"], error.context["trace_id"]) == (status, "t-1")
    assert error.context["operation"] == "contacts.get-contact"
    assert pickle.loads(pickle.dumps(error)).context == error.context


def test_every_row_has_a_captured_body_and_a_source():
    assert {row.reason for row in api_errors.ROWS} == {reason for *_, reason in CAPTURED}
    assert all(row.source for row in api_errors.ROWS)


def test_the_scope_message_wins_over_the_expired_token():
    """Refreshing on it loops for ever: every refresh succeeds and the call is refused again."""
    body = {"message": "Invalid token: The token is not authorized for this scope."}
    assert type(api_errors.error_for(answer(401, body), operation="x")) is errors.ScopeMissing


def test_a_validation_answer_lists_its_messages():
    body = {
        "statusCode": 422,
        "message": [f"field {n} is wrong" for n in range(30)],
        "error": "Unprocessable Entity",
    }
    error = api_errors.error_for(answer(422, body), operation="x")
    assert error.context["details"][1:3] == ["field 0 is wrong", "field 1 is wrong"]
    assert len(error.context["details"]) == api_errors.MESSAGES_SHOWN


@pytest.mark.parametrize("status", [400, 404, 503])
def test_plain_text_is_the_vendors_word_and_a_proxys_page_is_not(status):
    text = b"no healthy\0 upstream, secret=hunter2"
    error = api_errors.error_for(answer(status, text=text, content_type="text/plain"), operation="x")
    assert error.context["vendor_message"] == "no healthy\ufffd upstream, …"
    error = api_errors.error_for(answer(status, text=b"<h1>Sorry</h1>", content_type="text/html"), operation="x")
    assert "vendor_message" not in error.context


@pytest.mark.parametrize(
    ("rate", "retry_after", "window", "wait"),
    [
        (RateSnapshot(daily_remaining=0, daily_reset_ms=3_600_000, interval_ms=10_000), None, "day", 3600.0),
        (RateSnapshot(daily_remaining=0), None, "day", None),
        (RateSnapshot(daily_remaining=5, interval_ms=10_000), None, "burst", 10.0),
        (RateSnapshot(), None, "burst", None),
        (RateSnapshot(interval_ms=10_000), 3.0, "burst", 3.0),
    ],
)
def test_day_and_burst_exhaustion_are_distinguished(rate, retry_after, window, wait):
    error = api_errors.error_for(answer(429, None, rate=rate, retry_after=retry_after), operation="x")
    assert type(error) is errors.VendorThrottled
    assert (error.context["window"], error.retry_after) == (window, wait)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520])
def test_faults_are_the_vendors(status):
    assert type(api_errors.error_for(answer(status, text=b"<html>"), operation="x")) is errors.ServerFault


def test_a_redirect_is_refused_for_good():
    error = api_errors.error_for(answer(302), operation="x")
    assert type(error) is errors.RequestRejected
    assert error.context["reason"] == "redirect"


@pytest.mark.parametrize(
    ("text", "content_type"), [(b"<html>", "text/html"), (b'{"a"', "application/json"), (b"{", "")]
)
def test_success_that_is_no_json_is_no_success(text, content_type):
    error = api_errors.error_for(answer(200, text=text, content_type=content_type), operation="x")
    assert type(error) is errors.Unreachable
    assert error.context["sent"] is True


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        (b"", "application/json"),
        (b"RIFF", "audio/x-wav"),
        (b"1,2", "text/csv"),
        (b"null", "application/json"),
    ],
)
def test_files_and_empty_answers_pass(text, content_type):
    api_errors.raise_for(answer(200, text=text, content_type=content_type), operation="x")


def test_a_plain_text_refusal_is_read_too():
    error = api_errors.error_for(answer(400, text=b"Location is not active", content_type="text/plain"), operation="x")
    assert type(error) is errors.LocationInactive


def test_no_token_echoed_by_the_vendor_is_kept():
    token = "pit-" + "0123456789abcdef" * 3
    error = api_errors.error_for(answer(422, {"message": [f"bad {token}"]}), operation="x")
    assert token not in f"{error} {error.context}"


def test_the_vendors_error_body_travels_with_the_error_but_for_its_secrets():
    body = {"code": "E1", "meta": {"wait": 30, "access_token": "short"}, "errors": ["x" * 300], "n": None}
    error = api_errors.error_for(answer(400, body), operation="x")
    assert error.vendor.body == {"code": "E1", "meta": {"wait": 30, "access_token": "…"}, "errors": ["…"], "n": None}
