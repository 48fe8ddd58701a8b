"""Each resource, in both dialects, against the answers that the vendor's OpenAPI files describe."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.errors import PayloadAnomalous
from integrations.gateway import client
from integrations.highlevel.catalogue import Operation, PreparedRequest, catalogue
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.highlevel.http.transport import Response
from integrations.highlevel.oauth.dialects import DIALECTS, DialectName
from integrations.highlevel.pagination.pages import ANYWHERE
from integrations.sandbox.openapi import played_by_schema, vendor_routes
from integrations.sandbox.protocol import ApiCall, Route
from integrations.sync import listing, records
from integrations.sync.models import Record
from integrations.sync.resources import RESOURCES, Resource
from integrations.sync.resources.dates import moment
from integrations.sync.typed import described_fields
from integrations.tenants.models import App
from tests.sandbox import reference
from tests.support.tables import check_every
from tests.sync.conftest import LOCATION

COMPANY = "company9OfThisTest01"
MOST_PAGES = 200
KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "object": dict,
}
EVERY = [
    (here.name, dialect) for one in RESOURCES.values() for dialect in DIALECTS if (here := one.on(dialect)) is not None
]
# Listings whose rows the files do not describe, in the dialects that have them so.
_AS_ONE = "the file has one object in the place of the list"
_AS_TEXTS = "the file has texts or lists in the place of rows"
_NO_SCHEMA = "the file has no schema"
NOT_DESCRIBED = {
    **{f"contacts {dialect}": "no schema; a captured answer (FACTS 7.4)" for dialect in DIALECTS},
    **{f"{name} {dialect}": _AS_ONE for dialect in DIALECTS for name in ("associations", "relations", "funnel_pages")},
    **{f"{name} {dialect}": _AS_ONE for dialect in DIALECTS for name in ("funnels", "redirects")},
    **{f"{name} {dialect}": _AS_TEXTS for dialect in DIALECTS for name in ("tasks", "estimates", "media")},
    **{f"{name} {dialect}": _AS_TEXTS for dialect in DIALECTS for name in ("estimate_templates", "product_reviews")},
    **{f"product_collections {dialect}": _AS_TEXTS for dialect in DIALECTS},
    **{
        f"saas_{name} {dialect}": _NO_SCHEMA for dialect in DIALECTS for name in ("plans", "locations", "subscriptions")
    },
    "email_templates v2": _AS_ONE,
}
# Dates that the files have as objects, without saying what is in them.
NO_DATES = {
    "phone_numbers v3",
    *(f"{name} {dialect}" for name in ("calendar_events", "blocked_slots") for dialect in DIALECTS),
}


@dataclass
class Published:
    """`perform` takes the place of the gateway's, and answers from the schemas."""

    routes: Mapping[tuple[str, str], Route]
    asked: list[str] = field(default_factory=list)

    def perform(self, operation: Operation, _key: Any, request: PreparedRequest, **_: Any) -> Response:
        self.asked.append(operation.key)
        template = vendor_routes.route_of(request.method, request.path)
        assert template is not None, request.path
        pairs = zip(template.strip("/").split("/"), request.path.strip("/").split("/"), strict=True)
        path = {name[1:-1]: value for name, value in pairs if name.startswith("{")}
        call = ApiCall(
            world=None,  # type: ignore[arg-type]
            company_id=COMPANY,
            location=None,
            emit=lambda *_: None,
            path=path,
            query=dict(request.query),
            body=request.json,
            version=request.version,
        )
        reply = self.routes[request.method, vendor_routes.shape(template)].handler(call)
        raw, now = json.dumps(reply.body).encode(), clock.monotonic()
        return Response(reply.status, json.loads(raw), raw, "application/json", RateSnapshot(), None, None, now, now)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Published:
    reference.require()
    vendor = Published(_routes())
    monkeypatch.setattr(client, "perform", vendor.perform)
    return vendor


@cache
def _routes() -> dict[tuple[str, str], Route]:
    found = played_by_schema.routes(reference.REFERENCE / "openapi", seed=1)
    return {(route.method, vendor_routes.shape(route.path)): route for route, _ in found}


def here(name: str, dialect: DialectName) -> Resource:
    found = RESOURCES[name].on(dialect)
    assert found is not None
    return found


