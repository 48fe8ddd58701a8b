"""Every operation that code names exists in API 2.0 and in v3, or its resource says what takes its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.core.errors import PayloadAnomalous
from integrations.gateway import client
from integrations.gateway.client import Result
from integrations.highlevel.catalogue import catalogue, prepare
from integrations.highlevel.oauth.dialects import DIALECTS, DialectName
from integrations.highlevel.pagination.styles import style_of
from integrations.sync import listing
from integrations.sync.resources import RESOURCES, Resource
from integrations.tenants.models import App

ROOT = Path(__file__).resolve().parents[2] / "integrations"
# Data about one dialect, or the vendor's own side.
LEFT_OUT = ("gateway/facade", "highlevel/pagination", "highlevel/catalogue", "sandbox")
EACH = pytest.mark.parametrize("resource", RESOURCES.values(), ids=list(RESOURCES))
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


def replaced() -> dict[str, Resource]:
    """Operations of resources that another operation replaces in v3."""
    pairs = ((resource, resource.on("v3")) for resource in RESOURCES.values())
    return {one.operation: other for one, other in pairs if other is not None and one.operation != other.operation}


def test_a_named_operation_exists_in_both_dialects_or_is_replaced() -> None:
    found = list(named())
    assert len({operation for operation, _ in found}) > 10, "nothing was collected"
    only_in_v3 = {other.operation for other in replaced().values()}
    missing = {dialect: {pair for pair in found if pair[0] not in keys(dialect)} for dialect in DIALECTS}
    assert {pair for pair in missing["v3"] if pair[0] not in replaced()} == set()
    assert {pair for pair in missing["v2"] if pair[0] not in only_in_v3} == set()
    assert only_in_v3 <= keys("v3")


@EACH
@BOTH
def test_each_resource_asks_for_what_the_dialect_takes(resource: Resource, dialect: DialectName) -> None:
    here = resource.on(dialect)
    assert here is not None
    operation, style = catalogue(dialect).operation(here.operation), style_of(here.operation, dialect)
    assert (style is None) == bool(here.whole)
    request = here.request("loc", None)
    params = {**(request.params or {}), **({"companyId": "com"} if here.needs_company else {})}
    first = dict(style.start) if style else {}
    body = None if request.body is None else {**first, **request.body}
    if style is not None and style.part == "query":
        params |= first
    prepare(operation, params, body, tenant={"locationId": "loc"})
    assert any({here.scope} >= scopes for scopes in operation.scopes("location"))
    if here.single is not None:
        single = catalogue(dialect).operation(here.single.operation)
        prepare(single, {here.single.parameter: "x"}, tenant={"locationId": "loc"})


@EACH
def test_api_1_lists_each_resource_in_full(resource: Resource) -> None:
    here = resource.on("1.0")
    assert here is not None
    assert here.operation.startswith("GET /")
    assert here.since is None
    assert here.request("loc", None).params == {}


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
