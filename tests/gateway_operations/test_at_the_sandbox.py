"""All operations of API 2.0 and all of v3 through the gateway, over HTTP, at a running sandbox with its own tokens.

Each is called with its required arguments and again with all, of generated values. What the sandbox plays by code looks
at the values: it may refuse them with one of the API's documented statuses, and a call with ids of its own records has
to succeed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pytest
from django.db.models import Sum

from integrations.core import clock
from integrations.core.errors import IntegrationError
from integrations.core.secret import Secret
from integrations.gateway import client
from integrations.gateway.models import Usage
from integrations.gateway.stats import usage_counter
from integrations.highlevel.catalogue import catalogue
from integrations.highlevel.oauth.dialects import DialectName
from integrations.highlevel.oauth.grants import Grant
from integrations.quota.permits.lanes import Lane
from integrations.sandbox.openapi.vendor_routes import same_route
from integrations.sandbox.protocol import Reply
from integrations.tenants.models import App
from integrations.tokens import store
from tests.gateway_operations import arguments
from tests.gateway_operations.conftest import MakeApp
from tests.gateway_operations.samples import flat
from tests.gateway_operations.specification import Specified, operations
from tests.sandbox import reference
from tests.sandbox.conftest import Start, start
from tests.sandbox.desk import BY_OPERATION, Desk
from tests.sandbox.examples import EXAMPLES
from tests.sandbox.journey import DEFAULTS, REDIRECT, Journey, app_id
from tests.sandbox.test_v3 import FIELDS, QUERY, renamed

__all__ = ["start"]

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]  # usage is not written in a transaction
Kind = Literal["location", "company"]
DIALECTS = pytest.mark.parametrize("dialect", ["v2", "v3"])
# Those of the token endpoint and of installations, which are in no example. Uninstalling is last: it ends the tokens.
OWN = (
    "oauth.get-access-token",
    "oauth.get-location-access-token",
    "oauth.get-installed-location",
    "marketplace.get-installer-details",
    "marketplace.uninstall-application",
)
REFUSED = {400, 401, 403, 404, 422}
# A status other than the file's, captured live (`sandbox.endpoints.location_tokens`).
ANSWERED = {"oauth.get-location-access-token": 201}


@dataclass
class Caller:
    """An app that is installed at the sandbox, on a location and in bulk on the agency; `made` counts its calls."""

    journey: Journey
    app: App
    dialect: DialectName
    made: Counter[str]

    def call(self, key: str, kind: Kind, params: dict[str, Any], body: Any) -> client.Result:
        """One attempt, without a retry."""
        tenant = {"location": self.journey.locations[0], "company": self.journey.company}[kind]
        self.made[key] += 1
        return client.call(
            key, app=self.app, params=params, body=body, lane=Lane.INTERACTIVE, retries=0, **{kind: tenant}
        )


class GatewayDesk(Desk):
    """Makes the calls of the examples through the gateway. `asked` is the last operation, `got` its result."""

    def __init__(self, caller: Caller) -> None:
        platform = caller.journey.sandbox.platform
        assert platform is not None
        self.world, self.caller = platform.world, caller
        self.company = self.world.companies[caller.journey.company]
        self.location = self.company.locations[caller.journey.locations[0]]

    def reply(
        self,
        operation: str,
        path: dict[str, str] | None = None,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        agency: bool = False,
        version: str = "",
    ) -> Reply:
        known = catalogue(self.caller.dialect).operation(key_of(operation))
        names = re.findall(r"{([^}]+)}", known.path)
        given = [(path or {})[name] for name in re.findall(r"{([^}]+)}", BY_OPERATION[operation].path)]
        if operation == "update-contact":  # the example creates another contact with the same address
            body = {**body, "email": "rosa.deo@example.com", "phone": "+1 202-555-0108"}
        if self.caller.dialect == "v3":
            query, body = renamed(query, QUERY), renamed(body, FIELDS)
        params = {**dict(zip(names, given, strict=True)), **(query or {})}
        result = self.caller.call(known.key, "company" if agency else "location", params, body)
        return Reply(result.json, result.status)


def key_of(operation_id: str) -> str:
    """The catalogue's name of an operation that the sandbox plays."""
    return f"{BY_OPERATION[operation_id].path.split('/')[1]}.{operation_id}"


def plays(operation: Specified) -> bool:
    """Whether the sandbox's code plays the operation, and not the file's schema."""
    played = BY_OPERATION.get(operation.data["operationId"])
    return operation.key in OWN or (played is not None and same_route(played.path, operation.path))


@pytest.fixture
def caller(start: Start, make_app: MakeApp, dialect: DialectName, caplog: pytest.LogCaptureFixture) -> Iterator[Caller]:
    """At the end each call is in the usage, and neither side has logged an error."""
    reference.require()
    journey = start(openapi=str(reference.REFERENCE / "openapi"), limit=1_000, interval_ms=1_000, contacts=200)
    app = make_app(journey.sandbox.url, dialect=dialect)
    caller = Caller(journey, app, dialect, Counter())
    assert journey.sandbox.platform is not None
    portal = " ".join(sorted(journey.sandbox.platform.app.allowed))
    for kind, form in (("location", {"mode": "location"}), ("company", {"mode": "bulk", "all_locations": "on"})):
        consent = journey.consent({**form, "location": journey.locations[0]}, scope=portal)
        grant(app, journey, kind, journey.exchange(consent["code"][0]))  # type: ignore[arg-type]
    yield caller
    usage_counter.flush()
    kept = Usage.objects.filter(app=app).values_list("operation").annotate(Sum("calls"))
    assert dict(kept) == dict(caller.made)
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


