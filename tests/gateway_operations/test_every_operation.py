"""All operations of API 2.0 and all of v3, each called once through the gateway.

The vendor is made of its OpenAPI files alone: it judges path, query, headers, token and body, and answers with what
the response schema says. Credentials and quota are real.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from aiohttp import web

from integrations.core.errors import IntegrationError
from integrations.gateway import client
from integrations.highlevel.catalogue import catalogue
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App
from tests.gateway_operations import arguments, judge
from tests.gateway_operations.conftest import COMPANY, LOCATION, MakeApp, credential
from tests.gateway_operations.samples import sample
from tests.gateway_operations.specification import Specified, operations
from tests.gateway_operations.vendor import Specification, serving
from tests.sandbox import reference

DIALECTS = pytest.mark.parametrize("dialect", ["v2", "v3"])


@pytest.fixture(autouse=True)
def _needs_the_files() -> None:
    reference.require()


@pytest.fixture
def vendor(dialect: str) -> Iterator[Specification]:
    specification = Specification(operations(dialect))
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", specification.handle)
    with serving(application) as url:
        specification.url = url
        yield specification


@pytest.fixture
def app(make_app: MakeApp, vendor: Specification, dialect: str) -> App:
    """Granted every scope that any operation of the dialect names."""
    row = make_app(vendor.url, dialect=dialect)
    for kind in ("location", "company"):
        scopes = {s for o in catalogue(dialect).operations() for wanted in o.scopes(kind) for s in wanted}
        credential(row, kind, scopes=" ".join(scopes))
    return row


def call(app: App, operation: Specified) -> str:
    """What is wrong with calling it, or nothing."""
    kinds = catalogue(operation.dialect).operation(operation.key).kinds or {"location"}
    kind = "location" if "location" in kinds else "company"
    try:
        result = client.call(
            operation.key,
            app=app,
            params=arguments.params(operation, kind),
            body=arguments.body(operation, kind),
            lane=Lane.INTERACTIVE,
            location=LOCATION if kind == "location" else None,
            company=COMPANY if kind == "company" else None,
        )
    except IntegrationError as error:
        return f"{error.code}: {error} {error.context}"
    status, schema = operation.answer
    expected = None if schema is None else sample(schema, operation.document)
    if (result.status, result.json) != (status, expected):
        return f"answered {result.status} {str(result.json)[:200]}"
    return "" if result.trace_id and result.operation == operation.key else f"trace id {result.trace_id}"


@DIALECTS
def test_every_operation_is_called_as_its_file_demands(app: App, vendor: Specification, dialect: str) -> None:
    wrong = {operation.key: complaint for operation in vendor.operations if (complaint := call(app, operation))}
    assert wrong == {}
    assert vendor.wrong == {}
    assert Counter(vendor.served) == Counter(operation.route for operation in vendor.operations)
    assert len(vendor.served) == len(catalogue(dialect))  # type: ignore[arg-type]


@DIALECTS
def test_the_vendor_refuses_what_its_file_forbids(app: App, vendor: Specification, dialect: str) -> None:
    """The judge itself: it names each wrong part of a request."""
    operation = next(o for o in vendor.operations if o.key == "opportunities.create-opportunity")
    request = judge.Received(
        raw_path="/opportunities/",
        query={"surprise": ["x"]},
        headers={"Version": "2020-01-01", "Authorization": "Bearer somebody's"},
        content_type="application/json",
        body=b'{"name": 5}',
        fields={},
    )
    said = " ".join(judge.complaints(operation, request))
    for word in ("Version 2020-01-01", "not the token of a location", "surprise", "5 is not of type", "'pipelineId'"):
        assert word in said