def rows_of(resource: Resource, how: dict[str, Any]) -> list[dict[str, Any]]:
    """All rows of the listing, read page by page as a run does."""
    request = resource.request(LOCATION, None)
    params = {**(request.params or {}), **({"companyId": COMPANY} if resource.needs_company else {})}
    asked: dict[str, Any] = {
        "params": params,
        "body": request.body,
        "whole": resource.whole,
        "only_one": resource.only_one,
        "parts": resource.parts(clock.now()),
        "below": resource.below,
        **how,
    }
    found: list[dict[str, Any]] = []
    below, cursor = resource.below, None
    if below is not None and (below.by_change or below.unless):  # of parents that are asked for one by one, or made up
        return list(listing.page_of(resource.operation, below, "aParent", None, {**asked, "below": None}).items)
    for _ in range(MOST_PAGES):
        got = listing.page(resource.operation, cursor=cursor, **asked)
        found += got.items
        if got.next is None:
            return found
        assert got.next != cursor
        cursor = got.next
    raise AssertionError("the listing does not end")


@pytest.mark.slow
@pytest.mark.timeout(240)  # a thousand answers, a quarter of a minute on an idle machine
def test_every_resource_reads_what_the_files_describe(published: Published, app: App) -> None:
    def reads(name: str, dialect: DialectName) -> None:
        Record.objects.all().delete()
        App.objects.update(dialect=dialect)
        app.dialect = dialect
        resource = here(name, dialect)
        tenant = LOCATION if resource.kind == "location" else COMPANY
        how = {"app": app, resource.kind: tenant}
        if f"{name} {dialect}" in NOT_DESCRIBED:
            with contextlib.suppress(PayloadAnomalous):
                assert all(not isinstance(row, dict) for row in rows_of(resource, how)), "described now"
            return
        rows = rows_of(resource, how)
        assert rows
        ids = [resource.record_id(row) for row in rows]
        assert None not in ids, sorted(rows[0])
        merged = records.merge(app.pk, tenant, name, rows)
        assert (merged.inserted, merged.skipped) == (len(set(ids)), 0)
        stored = dict(Record.objects.filter(resource=name).values_list("record_id", "payload"))
        assert stored == {resource.record_id(row): resource.payload(row) for row in rows}
        is_typed(resource, rows, has_dates=f"{name} {dialect}" not in NO_DATES)
        if resource.single is not None and is_described(resource, dialect):
            others = {parameter: rows[0].get(of) for parameter, of in resource.single.others.items()}
            got = listing.record(resource.single, ids[0] or "", others=others, ids=resource.ids, **how)
            assert got is not None
            assert resource.record_id(got) == ids[0]

    check_every(EVERY, reads)


def is_described(resource: Resource, dialect: DialectName) -> bool:
    """Whether the files say what is in the answer about one record."""
    assert resource.single is not None
    answer = described_fields._answer(dialect, resource.single.operation)
    return bool(dict(described_fields._below(answer, resource.single.name)))


def is_typed(resource: Resource, rows: list[dict[str, Any]], *, has_dates: bool) -> None:
    """The fields have the kinds that the typed records say, and their dates are read."""
    described = described_fields.of(resource)
    for row in rows:
        for name, value in resource.payload(row).items():
            kind = described.get(name, "any")
            assert isinstance(value, KINDS.get(kind, object)), (name, kind, value)
            if kind == "string" and described_fields.sql_type(name, kind) == "timestamptz":
                assert moment(value) is not None, (name, value)
        dates = [name for name in resource.version_fields if name in row]
        assert not dates or (resource.version_at(row) is not None) == has_dates, dates


def test_what_a_resource_says_of_its_listing_agrees_with_the_files() -> None:
    check_every(EVERY, agrees)


def agrees(name: str, dialect: DialectName) -> None:
    resource = here(name, dialect)
    operation = catalogue(dialect).operation(resource.operation)
    takes = {one.name for one in operation.params} | set(operation.body.properties if operation.body else ())
    asked = resource.request(LOCATION, None)
    assert {*(asked.params or {}), *(asked.body or {})} <= takes
    assert {key for part in resource.parts(clock.now()) for key in part} <= takes
    assert {one.parameter for one in resource.filters if not one.operator} <= takes
    if resource.below is not None:
        assert resource.below.parameter in takes
    answer = described_fields._answer(dialect, resource.operation)
    if f"{name} {dialect}" not in NOT_DESCRIBED:
        row_path = described_fields._row_path(resource, answer)
        row = dict(described_fields._below(answer, row_path))
        assert set(resource.ids) & set(row), sorted(row)
        if resource.whole and resource.whole != ANYWHERE:
            assert answer[resource.whole].rstrip("!") == ("object" if resource.only_one else "object[]")
        if resource.windows is not None:
            assert resource.windows.places in row, sorted(row)
    if resource.single is not None:
        single = catalogue(dialect).operation(resource.single.operation)
        assert {resource.single.parameter, *resource.single.others} <= {one.name for one in single.params}
        if is_described(resource, dialect):
            alone = described_fields._below(described_fields._answer(dialect, single.key), resource.single.name)
            assert set(resource.ids) & set(dict(alone))
