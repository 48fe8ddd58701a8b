"""Each row of the vendor's table of refused refreshes (FACTS 1.5), in both dialects: what our row says afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import (
    ClientRejected,
    GrantRevoked,
    IntegrationError,
    LocationInactive,
    QuotaExhausted,
    RequestRejected,
    ServerFault,
    Unreachable,
)
from integrations.core.models import AuditEntry
from integrations.highlevel.errors import UnknownRefusal
from integrations.tenants.models import App
from integrations.tokens import seals
from integrations.tokens.admin_pages.reconnect_link import reconnect_url
from integrations.tokens.models import Credential
from integrations.tokens.refresh.claim_call_swap import refresh
from tests.plugin.vendor import Vendor
from tests.tokens.rows import let_pass

State = Credential.State
NEVER = None


@dataclass(frozen=True)
class Case:
    name: str
    status: int
    body: Any
    error: type[IntegrationError]
    due: tuple[float, float] | None  # seconds from now
    state: str = State.ACTIVE
    entry: str | None = None  # the audit entry
    lost: bool = False  # the vendor may have acted


MINUTE, HOUR = 60.0, 3600.0
SOON = (0.0, 5.0)
REPEATED = (7.0, 8.0)
SLOW = (4 * HOUR, 8 * HOUR)
HALF_AN_HOUR = (20 * MINUTE, 40 * MINUTE)

CASES = [
    Case(
        "token dead, API 2.0",
        400,
        {"error": "invalid_grant", "error_description": "This refresh token is invalid"},
        GrantRevoked,
        NEVER,
        State.NEEDS_RECONNECT,
        "token.needs_reconnect",
    ),
    Case(
        "token dead, v3",
        400,
        {"statusCode": 400, "message": "Invalid grant: refresh token is invalid"},
        GrantRevoked,
        NEVER,
        State.NEEDS_RECONNECT,
        "token.needs_reconnect",
    ),
    Case(
        "malformed refresh token",
        400,
        {"error": "invalid_request", "error_description": "Invalid refresh token"},
        GrantRevoked,
        NEVER,
        State.NEEDS_RECONNECT,
        "token.needs_reconnect",
    ),
    Case(
        "empty refresh token",
        422,
        {"statusCode": 422, "message": ["refresh_token should not be empty"], "error": "Unprocessable Entity"},
        GrantRevoked,
        NEVER,
        State.NEEDS_RECONNECT,
        "token.needs_reconnect",
    ),
    Case(
        "location paused",
        400,
        {"statusCode": 400, "message": "Location is not active"},
        LocationInactive,
        SLOW,
        State.SUSPENDED,
    ),
    Case(
        "wrong client, or authorization revoked",
        401,
        {"error": "UnAuthorized!", "error_description": "Invalid client credentials!"},
        ClientRejected,
        HALF_AN_HOUR,
        entry="token.refresh_refused",
    ),
    Case(
        "our client parameter, v3",
        400,
        {"statusCode": 400, "message": "Missing parameter: clientId"},
        ClientRejected,
        (4 * MINUTE, 6 * MINUTE),
        entry="app.halted",
    ),
    Case(
        "another parameter, v3",
        400,
        {"statusCode": 400, "message": "Invalid parameter: grantType"},
        RequestRejected,
        SLOW,
        entry="token.refresh_refused",
    ),
    Case(
        "endpoint removed",
        400,
        {"message": "Endpoint POST /oauth/token not available in API version v3. It was removed in version v3."},
        RequestRejected,
        SLOW,
        entry="token.refresh_refused",
    ),
    Case("limited", 429, {"statusCode": 429, "message": "Too Many Requests"}, QuotaExhausted, SOON),
    Case("their fault", 500, {"statusCode": 500, "message": "Internal server error"}, ServerFault, REPEATED, lost=True),
    Case("gateway", 502, "<html>502 Bad Gateway</html>", ServerFault, REPEATED, lost=True),
    Case(
        "never seen before",
        409,
        {"statusCode": 409, "message": "The moon is in the wrong house"},
        UnknownRefusal,
        SOON,
        entry="token.refresh_refused",
    ),
    Case("success without a token", 200, {"token_type": "Bearer"}, Unreachable, REPEATED, lost=True),
]


@pytest.fixture(params=["v2", "v3"])
def spoken(request: pytest.FixtureRequest, app: App, location: Credential) -> Credential:
    App.objects.filter(pk=app.pk).update(dialect=request.param)
    location.refresh_from_db()
    return location


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_a_refused_refresh_makes_of_its_row(spoken: Credential, vendor: Vendor, case: Case) -> None:
    vendor.fault("/oauth/token", "status", status=case.status, body=case.body)
    began = clock.now()
    with pytest.raises(case.error):
        refresh(spoken.pk)

    row = Credential.objects.get(pk=spoken.pk)
    assert (row.state, row.generation, row.failures) == (case.state, spoken.generation, 1)
    assert (row.last_error_code, row.last_error_at is not None) == (case.error.code, True)
    assert row.last_error
    assert row.refresh_sealed is not None, "whatever it was, the token is kept"
    if case.due is None:
        assert row.refresh_due_at is None
    else:
        assert row.refresh_due_at is not None
        wait = (row.refresh_due_at - began).total_seconds()
        assert case.due[0] <= wait <= case.due[1] + 2
    assert (row.intent_generation == row.generation) is case.lost, (
        "the intent stands when the answer was lost, only then"
    )
    assert bool(row.reason) == (case.state != State.ACTIVE)
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ([case.entry] if case.entry else [])


@pytest.mark.parametrize("case", [case for case in CASES if case.state == State.ACTIVE], ids=lambda case: case.name)
def test_what_passes_is_healed_by_the_next_refresh(spoken: Credential, vendor: Vendor, case: Case) -> None:
    vendor.fault("/oauth/token", "status", status=case.status, body=case.body)
    with pytest.raises(case.error):
        refresh(spoken.pk)
    let_pass(spoken)

    row = refresh(spoken.pk, forced=True)

    assert (row.state, row.failures, row.last_error, row.last_error_code) == (State.ACTIVE, 0, "", "")
    assert row.generation == spoken.generation + 1
    row.app.refresh_from_db()
    assert row.app.halted_at is None


def test_a_lost_answer_backs_off_once_the_grace_is_over(location: Credential, vendor: Vendor) -> None:
    vendor.fault("/oauth/token", "lost", times=2)
    with pytest.raises(Unreachable):
        refresh(location.pk)
    long_ago = clock.now() - timedelta(seconds=31)
    Credential.objects.filter(pk=location.pk).update(intent_at=long_ago, lease_until=long_ago)
    with pytest.raises(Unreachable):
        refresh(location.pk)
    location.refresh_from_db()
    assert (location.lease_until, location.failures) == (None, 2)
    assert location.refresh_due_at is not None


def test_many_unknown_refusals_of_one_app_are_reported_once(
    location: Credential, neighbour: Credential, vendor: Vendor
) -> None:
    vendor.fault("/oauth/token", "status", status=418, body={"message": "a teapot"}, times=4)
    for row in (location, neighbour, location, neighbour):
        with pytest.raises(UnknownRefusal):
            refresh(row.pk)
    entry = AuditEntry.objects.get(action="token.refresh_refused")
    assert (entry.detail["status"], entry.detail["vendor_message"]) == (418, "a teapot")


def test_needs_reconnect_says_why_and_where(location: Credential, vendor: Vendor) -> None:
    vendor.fault("/oauth/token", "status", status=400, body={"error": "invalid_grant"})
    with pytest.raises(GrantRevoked):
        refresh(location.pk)
    location.refresh_from_db()
    assert "connected again" in location.reason
    assert reconnect_url(location) == f"https://app.example.com/install/?app={location.app.highlevel_id}"


@pytest.mark.parametrize("dialect", ["v2", "v3"])
def test_an_answer_may_lack_expiry_and_refresh_token(location: Credential, vendor: Vendor, dialect: str) -> None:
    App.objects.filter(pk=location.app_id).update(dialect=dialect)
    name = "access_token" if dialect == "v2" else "accessToken"
    body = {name: "an-access-token", "userType": "Location", "locationId": location.resource_id}
    vendor.fault("/oauth/token", "status", status=200, body=body)

    row = refresh(location.pk)

    assert row.expires_at is not None
    assert timedelta(hours=23) < row.expires_at - clock.now() <= timedelta(hours=24)
    assert refresh(row.pk).generation == row.generation + 1, "the old refresh token stays in force (RFC 6749, 6)"


@pytest.mark.parametrize(
    "odd",
    [
        {"userType": "Company", "locationId": "abc"},
        {"userType": "Robot"},
        {"token_type": "MAC"},
        {"userType": "Location", "locationId": "somebody-else"},
    ],
    ids=["contradicts itself", "unknown type", "no bearer token", "another tenant's"],
)
def test_a_good_pair_with_odd_labels_is_kept_and_reported_once(
    location: Credential, neighbour: Credential, vendor: Vendor, odd: dict[str, str]
) -> None:
    """The old pair is spent, and the row knows its tenant."""
    for row in (location, neighbour):
        body = {"access_token": "new-access", "refresh_token": "new-refresh", "expires_in": 86_399, **odd}
        vendor.fault("/oauth/token", "status", status=200, body=body)
        renewed = refresh(row.pk)
        assert (renewed.generation, renewed.resource_id) == (row.generation + 1, row.resource_id)
        assert seals.refresh_token(renewed).reveal() == "new-refresh"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.detail["tenant"]) == ("token.odd_answer", location.tenant.audit_subject)
