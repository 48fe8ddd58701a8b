"""What no code plays: 501 by default, answers from the vendor's schemas with `openapi`."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.sandbox.openapi import played_by_schema, vendor_routes
from integrations.sandbox.openapi.played_by_schema import NoOpenApiFiles
from integrations.sandbox.protocol import ApiCall, Route
from integrations.sandbox.resources import ROUTES
from integrations.sandbox.server import commandline
from tests.gateway_operations.specification import Specified, operations
from tests.sandbox import reference
from tests.sandbox.conftest import Start
from tests.sandbox.journey import V2, V3, Journey, bearer

OPENAPI = str(reference.REFERENCE / "openapi")


@pytest.mark.parametrize(
    ("request_line", "template"),
    [
        ("GET /contacts/c1", "/contacts/{contactId}"),
        ("GET /contacts/c1/", "/contacts/{contactId}"),
        ("GET /calendars/groups", "/calendars/groups"),
        ("GET /calendars/g%2Froups", "/calendars/{calendarId}"),
        ("PATCH /contacts/c1", None),
        ("GET /no/such/path", None),
        ("GET /", None),
    ],
)
def test_the_most_literal_route_is_meant(request_line: str, template: str | None) -> None:
    assert vendor_routes.route_of(*request_line.split(" ")) == template  # type: ignore[call-arg]


def test_every_route_that_is_played_is_one_of_the_vendors() -> None:
    for route in ROUTES:
        found = vendor_routes.route_of(route.method, route.path)
        assert found is not None
        assert vendor_routes.same_route(found, route.path), route


def test_what_is_not_played_is_501_and_never_taken_for_an_id(journey: Journey) -> None:
    headers = {**bearer(journey.install_location()["access_token"]), **V2}
    for path in ("/calendars/groups", "/products/", "/contacts/business/b1"):
        answer = journey.http.get(path, headers=headers)
        assert (answer.status_code, answer.json()["message"]) == (501, f"GET {path} is not in the sandbox")
    assert journey.http.get("/contacts/nobody", headers=headers).status_code == 400
    assert journey.http.get("/no/such/path", headers=headers).status_code == 404


@pytest.fixture(scope="module")
def by_schema() -> dict[tuple[str, str], Route]:
    reference.require()
    return {(r.method, r.path): r for r, _ in played_by_schema.routes(reference.REFERENCE / "openapi", seed=1)}


def answered(route: Route, operation: Specified, **given: Any) -> tuple[int, Any]:
    names = [p["name"] for p in operation.parameters("path")]
    call = ApiCall(
        world=None,  # type: ignore[arg-type]
        company_id="C",
        location=None,
        emit=lambda *_: None,
        path=dict.fromkeys(names, "anId"),
        version="v3" if operation.dialect == "v3" else "2021-07-28",
        **given,
    )
    reply = route.handler(call)
    return reply.status, reply.body


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["v2", "v3"])
def test_every_operation_has_a_valid_answer(by_schema: dict[tuple[str, str], Route], dialect: str) -> None:
    wrong, published = {}, operations(dialect)
    for operation in published:
        route = by_schema[operation.method, operation.path]
        status, schema = operation.answer
        got, body = answered(route, operation)
        complaints = [] if schema is None else operation.complaints(schema, body)
        if got != status or complaints or (schema is None) != (body is None):
            wrong[operation.key] = (got, complaints[:3])
        assert answered(route, operation) == (got, body), "the same call, the same answer"
    assert wrong == {}
    assert len(published) > 500


def test_answers_are_consistent(start: Start) -> None:
    reference.require()
    journey = start(openapi=OPENAPI)
    location = journey.locations[0]
    headers = {**bearer(journey.install_location()["access_token"]), **V2}

    def get(path: str, **query: Any) -> Any:
        answer = journey.http.get(path, params={"locationId": location, **query}, headers=headers)
        assert answer.status_code == 200, answer.text
        return {name: value for name, value in answer.json().items() if name != "traceId"}

    listed = get("/products/")["products"]
    assert len({row["_id"] for row in listed}) == 3
    assert {row["locationId"] for row in listed} == {location}
    assert get("/products/", offset=3)["products"] == []
    product = get(f"/products/{listed[1]['_id']}")
    assert {name: product[name] for name in ("_id", "locationId", "name")} == {
        name: listed[1][name] for name in ("_id", "locationId", "name")
    }
    made = journey.http.post(
        "/products/", json={"locationId": location, "name": "A hat", "productType": "PHYSICAL"}, headers=headers
    )
    assert made.status_code in (200, 201)
    assert (made.json()["name"], made.json()["productType"]) == ("A hat", "PHYSICAL")
    assert journey.http.get("/products/", headers={**headers, "Version": "2020-01-01"}).status_code == 400
    assert journey.http.get("/contacts/nobody", headers=headers).status_code == 400, "what code plays, code answers"
    company = bearer(journey.install_company()["access_token"])
    assert journey.http.get("/emails/schedule", headers={**company, **V2}).status_code == 401
    assert (
        journey.http.get("/chat-widget/", params={"locationId": location}, headers={**headers, **V3}).status_code != 501
    )


def test_a_folder_without_files_is_one_line(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(NoOpenApiFiles, match="is no OpenAPI file"):
        list(played_by_schema.routes(tmp_path, 1))
    assert commandline.main(["--port", "0", "--contacts", "0", "--openapi", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err.startswith(f"sandbox: {tmp_path / 'none'} holds no OpenAPI files")
