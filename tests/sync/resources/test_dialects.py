"""Every operation that code names exists in API 2.0 and in v3, or its resource says what takes its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.core import clock
from integrations.core.errors import PayloadAnomalous
from integrations.gateway import client
from integrations.gateway.client import Result
from integrations.highlevel.catalogue import catalogue, prepare
from integrations.highlevel.catalogue.remarks import remarks
from integrations.highlevel.oauth.dialects import DIALECTS, DialectName
from integrations.sync import listing
from integrations.sync.resources import DEFAULTS, RESOURCES
from integrations.sync.resources.in_api1 import API_1
from integrations.tenants.models import App

ROOT = Path(__file__).resolve().parents[3] / "integrations"
# Data about operations of either dialect, or the vendor's own side.
LEFT_OUT = ("gateway/facade", "highlevel/pagination", "highlevel/catalogue", "sandbox", "sync/choose/left_out")
BOTH = pytest.mark.parametrize("dialect", DIALECTS)


def keys(dialect: DialectName) -> set[str]:
    return {operation.key for operation in catalogue(dialect).operations()}


def named() -> Iterator[tuple[str, str]]:
    """Texts in code that are keys of operations, with the file that has them."""
    known = keys("v2") | keys("v3")
    for path in ROOT.rglob("*.py"):
        place = str(path.relative_to(ROOT))
        if not place.startswith(LEFT_OUT) and "migrations" not in place:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in known:
                    yield node.value, place


def of_resources(dialect: DialectName) -> set[str]:
    """The operations that resources use in a dialect."""
    here = [found for resource in RESOURCES.values() if (found := resource.on(dialect)) is not None]
    return {one.operation for one in here} | {one.single.operation for one in here if one.single is not None}


@pytest.mark.slow
def test_a_named_operation_exists_in_both_dialects_or_is_replaced() -> None:
    found = list(named())
    assert len({operation for operation, _ in found}) > 10, "nothing was collected"
    for dialect, other in (("v2", "v3"), ("v3", "v2")):
        missing = {pair for pair in found if pair[0] not in keys(dialect)}  # type: ignore[arg-type]
        assert {pair for pair in missing if pair[0] not in of_resources(other)} == set()  # type: ignore[arg-type]
        assert of_resources(dialect) <= keys(dialect)  # type: ignore[arg-type]


@BOTH
def test_each_resource_asks_for_what_the_dialect_takes(dialect: DialectName) -> None:
    here = [found for resource in RESOURCES.values() if (found := resource.on(dialect)) is not None]
    assert len(here) > 75
    for one in here:
        operation, style = catalogue(dialect).operation(one.operation), one.style
        assert (style is None) == bool(one.whole), one.name
        request, part = one.request("loc", None), next(iter(one.parts(clock.now())), {})
        first = dict(style.first()) if style else {}
        params, body = dict(request.params or {}), None if request.body is None else {**first, **request.body, **part}
        if body is None:
            params |= {**first, **part}
        if one.below is not None:
            params[one.below.parameter] = "parent"
        tenant = {"locationId": "loc", "companyId": "com"}
        prepared = prepare(operation, params, body, tenant=tenant)
        assert remarks(operation, params, body, tenant=tenant, dialect=dialect) == [], one.name
        assert prepared.version == operation.version
        assert not operation.kinds or one.scopes in operation.scopes(one.kind), one.name
        if one.single is not None:
            single = catalogue(dialect).operation(one.single.operation)
            prepare(single, {**one.single.others, one.single.parameter: "x"}, tenant=tenant)


def test_api_1_lists_each_default_resource_and_the_short_lists() -> None:
    listed = {name for name, resource in RESOURCES.items() if resource.on("1.0") is not None}
    assert listed == set(API_1) > set(DEFAULTS)
    assert listed - set(DEFAULTS) == {
        *("custom_fields", "custom_values", "tags"),
        *("campaigns", "workflows", "forms", "surveys"),
    }


@pytest.mark.parametrize("name", API_1)
def test_api_1_lists_a_resource_in_full(name: str) -> None:
    here = RESOURCES[name].on("1.0")
    assert here is not None
    assert here.operation.startswith("GET /")
    assert here.since is None
    assert here.request("loc", None).params == {}
    chosen = sorted(one.parameter for one in RESOURCES[name].filters)
    assert here.narrowed(dict.fromkeys(chosen, "x")).cannot_filter == tuple(chosen)


def test_a_listing_below_another_is_read_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {
        "/pipelines/": {"pipelines": [{"id": "a"}, {"id": "b"}, {"name": "none"}]},
        "/pipelines/a/opportunities": {"opportunities": [{"id": "1"}], "meta": {"total": 2, "nextPage": 2}},
        "/pipelines/b/opportunities": {"opportunities": [{"id": "3"}], "meta": {"total": 1, "nextPage": None}},
    }
    answers["/pipelines/a/opportunities"]["meta"] |= {"startAfterId": "1", "startAfter": 7}
    asked = []

    def call(operation: str, *, params: dict[str, str], **_: object) -> Result:
        path = operation.partition(" ")[2].format(**params)
        asked.append((path, params.get("startAfterId")))
        answer = answers[path]
        if params.get("startAfterId"):
            answer = {"opportunities": [{"id": "2"}], "meta": {"total": 2, "nextPage": None}}
        return Result(200, answer, None, path)

    monkeypatch.setattr(client, "call", call)
    here = RESOURCES["opportunities"].on("1.0")
    assert here is not None
    how = {"app": App(dialect="v2"), "version": "1.0"}
    seen, cursor = [], None
    while True:
        got = listing.page(here.operation, **how, below=here.below, params={}, body=None, cursor=cursor)
        seen += [item["id"] for item in got.items]
        assert got.total is None, "a pipeline's total is not the listing's"
        if got.next is None:
            break
        assert got.next != cursor
        cursor = got.next
    assert seen == ["1", "2", "3"]
    assert [path for path, _ in asked].count("/pipelines/") == 1
    answers["/pipelines/"] = {"pipelines": []}
    assert listing.page(here.operation, **how, below=here.below, params={}, body=None).next is None
    answers["/pipelines/"] = {}
    with pytest.raises(PayloadAnomalous):
        listing.page(here.operation, **how, below=here.below, params={}, body=None)
