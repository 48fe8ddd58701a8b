"""Faults on demand: what each kind does to the answer and, as important, to what happened behind it."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from integrations.sandbox.faults import REQUEST_KINDS, Faults
from tests.sandbox.conftest import Start
from tests.sandbox.journey import Journey


def test_a_status_fault_answers_instead_and_costs_nothing(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    journey.fault("status", params={"status": 503}, times=1)
    assert [journey.contacts(token).status_code for _ in range(2)] == [503, 200]
    assert journey.state()["quota"][journey.locations[0]]["requests"] == 1


def test_listings_can_be_false(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    honest = journey.contacts(token).json()
    for kind, params, rows, total in [
        ("false-total", {"add": -2}, 1, honest["total"] - 2),
        ("empty", {}, 0, 0),
        ("silent", {"share": 1}, 0, 0),
    ]:
        journey.fault(kind, params=params, times=1)
        false = journey.contacts(token).json()
        assert (len(false["contacts"]), false["total"]) == (rows, total), kind
    journey.fault("stale", params={"hold_ms": 60_000})
    assert [journey.contacts(token).json()["contacts"] for _ in range(2)] == [honest["contacts"]] * 2


def test_a_lost_answer_has_had_its_effect(journey: Journey) -> None:
    first = journey.install_location()["refresh_token"]
    journey.fault("lost", match={"method": "POST", "path": "/oauth/token"}, times=1)
    with pytest.raises(httpx2.TransportError):
        journey.refresh(first)
    journey.advance(20)
    repaired = journey.refresh(first)
    assert repaired.status_code == 200
    assert journey.state()["token_requests"]["refresh_token"] == 2
    journey.advance(20)
    assert journey.refresh(first).status_code == 400


def test_a_closed_connection_has_had_none(start: Start) -> None:
    journey = start(rotation="strict")
    first = journey.install_location()["refresh_token"]
    journey.fault("close", match={"path": "/oauth/token"}, times=1)
    with pytest.raises(httpx2.TransportError):
        journey.refresh(first)
    assert journey.refresh(first).status_code == 200


def test_garbage_is_not_json(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    journey.fault("garbage", times=1)
    answer = journey.contacts(token)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


def test_a_truncated_answer_breaks_off(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    journey.fault("truncated", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        journey.contacts(token)
    assert journey.contacts(token).status_code == 200


def test_made_up_401s_and_429s(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    journey.fault("unauthorized", times=1)
    journey.fault("unauthorized", times=1, params={"message": "Invalid JWT"})
    journey.fault("quota", times=1)
    journey.fault("quota", times=1, params={"daily": True})
    messages = [journey.contacts(token).json()["message"] for _ in range(2)]
    assert messages == ["Invalid token: access token is invalid", "Invalid JWT"]
    burst, day = journey.contacts(token), journey.contacts(token)
    assert (burst.status_code, day.status_code) == (429, 429)
    left = ("x-ratelimit-remaining", "x-ratelimit-daily-remaining")
    assert [burst.headers[name] for name in left] == ["0", "200000"]
    assert [day.headers[name] for name in left] == ["100", "0"]
    assert journey.contacts(token).status_code == 200


def test_latency_is_added_and_the_next_rule_acts_too(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    journey.fault("latency", params={"ms": 80}, times=1)
    journey.fault("status", params={"status": 500}, times=1)
    answer = journey.contacts(token)
    assert answer.status_code == 500
    assert answer.elapsed.total_seconds() >= 0.08


def test_a_rule_can_be_for_one_location_only(journey: Journey) -> None:
    company = journey.install_company()["access_token"]
    tokens = [journey.mint(company, location).json() for location in journey.locations[:2]]
    journey.fault("status", match={"location": journey.locations[0]}, params={"status": 502})
    statuses = [journey.contacts(token["access_token"], token["locationId"]).status_code for token in tokens]
    assert statuses == [502, 200]
    assert [journey.refresh(token["refresh_token"]).status_code for token in tokens] == [502, 200]
    assert [journey.mint(company, location).status_code for location in journey.locations[:2]] == [502, 201]


def test_rules_are_listed_with_their_hits_and_cleared(journey: Journey) -> None:
    token = journey.install_location()["access_token"]
    journey.fault("status", times=5)
    journey.contacts(token)
    assert [rule["hits"] for rule in journey.http.get("/sandbox/faults").json()["faults"]] == [1]
    journey.http.delete("/sandbox/faults")
    assert journey.contacts(token).status_code == 200


def test_probability_follows_the_seed(start: Start) -> None:
    patterns = []
    for _ in range(2):
        journey = start(seed=7)
        token = journey.install_location()["access_token"]
        journey.fault("status", probability=0.5)
        patterns.append([journey.contacts(token).status_code for _ in range(12)])
    assert patterns[0] == patterns[1]
    assert set(patterns[0]) == {200, 503}


def test_controls_are_never_disturbed(journey: Journey) -> None:
    for kind in sorted(REQUEST_KINDS):
        journey.fault(kind)
    assert journey.http.get("/sandbox/state").status_code == 200


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"kind": "flood"},
        {"kind": "status", "when": "now"},
        {"kind": "status", "match": {"colour": "red"}},
        {"kind": "status", "times": 0},
        {"kind": "status", "times": "many"},
        {"kind": "status", "probability": 2},
        {"kind": "status", "probability": "often"},
        {"kind": "status", "params": 5},
        {"kind": "status", "params": {"status": "bad"}},
        {"kind": "latency", "params": {"ms": -1}},
        {"kind": "status", "match": "all"},
        "status",
        7,
    ],
)
def test_a_wrong_rule_is_a_400_that_says_why(journey: Journey, spec: Any) -> None:
    answer = journey.http.post("/sandbox/faults", json=spec)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_paths_match_by_prefix_and_the_rest_to_the_letter() -> None:
    faults = Faults(1)
    faults.add({"kind": "status", "match": {"method": "post", "path": "/contacts"}})
    search = {"method": "POST", "path": "/contacts/search", "location": "L"}
    assert faults.pick(REQUEST_KINDS, search)
    assert not faults.pick(REQUEST_KINDS, {**search, "method": "GET"})
    assert not faults.pick(REQUEST_KINDS, {**search, "path": "/calendars"})
