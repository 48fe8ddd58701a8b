"""The token endpoint: what it gives, to whom, how refresh tokens rotate, and its exact refusals in both dialects."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Start
from tests.sandbox.journey import DEFAULTS, REDIRECT, SCOPES, V3, Journey, app_id, claims

OLD_BAD = {"error": "invalid_grant", "error_description": "This refresh token is invalid"}
INACTIVE = {"statusCode": 400, "message": "Location is not active"}


def test_a_location_install_gives_exactly_the_captured_fields(journey: Journey) -> None:
    answer = journey.install_location()
    assert list(answer) == [
        "access_token", "token_type", "expires_in", "refresh_token", "scope", "refreshTokenId", "userType",
        "companyId", "locationId", "isBulkInstallation", "userId",
    ]  # fmt: skip
    assert answer["expires_in"] == 86_399
    assert answer["userType"] == "Location"
    assert answer["locationId"] == journey.locations[0]
    assert answer["isBulkInstallation"] is False
    assert answer["scope"] == SCOPES


def test_a_bulk_install_gives_a_company_token_without_location(journey: Journey) -> None:
    answer = journey.install_company(all_locations="on", future_locations="on")
    assert "locationId" not in answer
    assert "approvedLocations" not in answer
    assert answer["userType"] == "Company"
    flags = ("isBulkInstallation", "installToFutureLocations", "approveAllLocations")
    assert [answer[name] for name in flags] == [True, True, True]


def test_an_agency_install_is_a_company_token_that_is_not_bulk(journey: Journey) -> None:
    answer = journey.exchange(journey.consent({"mode": "agency"})["code"][0])
    assert (answer["userType"], answer["isBulkInstallation"]) == ("Company", False)


def test_access_tokens_look_like_the_vendors(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    found = claims(token)
    assert found["authClass"] == "Location"
    assert found["authClassId"] == journey.locations[0]
    assert found["source"] == "INTEGRATION"
    assert found["sourceId"] == DEFAULTS.client_id
    assert found["oauthMeta"]["scopes"] == SCOPES.split()
    assert len(token) > 800


def test_a_code_works_once(journey: Journey) -> None:
    code = journey.consent({"mode": "location", "location": journey.locations[0]})["code"][0]
    journey.exchange(code)
    again = journey.token(grant_type="authorization_code", code=code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_code_does_not_live_for_ever(journey: Journey) -> None:
    code = journey.consent({"mode": "location", "location": journey.locations[0]})["code"][0]
    journey.advance(15 * 60)
    assert journey.token(grant_type="authorization_code", code=code).status_code == 400


def test_a_code_belongs_to_its_redirect_uri(journey: Journey) -> None:
    code = journey.consent({"mode": "location", "location": journey.locations[0]})["code"][0]
    other = REDIRECT.replace("127.0.0.1", "localhost")
    assert journey.token(grant_type="authorization_code", code=code, redirect_uri=other).status_code == 400


def test_strict_rotation_takes_a_refresh_token_once(start: Start) -> None:
    journey = start(rotation="strict")
    first = journey.install_location()["refresh_token"]
    second = journey.refresh(first).json()["refresh_token"]
    again = journey.refresh(first)
    assert (again.status_code, again.json()) == (400, OLD_BAD)
    assert journey.refresh(second).status_code == 200


def test_within_30_seconds_the_same_refresh_token_returns_the_same_successor(journey: Journey) -> None:
    first = journey.install_location()["refresh_token"]
    second = journey.refresh(first).json()
    journey.advance(29)
    repeated = journey.refresh(first).json()
    assert repeated["refresh_token"] == second["refresh_token"]
    assert repeated["refreshTokenId"] == second["refreshTokenId"]
    assert journey.contacts(second["access_token"]).status_code == 200
    assert journey.contacts(repeated["access_token"]).status_code == 200


def test_the_third_use_is_refused_even_then(journey: Journey) -> None:
    """As it was measured (FACTS 1.4); the successor lives on."""
    first = journey.install_location()["refresh_token"]
    second = journey.refresh(first).json()["refresh_token"]
    assert journey.refresh(first).json()["refresh_token"] == second
    assert journey.refresh(first).json() == OLD_BAD
    assert journey.refresh(second).status_code == 200


def test_after_30_seconds_a_used_refresh_token_is_invalid_and_its_successor_lives(journey: Journey) -> None:
    first = journey.install_location()["refresh_token"]
    second = journey.refresh(first).json()["refresh_token"]
    journey.advance(31)
    assert journey.refresh(first).json() == OLD_BAD
    assert journey.refresh(second).status_code == 200


def test_lenient_rotation_always_accepts(start: Start) -> None:
    journey = start(rotation="lenient")
    first = journey.install_location()["refresh_token"]
    seen = {journey.refresh(first).json()["refresh_token"]}
    journey.advance(3600)
    seen.add(journey.refresh(first).json()["refresh_token"])
    assert len(seen) == 2


def test_an_unused_refresh_token_lives_a_year(journey: Journey) -> None:
    token = journey.install_location()["refresh_token"]
    journey.advance(364 * 86_400)
    token = journey.refresh(token).json()["refresh_token"]
    journey.advance(366 * 86_400)
    assert journey.refresh(token).json() == OLD_BAD


def test_an_access_token_expires(journey: Journey) -> None:
    answer = journey.install_location()
    journey.advance(answer["expires_in"] + 1)
    refused = journey.contacts(answer["access_token"])
    assert refused.status_code == 401
    assert refused.json() == {
        "statusCode": 401,
        "message": "Invalid token: access token is invalid",
        "error": "Unauthorized",
    }


def test_long_dead_access_tokens_are_forgotten(journey: Journey) -> None:
    answer = journey.install_location()
    journey.advance(answer["expires_in"] * 2 + 1)
    fresh = journey.refresh(answer["refresh_token"]).json()
    assert journey.sandbox.platform
    assert set(journey.sandbox.platform.tokens.access) == {fresh["access_token"]}


def test_a_paused_locations_refresh_token_works_again_after_it(journey: Journey) -> None:
    answer = journey.install_location()
    journey.http.post(f"/sandbox/locations/{journey.locations[0]}/pause")
    refused = journey.refresh(answer["refresh_token"])
    assert (refused.status_code, refused.json()) == (400, INACTIVE)
    assert 400 <= journey.contacts(answer["access_token"]).status_code < 500
    journey.http.post(f"/sandbox/locations/{journey.locations[0]}/resume")
    assert journey.refresh(answer["refresh_token"]).status_code == 200


def test_a_wrong_secret_and_a_revoked_grant_read_alike(journey: Journey) -> None:
    token = journey.install_location()["refresh_token"]
    wrong = journey.token(grant_type="refresh_token", refresh_token=token, client_secret="no")
    journey.http.post(f"/sandbox/locations/{journey.locations[0]}/uninstall")
    revoked = journey.refresh(token)
    assert wrong.status_code == revoked.status_code == 401
    assert wrong.json() == revoked.json()
    assert wrong.json()["error_description"] == "Invalid client credentials!"


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({}, 400, "grant_type"),
        ({"grant_type": "password"}, 400, "grant_type"),
        ({"grant_type": "client_credentials"}, 400, "grant_type"),
        ({"grant_type": "refresh_token"}, 400, "refresh_token"),
        ({"grant_type": "refresh_token", "refresh_token": ""}, 422, "refresh_token"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "Invalid refresh token"),
        ({"grant_type": "refresh_token", "refresh_token": "eyJ.a.b"}, 400, "This refresh token is invalid"),
        ({"grant_type": "authorization_code"}, 400, "code"),
        ({"grant_type": "authorization_code", "code": "no"}, 400, "authorization code is invalid"),
        ({"grant_type": "authorization_code", "code": "no", "user_type": "Agency"}, 400, "user_type"),
    ],
)
def test_refusals_in_api_2(journey: Journey, fields: dict[str, str], status: int, text: str) -> None:
    answer = journey.token(**fields)
    assert answer.status_code == status
    assert text in answer.text
    assert journey.state()["token_requests"] == {"refused": 1}


def test_a_refresh_must_name_the_user_type_that_was_issued(journey: Journey) -> None:
    token = journey.install_location()["refresh_token"]
    fields = {"grant_type": "refresh_token", "refresh_token": token}
    assert journey.token(**fields, user_type="Company").status_code == 400
    assert journey.token(**fields, user_type="Location").status_code == 200


def test_api_2_does_not_read_json(journey: Journey) -> None:
    fields = {"client_id": DEFAULTS.client_id, "client_secret": DEFAULTS.client_secret}
    answer = journey.http.post("/oauth/token", json={**fields, "grant_type": "refresh_token"})
    assert answer.json()["error_description"] == "Missing parameter: client_id"


@pytest.mark.parametrize("encoding", ["data", "json"])
def test_v3_speaks_camel_case(journey: Journey, encoding: str) -> None:
    token = journey.install_location()["refresh_token"]
    fields = {
        "clientId": DEFAULTS.client_id,
        "clientSecret": DEFAULTS.client_secret,
        "grantType": "refresh_token",
        "refreshToken": token,
    }
    answer = journey.http.post("/oauth/token", headers=V3, **{encoding: fields})
    assert answer.status_code == 200
    body = answer.json()
    assert {"accessToken", "tokenType", "expiresIn", "refreshToken", "scope", "userType"} <= set(body)
    assert not any("_" in name for name in body)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clientId": ""}, "Missing parameter: clientId"),
        ({"grantType": "no"}, "Invalid parameter: grantType"),
        ({"refreshToken": "eyJ.a.b"}, "Invalid grant: refresh token is invalid"),
    ],
)
def test_v3_refusals(journey: Journey, change: dict[str, str], message: str) -> None:
    fields = {
        "clientId": DEFAULTS.client_id,
        "clientSecret": DEFAULTS.client_secret,
        "grantType": "refresh_token",
        "refreshToken": "eyJ.a.b",
    }
    answer = journey.http.post("/oauth/token", headers=V3, data={**fields, **change})
    assert (answer.status_code, answer.json()) == (400, {"statusCode": 400, "message": message})


def test_v3_tells_of_a_paused_location_and_a_wrong_secret(journey: Journey) -> None:
    token = journey.install_location()["refresh_token"]
    fields = {"clientId": DEFAULTS.client_id, "grantType": "refresh_token", "refreshToken": token}
    journey.http.post(f"/sandbox/locations/{journey.locations[0]}/pause")
    right = {**fields, "clientSecret": DEFAULTS.client_secret}
    assert journey.http.post("/oauth/token", headers=V3, data=right).json() == INACTIVE
    wrong = journey.http.post("/oauth/token", headers=V3, data={**fields, "clientSecret": "no"})
    assert wrong.status_code == 401
    assert "error_description" not in wrong.json()


def test_token_requests_use_no_quota_and_are_counted_by_grant(journey: Journey) -> None:
    answer = journey.install_location()
    refreshed = journey.refresh(answer["refresh_token"])
    assert not any(name.lower().startswith("x-ratelimit") for name in refreshed.headers)
    assert journey.state()["quota"] == {}
    assert journey.state()["token_requests"] == {"authorization_code": 1, "refresh_token": 1}


def test_the_app_id_is_the_client_ids_first_part(journey: Journey) -> None:
    company = journey.install_company()
    minted = journey.mint(company["access_token"], journey.locations[0]).json()
    assert minted["appId"] == app_id() == minted["versionId"]
