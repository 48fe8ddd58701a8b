"""Every operation of the sandbox against the vendor's OpenAPI files, and every webhook against the vendor's list."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from integrations.sandbox.protocol import Route
from integrations.sandbox.resources import ROUTES
from tests.sandbox import reference
from tests.sandbox.desk import BY_OPERATION, Desk
from tests.sandbox.examples import EXAMPLES
from tests.sandbox.spec_mistakes import BEYOND, CORRECTIONS
from tests.support.tables import check_every

LEVELS = {
    "bearer": "Location",
    "Location-Access": "Location",
    "Location-Access-Only": "Location",
    "Agency-Access": "Company",
    "Agency-Access-Only": "Company",
}
OTHER_TYPES = {"ConversationUnreadWebhook": "ConversationUnreadUpdate"}  # subscribed to by one name, sent with another
EMITTED = {
    "create-contact": ["ContactCreate"],
    "update-contact": ["ContactUpdate", "ContactTagUpdate", "ContactDndUpdate"],
    "upsert-contact": ["ContactCreate"],
    "delete-contact": ["OpportunityDelete", "ContactDelete"],
    "add-tags": ["ContactTagUpdate"],
    "remove-tags": ["ContactTagUpdate"],
    "create-note": ["NoteCreate"],
    "update-note": ["NoteUpdate"],
    "delete-note": ["NoteDelete"],
    "create-task": ["TaskCreate"],
    "update-task": [],
    "update-task-completed": ["TaskComplete"],
    "delete-task": ["TaskDelete"],
    "create-opportunity": ["OpportunityCreate"],
    "update-opportunity-status": ["OpportunityUpdate", "OpportunityStatusUpdate"],
    "delete-opportunity": ["OpportunityDelete"],
    "create-appointment": ["AppointmentCreate"],
    "edit-appointment": ["AppointmentUpdate"],
    "delete-event": ["AppointmentDelete"],
    "send-a-new-message": ["OutboundMessage"],
    "add-an-inbound-message": ["InboundMessage", "ConversationUnreadWebhook"],
    "update-conversation": ["ConversationUnreadWebhook"],
}


@pytest.fixture(autouse=True)
def _files() -> None:
    reference.require()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def file_of(route: Route) -> str:
    """`/contacts/{contactId}/notes` is in contacts.json."""
    return route.path.split("/")[1]


def check_every_route(check: Callable[[Route], None]) -> None:
    check_every([route.operation_id for route in ROUTES], lambda operation: check(BY_OPERATION[operation]))


def test_every_operation_has_an_example_and_every_example_an_operation() -> None:
    assert sorted(route.operation_id for route in ROUTES) == sorted(EXAMPLES)


def test_a_route_is_declared_as_the_openapi_file_declares_it() -> None:
    check_every_route(is_declared_as_the_openapi_file_declares_it)


def is_declared_as_the_openapi_file_declares_it(route: Route) -> None:
    declared = reference.operation(file_of(route), route.method, route.path)
    versions = [item["schema"]["enum"] for item in declared["parameters"] if item["name"] == "Version"]
    schemes = [scheme for entry in declared["security"] for scheme in entry]
    scopes = {scope for entry in declared["security"] for names in entry.values() for scope in names}

    assert declared["operationId"] == route.operation_id
    assert versions == [[route.version]]
    assert {LEVELS[scheme] for scheme in schemes} == set(route.levels)
    assert scopes == set(route.scopes)


@pytest.mark.slow
def test_an_answer_fits_its_schema() -> None:
    check_every_route(answers_by_its_schema)


def answers_by_its_schema(route: Route) -> None:
    desk = Desk()
    reply = EXAMPLES[route.operation_id](desk)
    body = json.loads(json.dumps(reply.body))
    schema = reference.response_schema(file_of(route), route.method, route.path, reply.status)
    if schema is None:
        assert isinstance(body, dict)
        return
    extra = set(reference.unknown_fields(file_of(route), schema, body))
    assert reference.complaints(file_of(route), schema, body) == []
    assert extra == BEYOND.get(route.operation_id, (set(), ""))[0]


@pytest.mark.parametrize(
    ("operation", "correction"), CORRECTIONS.items(), ids=lambda value: "-".join(map(str, value))[:40]
)
def test_a_correction_corrects_something(
    operation: tuple[str, str, str], correction: tuple[dict[str, Any], str]
) -> None:
    published = reference.as_published(*operation)
    assert published | correction[0] != published


@pytest.mark.slow
def test_the_webhooks_of_an_operation_are_the_vendors() -> None:
    check_every_route(tells_webhooks_of_the_vendor)


def tells_webhooks_of_the_vendor(route: Route) -> None:
    desk = Desk()
    EXAMPLES[route.operation_id](desk)
    for event, fields in desk.emitted:
        declared = reference.webhook_events()[event]
        known = {*declared["schema"]["properties"], *(name for example in declared["examples"] for name in example)}
        complaints = [error.message for error in Draft202012Validator(declared["schema"]).iter_errors(fields)]

        assert complaints == []
        assert set(fields) <= known
        assert fields["type"] == OTHER_TYPES.get(event, event)
        assert fields["locationId"] == desk.location.id


@pytest.mark.parametrize(("operation", "expected"), EMITTED.items())
def test_a_change_tells_its_webhooks(operation: str, expected: list[str], desk: Desk) -> None:
    EXAMPLES[operation](desk)
    assert desk.events() == expected


def test_what_changes_nothing_tells_nothing(desk: Desk) -> None:
    for route in ROUTES:
        if route.method == "GET" or route.operation_id.endswith(("search", "search-contacts-advanced")):
            EXAMPLES[route.operation_id](desk)
    assert desk.emitted == []


@pytest.mark.parametrize(
    ("operation", "path", "body", "status"),
    [
        ("get-contact", {"contactId": "nobody"}, None, 400),
        ("get-opportunity", {"id": "none"}, None, 400),
        ("create-contact", {}, {"firstName": 5}, 422),
        ("create-opportunity", {}, {}, 422),
    ],
)
def test_an_error_fits_the_shared_schemas(
    operation: str, path: dict[str, str], body: Any, status: int, desk: Desk
) -> None:
    route = BY_OPERATION[operation]
    error = desk.refused(status, operation, path, body=body)
    schema = reference.response_schema(file_of(route), route.method, route.path, status)
    assert schema is not None
    assert reference.complaints(file_of(route), schema, error) == []
