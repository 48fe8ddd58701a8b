"""The controls and the pages a developer looks at."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from integrations.sandbox.events.signing import public_key_pem
from tests.sandbox.conftest import Start
from tests.sandbox.journey import DEFAULTS, Journey, Receiver


def test_state_says_what_is_there_and_what_was_asked(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    journey.contacts(token)
    state = journey.state()
    assert state["requests"] == 3
    assert state["deliveries"] == {"sent": 0, "failed": 0, "pending": 0, "dropped": 0}
    bucket = state["quota"][journey.locations[0]]
    assert bucket["client_id"] == DEFAULTS.client_id
    assert (bucket["requests"], bucket["rejected_429"], bucket["burst_remaining"]) == (1, 0, 99)
    assert bucket["daily_remaining"] == 199_999
    location = state["locations"][journey.locations[0]]
    assert (location["contacts"], location["active"], location["installed"]) == (4, True, True)
    assert state["companies"][journey.company]["locations"] == 3


def test_the_same_seed_gives_the_same_world(start: Start) -> None:
    first, second, other = start(seed=5), start(seed=5), start(seed=6)
    assert first.locations == second.locations != other.locations


def test_changes_change_the_data(journey: Journey) -> None:
    body = {"location": journey.locations[0], "kind": "create", "resource": "contacts", "count": 5}
    assert journey.http.post("/sandbox/changes", json=body).json() == {"changed": 5}
    assert journey.state()["locations"][journey.locations[0]]["contacts"] == 9
    journey.http.post("/sandbox/changes", json={**body, "kind": "delete", "count": 20})
    assert journey.state()["locations"][journey.locations[0]]["contacts"] == 0


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/sandbox/changes", {"location": "none", "kind": "create", "resource": "contacts"}, 404),
        ("/sandbox/clock", {"advance_seconds": -1}, 400),
        ("/sandbox/clock", {"advance_seconds": "soon"}, 400),
        ("/sandbox/clock", [], 400),
        ("/sandbox/locations", {"company": "none"}, 404),
        ("/sandbox/locations", {"contacts": -1}, 400),
        ("/sandbox/locations/none/pause", {}, 404),
        ("/sandbox/locations/none/uninstall", {}, 404),
        ("/sandbox/locations/none/transfer", {"company": "none"}, 404),
        ("/sandbox/companies/none/uninstall", {}, 404),
    ],
)
def test_controls_say_what_is_wrong(journey: Journey, path: str, body: Any, status: int) -> None:
    answer = journey.http.post(path, json=body)
    assert answer.status_code == status
    if status == 404:
        assert answer.json()["error"].endswith("none")
    assert list(answer.json()) == ["error"]


def test_changes_of_an_unknown_kind_are_refused(journey: Journey) -> None:
    body = {"location": journey.locations[0], "kind": "explode", "resource": "contacts"}
    answer = journey.http.post("/sandbox/changes", json=body)
    assert answer.status_code == 400
    assert "explode" in answer.json()["error"]
    assert journey.http.post("/sandbox/changes", content=b"{").status_code == 400


def test_uninstalling_what_is_not_installed_says_so(journey: Journey) -> None:
    answer = journey.http.post(f"/sandbox/companies/{journey.company}/uninstall")
    assert answer.json() == {"success": False}


def test_a_location_moves_to_another_agency_without_any_event(start: Start, inbox: Receiver) -> None:
    journey = start(companies=2, webhook_url=inbox.url)
    old, new = journey.state()["companies"]
    location = next(key for key, one in journey.state()["locations"].items() if one["company"] == old)
    journey.company = new
    other = journey.install_company(all_locations="on", future_locations="on")["access_token"]
    journey.company = old
    token = journey.install_company()["access_token"]
    own = journey.mint(token, location).json()["access_token"]
    assert journey.contacts(own, location).status_code == 200
    announced = len(inbox.wait_for(2 + len(journey.state()["locations"])))

    moved = journey.http.post(f"/sandbox/locations/{location}/transfer", json={"company": new})
    assert moved.json() == {"id": location, "company": new, "installed": True}
    assert journey.contacts(own, location).status_code == 401, "the old agency's installation has ended"
    assert journey.mint(token, location).status_code == 403
    assert location not in [one["_id"] for one in journey.installed(token, isInstalled="true").json()["locations"]]
    journey.company = new
    assert location in [one["_id"] for one in journey.installed(other, isInstalled="true").json()["locations"]]
    again = journey.mint(other, location)
    assert (again.status_code, again.json()["companyId"]) == (201, new)
    assert journey.state()["locations"][location]["contacts"] == 4, "it keeps its data"
    assert len(inbox.posts) == announced
    unknown = journey.http.post(f"/sandbox/locations/{location}/transfer", json={"company": "none"})
    assert unknown.status_code == 404


def test_the_overview_lists_the_locations_and_the_settings(journey: Journey) -> None:
    journey.install_location()
    page = journey.http.get("/", follow_redirects=True)
    assert page.status_code == 200
    assert all(location in page.text for location in journey.locations)
    assert "installed" in page.text
    assert "HIGHLEVEL_CLIENT_ID" in page.text
    assert not re.search(r"(src|href)=\"https?:", page.text)


def test_the_settings_can_be_read_by_a_shell(journey: Journey) -> None:
    lines = journey.http.get("/sandbox/environment").text
    names = re.findall(r"^export (\w+)=", lines, re.MULTILINE)
    script = lines + "".join(f'printf "%s\\0" "${name}"\n' for name in names)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    found = dict(zip(names, done.stdout.split("\0"), strict=False))
    assert found["HIGHLEVEL_API_URL"] == journey.sandbox.url
    assert found["HIGHLEVEL_API_1_URL"] == f"{journey.sandbox.url}/v1"
    assert found["HIGHLEVEL_CLIENT_SECRET"] == DEFAULTS.client_secret
    assert found["HIGHLEVEL_WEBHOOK_KEYS"] == public_key_pem(1).strip()
    assert "contacts.readonly" in found["HIGHLEVEL_SCOPES"].split()


def test_redirect_uris_can_be_changed(journey: Journey) -> None:
    uri = "https://app.example.com/callback"
    journey.http.post("/sandbox/app", json={"redirect_uris": [uri]})
    assert journey.http.get(journey.authorize_url()).status_code == 400
    assert journey.http.get(journey.authorize_url(redirect_uri=uri)).status_code == 200