def grant(app: App, journey: Journey, kind: Kind, tokens: dict[str, Any]) -> None:
    """Keep the sandbox's tokens, with every scope that the catalogue names: the gateway then refuses none."""
    is_location = kind == "location"
    key = store.location(app, journey.locations[0]) if is_location else store.company(app, journey.company)
    every = catalogue(app.dialect_name).operations()
    made = Grant(
        access_token=Secret(tokens["access_token"]),
        refresh_token=Secret(tokens["refresh_token"]),
        expires_in=tokens["expires_in"],
        scopes=frozenset(scope for known in every for wanted in known.scopes(kind) for scope in wanted),
        user_type="Location" if is_location else "Company",
        location_id=journey.locations[0] if is_location else None,
        company_id=journey.company,
    )
    store.save_grant(key, made, now=clock.now())


def misfits(operation: Specified, answer: Any, *, status: int) -> list[str]:
    """What is wrong with an answer by the file; by-code answers may differ where the files err (`spec_mistakes`)."""
    expected, schema = operation.answer
    expected = ANSWERED.get(operation.key, expected)
    if status != expected:
        return [f"status {status} instead of {expected}"]
    if schema is None:
        return []
    if plays(operation):
        file = operation.name if operation.dialect == "v2" else reference.in_v3(operation.name)
        corrected = reference.response_schema(file, operation.method, operation.path, operation.answer[0])
        return [] if corrected is None else reference.complaints(file, corrected, answer)
    if isinstance(answer, dict) and "traceId" not in flat(schema, operation.document).get("properties", {}):
        answer = {name: value for name, value in answer.items() if name != "traceId"}  # the gate adds it to any answer
    return operation.complaints(schema, answer)


def generated(caller: Caller, operation: Specified, *, whole: bool) -> list[str]:
    """What is wrong with a call of generated values."""
    kinds = catalogue(operation.dialect).operation(operation.key).kinds or {"location"}  # type: ignore[arg-type]
    kind: Kind = "location" if "location" in kinds else "company"
    params = arguments.params(operation, kind, whole=whole)
    body = arguments.body(operation, kind, whole=whole)
    try:
        result = caller.call(operation.key, kind, params, body)
    except IntegrationError as error:
        by_code = plays(operation) and error.vendor is not None and bool(error.vendor.message)
        return [] if by_code and error.vendor.status in REFUSED else [f"{error.code}: {error} {error.context}"]
    return misfits(operation, result.json, status=result.status)


@DIALECTS
def test_every_operation_with_generated_values(caller: Caller, dialect: DialectName) -> None:
    every = sorted(operations(dialect), key=lambda operation: operation.key == OWN[-1])
    wrong = {
        (operation.key, whole): complaints[:3]
        for operation in every
        for whole in (False, True)
        if (complaints := generated(caller, operation, whole=whole))
    }
    assert wrong == {}
    assert set(caller.made.values()) == {2}
    assert len(caller.made) == len(catalogue(dialect))  # type: ignore[arg-type]


@DIALECTS
def test_what_is_played_by_code_succeeds_with_its_own_ids(caller: Caller, dialect: DialectName) -> None:
    by_key = {operation.key: operation for operation in operations(dialect)}
    desk, wrong = GatewayDesk(caller), {}
    calls = {key_of(name): partial(example, desk) for name, example in EXAMPLES.items()}
    calls |= {key: partial(own, caller, key) for key in OWN}
    for key in (key for key in calls if key in by_key):  # v3 has removed two
        try:
            reply = calls[key]()
        except IntegrationError as error:
            wrong[key] = [f"{error.code}: {error} {error.context}"]
        else:
            if complaints := misfits(by_key[key], json.loads(json.dumps(reply.body)), status=reply.status):
                wrong[key] = complaints[:3]
    assert wrong == {}
    assert set(caller.made) == {key for key, operation in by_key.items() if plays(operation)}


def own(caller: Caller, key: str) -> Reply:
    """A call on tokens or installations with what belongs to the app."""
    journey = caller.journey
    params: dict[str, Any] = {}
    body: dict[str, Any] | None = None
    kind: Kind = "location" if key.startswith("marketplace") else "company"
    if key == "oauth.get-access-token":
        code = journey.consent({"mode": "location", "location": journey.locations[1]})["code"][0]
        client_fields = {"client_id": DEFAULTS.client_id, "client_secret": DEFAULTS.client_secret}
        body = {**client_fields, "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT}
    elif key == "oauth.get-location-access-token":
        body = {"companyId": journey.company, "locationId": journey.locations[0]}
    else:
        params = {"appId": app_id()}
        body = {"reason": "a test"} if key == OWN[-1] else None
    result = caller.call(key, kind, params, body)
    return Reply(result.json, result.status)
