"""What every API request passes: token, version, level, scope and location, with the vendor's bodies."""

from __future__ import annotations

import pytest

from tests.sandbox.journey import V2, V3, Journey, bearer


def test_no_token_and_a_made_up_one_are_distinguished(journey: Journey) -> None:
    assert journey.contacts("nonsense").json() == {"statusCode": 401, "message": "Invalid JWT"}
    made_up = journey.contacts("eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
    assert made_up.json()["message"] == "Invalid token: access token is invalid"
    assert journey.http.get("/contacts/x", headers=V2).status_code == 401


def test_a_missing_scope_is_a_401_of_its_own(journey: Journey) -> None:
    code = journey.consent({"mode": "location", "location": journey.locations[0]}, scope="users.readonly")
    refused = journey.contacts(journey.exchange(code["code"][0])["access_token"])
    assert refused.status_code == 401
    assert refused.json() == {"statusCode": 401, "message": "The token is not authorized for this scope."}


def test_another_locations_data_is_a_403(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    body = {"statusCode": 403, "message": "The token does not have access to this location."}
    for refused in (
        journey.contacts(token, journey.locations[1]),
        journey.http.get(f"/locations/{journey.locations[1]}/tags", headers={**bearer(token), **V2}),
    ):
        assert refused.status_code in (401, 403)
    assert journey.contacts(token, journey.locations[1]).json() == body
    both = journey.http.post(
        f"/contacts/?locationId={journey.locations[0]}",
        json={"locationId": journey.locations[1], "email": "a@example.com"},
        headers={**bearer(token), **V2},
    )
    assert (both.status_code, both.json()) == (403, body)


def test_a_company_token_is_not_a_location_token(journey: Journey) -> None:
    refused = journey.contacts(journey.install_company()["access_token"])
    assert refused.status_code == 401
    assert refused.json()["message"].startswith("This authClass type is not allowed")


@pytest.mark.parametrize("version", ["", "2020-01-01", "2021-04-15"])
def test_a_wrong_version_is_a_400(journey: Journey, version: str) -> None:
    token = journey.install_location()["access_token"]
    headers = {**bearer(token), **({"Version": version} if version else {})}
    answer = journey.http.post("/contacts/search", json={}, headers=headers)
    assert answer.status_code == 400
    assert "version header" in answer.json()["message"]


@pytest.mark.parametrize("version", ["2021-07-28", "2023-02-21", "v3"])
def test_the_versions_the_sdks_send_are_taken(journey: Journey, version: str) -> None:
    token = journey.install_location()["access_token"]
    body = {"locationId": journey.locations[0], "pageLimit": 1, "page": 1}
    answer = journey.http.post("/contacts/search", json=body, headers={**bearer(token), "Version": version})
    assert answer.status_code == 200


def test_paths_of_one_version_only(journey: Journey) -> None:
    headers = bearer(journey.install_company()["access_token"])
    removed = journey.http.get("/oauth/installedLocations", headers={**headers, **V3})
    assert removed.status_code == 400
    assert "removed in version v3" in removed.json()["message"]
    too_new = journey.http.get("/oauth/installed-locations", headers={**headers, **V2})
    assert (too_new.status_code, too_new.json()["message"]) == (404, "Cannot GET /oauth/installed-locations")


def test_unknown_paths_answer_in_json(journey: Journey) -> None:
    answer = journey.http.get("/no/such/path")
    assert (answer.status_code, answer.json()["message"]) == (404, "Cannot GET /no/such/path")
    assert journey.http.get("/oauth/token").status_code == 404


def test_answers_carry_a_trace_id(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    first, second = journey.contacts(token).json(), journey.contacts(token).json()
    assert first["traceId"] != second["traceId"]
    missing = journey.http.get("/contacts/nobody", headers={**bearer(token), **V2})
    assert missing.status_code >= 400
    assert missing.json()["traceId"]


def test_a_body_that_is_not_json_is_a_400(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    headers = {**bearer(token), **V2, "Content-Type": "application/json"}
    assert journey.http.post("/contacts/search", content=b"{", headers=headers).status_code == 400


def test_a_path_works_with_and_without_its_last_slash(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    for number, path in enumerate(("/contacts", "/contacts/")):
        body = {"locationId": journey.locations[0], "email": f"new-{number}@example.com"}
        answer = journey.http.post(path, json=body, headers={**bearer(token), **V2})
        assert answer.status_code in (200, 201), answer.text
