"""The install pages: what a browser sees and what an HTTP client may post."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.sandbox.conftest import Start
from tests.sandbox.journey import DEFAULTS, REDIRECT, SCOPES, Journey, app_id


def test_the_page_asks_for_consent_and_needs_nothing_from_elsewhere(journey: Journey) -> None:
    answer = journey.http.get(journey.authorize_url(state="s1"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    for scope in SCOPES.split():
        assert f"<li>{scope}</li>" in answer.text
    assert all(location in answer.text for location in journey.locations)
    assert 'name="state" value="s1"' in answer.text
    assert not re.search(r"(src|href)=\"https?:", answer.text)


def test_the_form_as_a_browser_sends_it_installs(journey: Journey) -> None:
    page = journey.http.get(journey.authorize_url(state="a b&c")).text
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    form = {name: html.unescape(text) for name, text in fields}
    action = re.search(r'<form method="post" action="([^"]*)">', page)
    assert action
    choice = {"mode": "location", "location": journey.locations[1], "action": "install"}
    answer = journey.http.post(html.unescape(action.group(1)), data={**form, **choice})
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["state"] == ["a b&c"]
    assert journey.exchange(query["code"][0])["scope"] == SCOPES


@pytest.mark.parametrize("path", ["/v2/oauth/chooselocation", "/oauth/chooselocation"])
def test_both_paths_serve_it(journey: Journey, path: str) -> None:
    query = urlsplit(journey.authorize_url()).query
    assert journey.http.get(f"{path}?{query}").status_code == 200


def test_with_several_agencies_one_is_chosen_first(start: Start) -> None:
    journey = start(companies=3, locations=1)
    page = journey.http.get(journey.authorize_url(state="s")).text
    links = [html.unescape(link) for link in re.findall(r'class="choice" href="([^"]*)"', page)]
    assert len(links) == 3
    consent = journey.http.get(links[1])
    assert consent.status_code == 200
    assert journey.locations[1] in consent.text
    assert journey.locations[0] not in consent.text
    assert 'name="state" value="s"' in consent.text


def test_state_comes_back_only_if_it_was_given(journey: Journey) -> None:
    form = {"mode": "location", "location": journey.locations[0]}
    assert set(journey.consent(form)) == {"code"}
    assert journey.consent(form, state="xyz")["state"] == ["xyz"]


def test_cancel_goes_back_without_a_code(journey: Journey) -> None:
    answer = journey.consent({"action": "cancel"}, state="xyz")
    assert answer == {"error": ["access_denied"], "state": ["xyz"]}
    assert not any(row["installed"] for row in journey.state()["locations"].values())


def test_some_locations(journey: Journey) -> None:
    answer = journey.install_company(locations=journey.locations[1:])
    assert answer["approveAllLocations"] is False
    installed = {key: row["installed"] for key, row in journey.state()["locations"].items()}
    assert installed == dict(zip(journey.locations, (False, True, True), strict=True))


def test_an_unknown_client_gets_the_answer_of_the_vendor(journey: Journey) -> None:
    answer = journey.http.get(journey.authorize_url(client_id="abc-1"))
    assert answer.status_code == 400
    assert "No integration found with the id: abc" in answer.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"redirect_uri": REDIRECT + "/"}, "redirect_uri mismatch"),
        ({"redirect_uri": ""}, "redirect_uri mismatch"),
        ({"scope": "contacts.readonly everything.write"}, "invalid_scope: everything.write"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"company": "nobody"}, "company nobody does not exist"),
        ({"scope": "<script>alert(1)</script>"}, "invalid_scope: &lt;script&gt;"),
    ],
)
def test_what_cannot_be_installed_never_leaves_the_page(journey: Journey, change: dict[str, str], message: str) -> None:
    answer = journey.http.get(journey.authorize_url(**change))
    assert answer.status_code == 400
    assert message in answer.text
    if "company" not in change:
        assert journey.http.post(journey.authorize_url(**change), data={}).status_code == 400


def test_a_plus_sign_in_the_scope_is_read_literally(journey: Journey) -> None:
    url = journey.authorize_url().replace("%20", "+")
    answer = journey.http.get(url)
    assert answer.status_code == 400
    assert "%20" in answer.text


@pytest.mark.parametrize(
    "form",
    [
        {"mode": "location"},
        {"mode": "location", "location": "elsewhere"},
        {"mode": "bulk"},
        {"mode": "bulk", "locations": ["elsewhere"]},
        {"mode": "all"},
    ],
)
def test_a_wrong_choice_is_a_page_and_no_install(journey: Journey, form: dict[str, str]) -> None:
    assert journey.http.post(journey.authorize_url(), data=form).status_code == 400
    assert not any(row["installed"] for row in journey.state()["companies"].values())


def test_without_a_scope_the_listings_are_asked_for(journey: Journey) -> None:
    code = journey.consent({"mode": "location", "location": journey.locations[0]}, scope="")["code"][0]
    assert "opportunities.readonly" in journey.exchange(code)["scope"].split()


def test_the_marketplace_starts_an_install_without_state(journey: Journey) -> None:
    page = journey.http.get("/sandbox/marketplace").text
    link = html.unescape(re.findall(r'class="button main" href="([^"]*)"', page)[0])
    query = parse_qs(urlsplit(link).query)
    assert "state" not in query
    assert query["client_id"] == [DEFAULTS.client_id]
    assert query["version_id"] == [app_id()]
    assert journey.http.get(link).status_code == 200


def test_a_redirect_uri_keeps_its_own_query(start: Start) -> None:
    uri = "https://app.example.com/callback?tenant=7"
    journey = start(redirect_uris=(uri,))
    form = {"mode": "location", "location": journey.locations[0]}
    answer = journey.http.post(journey.authorize_url(redirect_uri=uri, state="s"), data=form)
    assert set(parse_qs(urlsplit(answer.headers["location"]).query)) == {"tenant", "code", "state"}
