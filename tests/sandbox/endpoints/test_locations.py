"""Location tokens from a company token, the list of installed locations, installer details and uninstall."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Start
from tests.sandbox.journey import SCOPES, V2, V3, Journey, app_id, bearer


def test_a_minted_token_has_the_captured_fields_and_works(journey: Journey) -> None:
    company = journey.install_company()
    answer = journey.mint(company["access_token"], journey.locations[1])
    body = answer.json()
    assert answer.status_code == 201
    assert list(body) == [
        "access_token", "token_type", "expires_in", "refresh_token", "scope", "userType", "companyId",
        "locationId", "userId", "appId", "versionId", "traceId",
    ]  # fmt: skip
    assert body["expires_in"] == 86_400
    assert set(body["scope"].split()) == set(SCOPES.split())
    assert journey.contacts(body["access_token"], journey.locations[1]).status_code == 200
    assert journey.refresh(body["refresh_token"]).json()["locationId"] == journey.locations[1]


def test_minting_adds_the_oauth_scopes(journey: Journey) -> None:
    code = journey.consent({"mode": "bulk", "all_locations": "on"}, scope="contacts.readonly oauth.write")["code"][0]
    minted = journey.mint(journey.exchange(code)["access_token"], journey.locations[0]).json()
    assert minted["scope"] == "contacts.readonly oauth.write oauth.readonly"


def test_a_second_consent_with_more_scopes_reaches_the_locations(journey: Journey) -> None:
    choice = {"mode": "bulk", "all_locations": "on"}
    journey.exchange(journey.consent(choice, scope="oauth.write")["code"][0])
    company = journey.exchange(journey.consent(choice, scope=SCOPES)["code"][0])
    minted = journey.mint(company["access_token"], journey.locations[0]).json()
    assert journey.contacts(minted["access_token"]).status_code == 200


def test_minting_in_v3(journey: Journey) -> None:
    company = journey.install_company()
    answer = journey.http.post(
        "/oauth/location-token",
        data={"companyId": journey.company, "locationId": journey.locations[0]},
        headers={**bearer(company["access_token"]), **V3},
    )
    assert {"accessToken", "expiresIn", "refreshToken", "scope", "locationId"} <= set(answer.json())


def test_minting_takes_json_too(journey: Journey) -> None:
    company = journey.install_company()
    answer = journey.http.post(
        "/oauth/locationToken",
        json={"companyId": journey.company, "locationId": journey.locations[0]},
        headers={**bearer(company["access_token"]), **V2},
    )
    assert answer.status_code == 201


def test_minting_is_refused_where_the_app_is_not(journey: Journey) -> None:
    company = journey.install_company(locations=journey.locations[:1])
    assert journey.mint(company["access_token"], journey.locations[0]).status_code == 201
    assert journey.mint(company["access_token"], journey.locations[1]).status_code == 400


def test_minting_is_refused_for_other_companies_locations(start: Start) -> None:
    journey = start(companies=2, locations=2)
    mine, other = journey.locations[:2], journey.locations[2:]
    company = journey.install_company()
    assert journey.mint(company["access_token"], mine[0]).status_code == 201
    assert journey.mint(company["access_token"], other[0]).status_code == 403


def test_minting_is_refused_for_a_paused_location(journey: Journey) -> None:
    company = journey.install_company()
    journey.http.post(f"/sandbox/locations/{journey.locations[0]}/pause")
    refused = journey.mint(company["access_token"], journey.locations[0])
    assert (refused.status_code, refused.json()["message"]) == (400, "Location is not active")


def test_minting_needs_both_ids_and_a_company_token(journey: Journey) -> None:
    company = journey.install_company()
    headers = {**bearer(company["access_token"]), **V2}
    empty = journey.http.post("/oauth/locationToken", data={}, headers=headers)
    assert empty.status_code == 422
    assert empty.json()["message"] == ["companyId must be a string", "locationId must be a string"]
    location = journey.install_location()
    assert journey.mint(location["access_token"], journey.locations[0]).status_code == 401


def test_minting_counts_in_the_companys_bucket(journey: Journey) -> None:
    company = journey.install_company()
    journey.mint(company["access_token"], journey.locations[0])
    quota = journey.state()["quota"]
    assert set(quota) == {journey.company}
    assert quota[journey.company]["requests"] == 1


def test_installed_locations_lists_all_and_says_which_have_the_app(journey: Journey) -> None:
    company = journey.install_company(locations=journey.locations[:2])
    body = journey.installed(company["access_token"]).json()
    assert body["count"] == 3
    assert body["installToFutureLocations"] is False
    found = {row["_id"]: row["isInstalled"] for row in body["locations"]}
    assert found == dict(zip(journey.locations, (True, True, False), strict=True))
    installed = body["locations"][0]
    assert set(installed) == {"_id", "name", "address", "isInstalled", "versionId", "installedAt"}
    assert installed["installedAt"].endswith("Z")
    assert "installedAt" not in body["locations"][2]


def test_the_count_ignores_the_filter(journey: Journey) -> None:
    company = journey.install_company(locations=journey.locations[:1])
    body = journey.installed(company["access_token"], isInstalled="true").json()
    assert [row["_id"] for row in body["locations"]] == journey.locations[:1]
    assert body["count"] == 3


def test_installed_locations_by_skip_and_limit(start: Start) -> None:
    journey = start(locations=25, contacts=0)
    token = journey.install_company()["access_token"]
    first = journey.installed(token).json()["locations"]
    second = journey.installed(token, skip="20", limit="20").json()["locations"]
    assert (len(first), len(second)) == (20, 5)
    assert {row["_id"] for row in first + second} == set(journey.locations)


@pytest.mark.parametrize("query", [{"limit": "x"}, {"skip": "-1"}, {"limit": "501"}, {"companyId": ""}])
def test_installed_locations_checks_its_query(journey: Journey, query: dict[str, str]) -> None:
    token = journey.install_company()["access_token"]
    answer = journey.installed(token, **query)
    assert answer.status_code == 422
    assert isinstance(answer.json()["message"], list)


def test_installed_locations_in_v3_walk_by_token(start: Start) -> None:
    journey = start(locations=5, contacts=0)
    headers = {**bearer(journey.install_company()["access_token"]), **V3}
    query = {"companyId": journey.company, "appId": app_id(), "pageSize": "2"}
    seen: list[str] = []
    while True:
        body = journey.http.get("/oauth/installed-locations", params=query, headers=headers).json()
        seen += [row["_id"] for row in body["items"]]
        assert body["pagination"]["totalRecords"] == 5
        if not body["pagination"]["hasNextPage"]:
            break
        query["pageToken"] = body["pagination"]["nextPageToken"]
    assert seen == journey.locations
    assert body["pagination"]["currentPageSize"] == 1


def test_v3_errors_come_in_an_envelope(journey: Journey) -> None:
    headers = {**bearer(journey.install_company()["access_token"]), **V3}
    query = {"companyId": journey.company, "appId": app_id()}
    for change in ({"pageSize": "101"}, {"pageToken": "!"}, {"appId": ""}):
        answer = journey.http.get("/oauth/installed-locations", params={**query, **change}, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "INVALID_ARGUMENT"
    unknown = journey.http.get("/oauth/installed-locations", params={**query, "appId": "x"}, headers=headers)
    assert unknown.status_code == 404


def test_a_new_location_is_installed_by_itself_when_future_ones_were_chosen(journey: Journey) -> None:
    token = journey.install_company(locations=journey.locations[:1], future_locations="on")["access_token"]
    made = journey.http.post("/sandbox/locations", json={"name": "Later", "contacts": 2}).json()
    assert made["installed"] is True
    minted = journey.mint(token, made["id"])
    assert journey.contacts(minted.json()["access_token"], made["id"]).json()["total"] == 2
    assert journey.installed(token).json()["installToFutureLocations"] is True


def test_a_new_location_is_not_installed_otherwise(journey: Journey) -> None:
    token = journey.install_company()["access_token"]
    made = journey.http.post("/sandbox/locations", json={}).json()
    assert made["installed"] is False
    assert journey.mint(token, made["id"]).status_code == 400


def test_installer_details_hide_the_agency_from_a_sub_account(journey: Journey) -> None:
    path = f"/marketplace/app/{app_id()}/installations"
    company = journey.install_company()
    minted = journey.mint(company["access_token"], journey.locations[0]).json()
    of_company = journey.http.get(path, headers={**bearer(company["access_token"]), **V2}).json()
    of_location = journey.http.get(path, headers={**bearer(minted["access_token"]), **V3}).json()
    assert of_company["installationDetails"]["companyEmail"]
    assert of_location["installationDetails"]["companyEmail"] is None
    assert of_location["installationDetails"]["locationId"] == journey.locations[0]


def test_uninstalling_by_location_token_leaves_the_others(journey: Journey) -> None:
    company = journey.install_company()
    minted = journey.mint(company["access_token"], journey.locations[0]).json()
    answer = journey.http.request(
        "DELETE",
        f"/marketplace/app/{app_id()}/installations",
        json={"locationId": journey.locations[0], "reason": "moving on"},
        headers={**bearer(minted["access_token"]), **V2},
    )
    assert answer.json()["success"] is True
    assert journey.contacts(minted["access_token"]).status_code == 401
    assert journey.mint(company["access_token"], journey.locations[0]).status_code == 400
    assert journey.mint(company["access_token"], journey.locations[1]).status_code == 201


def test_uninstalling_by_company_token_takes_everything(journey: Journey) -> None:
    company = journey.install_company()
    minted = journey.mint(company["access_token"], journey.locations[0]).json()
    path = f"/marketplace/app/{app_id()}/installations"
    headers = {**bearer(company["access_token"]), **V2}
    unreasoned = journey.http.request("DELETE", path, json={"companyId": journey.company}, headers=headers)
    assert unreasoned.status_code == 422
    body = {"companyId": journey.company, "reason": "moving on"}
    assert journey.http.request("DELETE", path, json=body, headers=headers).json()["success"] is True
    for token in (company, minted):
        assert journey.refresh(token["refresh_token"]).status_code == 401
    assert journey.contacts(minted["access_token"]).status_code == 401
    assert not any(row["installed"] for row in journey.state()["locations"].values())


def test_a_new_install_does_not_revive_old_tokens(journey: Journey) -> None:
    old = journey.install_location()
    journey.http.post(f"/sandbox/locations/{journey.locations[0]}/uninstall")
    new = journey.install_location()
    assert journey.contacts(old["access_token"]).status_code == 401
    assert journey.contacts(new["access_token"]).status_code == 200


def test_a_second_install_over_the_first_keeps_its_tokens(journey: Journey) -> None:
    old = journey.install_location()
    journey.install_location()
    assert journey.contacts(old["access_token"]).status_code == 200
