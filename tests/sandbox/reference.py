"""The vendor's published files, as JSON schemas.

They are not part of this project. HIGHLEVEL_REFERENCE says where they are; without them the tests that need them are
skipped, except in CI, where that is a failure.
"""

from __future__ import annotations

import copy
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.sandbox.spec_mistakes import CORRECTIONS

NEIGHBOUR = Path(__file__).resolve().parents[2].parent / "shared" / "highlevel"
REFERENCE = Path(os.environ.get("HIGHLEVEL_REFERENCE") or NEIGHBOUR)
Json = dict[str, Any]


def require() -> None:
    if (REFERENCE / "webhook-events.json").is_file():
        return
    message = "NOT CHECKED against the vendor's schemas: set HIGHLEVEL_REFERENCE to the folder with openapi/*.json"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@cache
def webhook_events() -> Json:
    return _load("webhook-events.json")


@cache
def document(name: str) -> Json:
    """An OpenAPI file, corrected, with the shared error schemas beside its own and nullable turned into null."""
    document = _load(f"openapi/{name}.json")
    shared = _load("common/common-schemas.json")["components"]["schemas"]
    document["components"]["schemas"].update(shared)
    for (file, schema, field), (correct, _reason) in CORRECTIONS.items():
        if name == file:
            document["components"]["schemas"][schema]["properties"][field] = correct
        elif name == in_v3(file):  # most schemas of v3 are those of API 2.0, some with V3 behind the name
            for spelling in {schema, f"{schema}V3"} & document["components"]["schemas"].keys():
                document["components"]["schemas"][spelling]["properties"][field] = correct
    converted: Json = _convert(document)
    return converted


def in_v3(name: str) -> str:
    """The name of the file that describes v3 of the same resource."""
    return f"v3/{name}-v3"


def as_published(name: str, schema: str, field: str) -> Json:
    """A property before any correction."""
    published: Json = _load(f"openapi/{name}.json")["components"]["schemas"][schema]["properties"][field]
    return published


def operation(name: str, method: str, path: str) -> Json:
    found: Json = document(name)["paths"][path][method.lower()]
    return found


def response_schema(name: str, method: str, path: str, status: int) -> Json | None:
    """None where the file documents the status without saying what its body is."""
    content = operation(name, method, path)["responses"][str(status)].get("content", {})
    schema: Json | None = content.get("application/json", {}).get("schema")
    return copy.deepcopy(schema)


def complaints(name: str, schema: Json, value: Any) -> list[str]:
    whole = {**schema, "components": document(name)["components"]}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(value)]


def unknown_fields(name: str, schema: Json, value: Any, path: str = "$") -> list[str]:
    """Fields that the schema does not name, where it names any."""
    schema = _resolve(name, schema)
    if isinstance(value, list):
        found = [unknown_fields(name, schema.get("items", {}), item, f"{path}[]") for item in value]
        return sorted({field for fields in found for field in fields})
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    known = schema["properties"]
    unknown = [f"{path}.{field}" for field in value if field not in known]
    for field in value.keys() & known.keys():
        unknown += unknown_fields(name, known[field], value[field], f"{path}.{field}")
    return sorted(unknown)


def _resolve(name: str, schema: Json) -> Json:
    if len(schema.get("allOf", ())) == 1:
        schema = schema["allOf"][0]
    while "$ref" in schema:
        schema = document(name)["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _load(path: str) -> Json:
    loaded: Json = json.loads((REFERENCE / path).read_text())
    return loaded


def _convert(value: Any) -> Any:
    if isinstance(value, list):
        return [_convert(item) for item in value]
    if not isinstance(value, dict):
        return value
    converted = {key: _convert(item) for key, item in value.items()}
    if isinstance(converted.get("$ref"), str):
        converted["$ref"] = "#" + converted["$ref"].rpartition("#")[2]
    if converted.get("nullable") is True and "type" in converted:
        converted["type"] = [converted["type"], "null"]
    return converted
