"""Every operation of the sandbox in v3: asked as v3's files say, answered as they say, with the data of API 2.0."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrations.sandbox.openapi import vendor_routes
from integrations.sandbox.protocol import Reply, Route
from integrations.sandbox.resources import ROUTES
from tests.sandbox import reference
from tests.sandbox.desk import BY_OPERATION, Desk
from tests.sandbox.examples import EXAMPLES
from tests.sandbox.journey import V2, V3, Journey, bearer
from tests.sandbox.spec_mistakes import BEYOND
from tests.support.tables import check_every

REMOVED = {"get-contacts", "get-user-by-location"}
KEPT = [route.operation_id for route in ROUTES if route.operation_id not in REMOVED]
CHANNELS = {"Call": "call", "Email": "email", "SMS": "sms", "WhatsApp": "whatsApp", "GMB": "gmb", "FB": "fb"}
FIELDS = {"field_value": "fieldValue", **CHANNELS}
QUERY = {
    "location_id": "locationId",
    "pipeline_id": "pipelineId",
    "pipeline_stage_id": "pipelineStageId",
    "contact_id": "contactId",
    "assigned_to": "assignedTo",
}
# Fields that only v3 has in an answer, and those that it has no more.
ADDED = {
    **{key: {"succeeded"} for key in ("delete-contact", "delete-note", "delete-task", "update-contact")},
    **{key: {"success"} for key in ("delete-opportunity", "update-opportunity-status")},
    **{key: {"dateAdded", "dateUpdated"} for key in ("create-appointment", "edit-appointment")},
}
GONE = {"update-contact": {"succeded"}}
# What the files of v3 lack as those of API 2.0 do; the answer to a create is described in full by now.
LACKING = {**BEYOND, "create-contact": ({"$.contact.followers"}, "live contacts carry their followers")}


@pytest.fixture(autouse=True)
def _files() -> None:
    reference.require()


def renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    if isinstance(value, dict):
        return {names.get(name, name): renamed(item, names) for name, item in value.items()}
    return value


class NewDesk(Desk):
    """Asks in the names of v3."""

    def reply(self, operation: str, path: dict[str, str] | None = None, **more: Any) -> Reply:
        self.query = renamed(more.get("query") or {}, QUERY)
        self.body = renamed(more.get("body"), FIELDS)
        return super().reply(operation, path, **{**more, "query": self.query, "body": self.body, "version": "v3"})


def file_of(route: Route) -> str:
    return reference.in_v3(route.path.split("/")[1])


def path_of(route: Route) -> str:
    """The route as v3 has it: some of its parameters have other names."""
    (found,) = [
        path for path in reference.document(file_of(route))["paths"] if vendor_routes.same_route(path, route.path)
    ]
    return found


def unknown_in_body(route: Route, file: str, path: str, body: Any) -> set[str]:
    """The names that the file lacks. Their values are not compared: files call required what no caller sends."""
    declared = reference.operation(file, route.method, path).get("requestBody", {}).get("content", {})
    schema = declared.get("application/json", {}).get("schema", {})
    return set(reference.unknown_fields(file, schema, body))


def test_v3_has_every_operation_but_two() -> None:
    removed = {route.operation_id for route in ROUTES if vendor_routes.is_removed_in_v3(route.method, route.path)}
    assert removed == REMOVED


@pytest.mark.slow
def test_an_operation_is_asked_and_answers_as_v3_says() -> None:
    check_every(KEPT, fits_v3)


def fits_v3(operation: str) -> None:
    route, desk = BY_OPERATION[operation], NewDesk()
    file, path = file_of(route), path_of(route)
    reply = EXAMPLES[operation](desk)
    declared = reference.operation(file, route.method, path)
    assert declared["operationId"] == operation
    assert set(desk.query) <= {item["name"] for item in declared["parameters"] if item["in"] == "query"}
    before = unknown_in_body(route, route.path.split("/")[1], route.path, desk.body)
    assert unknown_in_body(route, file, path, desk.body) <= before
    schema = reference.response_schema(file, route.method, path, reply.status)
    body = json.loads(json.dumps(reply.body))
    if schema is not None:
        assert reference.complaints(file, schema, body) == []
        assert set(reference.unknown_fields(file, schema, body)) == LACKING.get(operation, (set(), ""))[0]


@pytest.mark.slow
def test_v3_has_the_data_of_api_2() -> None:
    check_every(KEPT, has_the_data_of_api_2)


def has_the_data_of_api_2(operation: str) -> None:
    old, new = (json.loads(json.dumps(EXAMPLES[operation](desk).body)) for desk in (Desk(), NewDesk()))
    assert new.keys() - old.keys() == ADDED.get(operation, set())
    assert old.keys() - new.keys() == GONE.get(operation, set())
    same = old.keys() & new.keys() - {"meta"}
    as_now = renamed(old, CHANNELS)
    assert {name: new[name] for name in same} == {name: as_now[name] for name in same}


@pytest.mark.parametrize(
    ("operation", "body", "field"),
    [
        ("update-opportunity", {"forecastProbability": 0.4}, "forecastProbability"),
        ("edit-appointment", {"appointmentStatus": "completed"}, "appointmentStatus"),
        ("update-conversation", {"feedback": "positive"}, "feedback"),
    ],
)
def test_what_only_v3_takes(operation: str, body: dict[str, Any], field: str) -> None:
    desk = Desk()
    rows = {"opportunity": desk.location.opportunities, "appointment": desk.location.events}
    table = rows.get(operation.rpartition("-")[2], desk.location.conversations)
    path = dict.fromkeys(("id", "eventId", "conversationId"), next(iter(table)))
    whole = {**({"locationId": desk.location.id} if operation == "update-conversation" else {}), **body}
    assert desk.reply(operation, path, body=whole, version="v3").status == 200
    (said,) = desk.refused(422, operation, path, body=whole)["message"]
    assert said.startswith((field, f"property {field} should not exist"))


def test_a_link_to_the_next_page_has_the_names_of_v3() -> None:
    desk = NewDesk()
    meta = desk.get("search-opportunity", query={"location_id": desk.location.id, "limit": "1"})["meta"]
    assert f"locationId={desk.location.id}" in meta["nextPageUrl"]
    assert "location_id" not in meta["nextPageUrl"]


def test_the_header_chooses_the_names(journey: Journey) -> None:
    location, token = journey.locations[0], bearer(journey.install_location()["access_token"])
    setting = {"status": "active", "message": "asked", "code": "101"}
    body = {"locationId": location, "email": "zoe@example.com", "dndSettings": {"sms": setting}}
    made = journey.http.post("/contacts/", json=body, headers={**token, **V3}).json()["contact"]
    assert made["dndSettings"] == {"sms": setting}
    read = journey.http.get(f"/contacts/{made['id']}", headers={**token, **V2}).json()["contact"]
    assert read["dndSettings"] == {"SMS": setting}
    for path in ("/contacts/", "/users/"):
        gone = journey.http.get(path, params={"locationId": location}, headers={**token, **V3})
        assert (gone.status_code, "removed in version v3" in gone.json()["message"]) == (400, True)
