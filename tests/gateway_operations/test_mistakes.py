"""The table of the vendor's mistakes is complete, and no row of it is left over from a mistake since mended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway_operations import mistakes, specification
from tests.gateway_operations.samples import sample
from tests.gateway_operations.specification import Specified, operations
from tests.sandbox import reference

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    reference.require()
    specification._document.cache_clear()
    yield
    specification._document.cache_clear()


def contradictions(operation: Specified) -> list[str]:
    """Schemas of an operation that no sample fits."""
    schemas = [operation.schema_of(p) for part in ("path", "query") for p in operation.parameters(part)]
    schemas += [operation.body[1]] if operation.body else []
    schemas += [schema for schema in [operation.answer[1]] if schema is not None]
    return [c for schema in schemas for c in operation.complaints(schema, sample(schema, operation.document))]


def all_contradictions(name: str | None = None) -> list[str]:
    both = [*operations("v2"), *operations("v3")]
    return [c for operation in both if name in (None, operation.name) for c in contradictions(operation)]


def test_with_the_table_every_schema_has_a_value() -> None:
    assert all_contradictions() == []


@pytest.mark.parametrize("table", ["OVERLAPPING", "NESTED_ENUMS"])
def test_without_a_row_its_file_contradicts_itself(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: dict[str, str] = getattr(mistakes, table)
    for name in list(rows):
        monkeypatch.setattr(mistakes, table, {row: why for row, why in rows.items() if row != name})
        specification._document.cache_clear()
        assert all_contradictions(name), f"{name} needs its row in {table} no longer"


def test_an_empty_body_is_still_empty() -> None:
    for name, operation_id in mistakes.BODIES:
        for operation in (*operations("v2"), *operations("v3")):
            if (operation.name, operation.data["operationId"]) == (name, operation_id):
                (part,) = operation.data["requestBody"]["content"].values()
                assert part["schema"].get("properties", {}) == {}


def test_a_parameter_of_the_table_is_still_an_object() -> None:
    for name, parameter_name in mistakes.PARAMETERS:
        found = [
            parameter
            for operation in operations("v2")
            if operation.name == name
            for parameter in operation.parameters("query")
            if parameter["name"] == parameter_name
        ]
        assert found
        for parameter in found:
            assert parameter["schema"].get("type") in (None, "any"), "its schema says what it is by now"
