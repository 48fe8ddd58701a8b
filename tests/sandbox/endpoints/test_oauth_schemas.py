"""Answers about tokens and installations against the vendor's OpenAPI files, and their webhooks against its list."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.sandbox import reference
from tests.sandbox.conftest import Start
from tests.sandbox.journey import DEFAULTS, V2, V3, Journey, Receiver, app_id, bearer

INSTALLATIONS = "/marketplace/app/{appId}/installations"
# What live answers have been seen to carry beyond the published schemas.
BEYOND = {"refreshTokenId", "traceId", "refresh_token", "userType", "companyId"}


@pytest.fixture(autouse=True)
def _files() -> None:
    reference.require()


def check(file: str, method: str, path: str, body: Any, status: int = 200) -> None:
    schema = reference.response_schema(file, method, path, status)
    assert schema is not None
    assert reference.complaints(file, schema, body) == []
    unknown = {field.rpartition(".")[2] for field in reference.unknown_fields(file, schema, body)}
    assert unknown <= BEYOND


def test_tokens_in_api_2(journey: Journey) -> None:
    company, location = journey.install_company(), journey.install_location()
    for body in (company, location, journey.refresh(location["refresh_token"]).json()):
        check("oauth", "post", "/oauth/token", body)
    minted = journey.mint(company["access_token"], journey.locations[0]).json()
    check("oauth", "post", "/oauth/locationToken", minted)


def test_tokens_in_v3(journey: Journey) -> None:
    company, location = journey.install_company(), journey.install_location()
    client = {"clientId": DEFAULTS.client_id, "clientSecret": DEFAULTS.client_secret, "grantType": "refresh_token"}
    for token in (company, location):
        fields = {**client, "refreshToken": token["refresh_token"]}
        check("v3/oauth-v3", "post", "/oauth/token", journey.http.post("/oauth/token", data=fields, headers=V3).json())
    fields = {"companyId": journey.company, "locationId": journey.locations[0]}
    headers = {**bearer(company["access_token"]), **V3}
    minted = journey.http.post("/oauth/location-token", data=fields, headers=headers).json()
    check("v3/oauth-v3", "post", "/oauth/location-token", minted)


def test_installed_locations(journey: Journey) -> None:
    token = journey.install_company(locations=journey.locations[:1])["access_token"]
    check("oauth", "get", "/oauth/installedLocations", journey.installed(token).json())
    check("oauth", "get", "/oauth/installedLocations", journey.installed(token, limit="x").json(), 422)
    query = {"companyId": journey.company, "appId": app_id(), "pageSize": "2"}
    headers = {**bearer(token), **V3}
    page = journey.http.get("/oauth/installed-locations", params=query, headers=headers).json()
    check("v3/oauth-v3", "get", "/oauth/installed-locations", page)
    for change, status in (({"pageSize": "0"}, 400), ({"appId": "x"}, 404)):
        refused = journey.http.get("/oauth/installed-locations", params={**query, **change}, headers=headers)
        check("v3/oauth-v3", "get", "/oauth/installed-locations", refused.json(), status)


@pytest.mark.parametrize(("file", "version"), [("marketplace", V2), ("v3/marketplace-v3", V3)])
def test_installer_details_and_uninstall(journey: Journey, file: str, version: dict[str, str]) -> None:
    company = journey.install_company()
    minted = journey.mint(company["access_token"], journey.locations[0]).json()
    path = INSTALLATIONS.format(appId=app_id())
    for token, body in (
        (minted, {"locationId": journey.locations[0], "reason": "test"}),
        (company, {"companyId": journey.company, "reason": "test"}),
    ):
        headers = {**bearer(token["access_token"]), **version}
        check(file, "get", INSTALLATIONS, journey.http.get(path, headers=headers).json())
        removed = journey.http.request("DELETE", path, json=body, headers=headers)
        check(file, "delete", INSTALLATIONS, removed.json())


def test_install_and_uninstall_webhooks(start: Start, inbox: Receiver) -> None:
    journey = start(webhook_url=inbox.url)
    journey.install_company(all_locations="on", future_locations="on")
    journey.http.post("/sandbox/locations", json={})
    journey.http.post(f"/sandbox/locations/{journey.locations[0]}/uninstall")
    journey.http.post(f"/sandbox/companies/{journey.company}/uninstall")
    bodies = inbox.wait_for(7)
    names = {"INSTALL": "AppInstall", "UNINSTALL": "AppUninstall"}
    for body in bodies:
        schema = reference.webhook_events()[names[body["type"]]]["schema"]
        assert not list(Draft202012Validator(_types(schema)).iter_errors(body))


def _types(schema: Any) -> Any:
    """The schema without its one type that is none (`Date`)."""
    if not isinstance(schema, dict):
        return schema
    return {key: _types(value) for key, value in schema.items() if (key, value) != ("type", "Date")}
