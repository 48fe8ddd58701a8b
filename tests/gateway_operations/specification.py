"""The vendor's OpenAPI files read once more, without the catalogue: what a request and an answer have to be."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from tests.gateway_operations.mistakes import BODIES, PARAMETERS, corrected
from tests.sandbox.reference import REFERENCE, Json

METHODS = ("get", "post", "put", "patch", "delete")
DEFAULT_VERSION = {"v2": "2021-07-28", "v3": "v3"}  # for the 29 + 30 operations that name none


@dataclass(frozen=True, eq=False)
class Specified:
    """One operation as its file has it. `name` is the file's, without `-v3`."""

    dialect: str
    name: str
    method: str
    path: str
    data: Json
    document: Json

    @property
    def route(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def version(self) -> str:
        stated = [p["schema"]["enum"] for p in self.parameters("header") if p["name"].lower() == "version"]
        return str(stated[0][0]) if stated else DEFAULT_VERSION[self.dialect]

    @property
    def schemes(self) -> set[str]:
        return {scheme for entry in self.data.get("security", ()) for scheme in entry}

    @property
    def key(self) -> str:
        """What the catalogue calls it."""
        return f"{self.name}.{self.data['operationId'].replace(' ', '-')}"

    @property
    def body(self) -> tuple[str, Json] | None:
        """The media type and schema of the body; None where the operation has none."""
        content = self.data.get("requestBody", {}).get("content", {})
        for media_type, part in content.items():
            return media_type, BODIES.get((self.name, self.data["operationId"])) or part.get("schema", {})
        return None

    @property
    def answer(self) -> tuple[int, Json | None]:
        """The status and schema of success; None where no body is described."""
        status = min(s for s in self.data["responses"] if s.startswith("2"))
        content = self.data["responses"][status].get("content", {})
        return int(status), content.get("application/json", {}).get("schema")

    def parameters(self, part: str) -> list[Json]:
        return [p for p in self.data.get("parameters", ()) if p["in"] == part]

    def schema_of(self, parameter: Json) -> Json:
        """Some parameters have their alternatives beside the schema instead of inside it."""
        if (self.name, parameter["name"]) in PARAMETERS:
            return PARAMETERS[self.name, parameter["name"]][0]
        beside: Json = {key: parameter[key] for key in ("anyOf", "oneOf") if key in parameter}
        plain: Json = parameter["schema"]
        return beside or plain

    def complaints(self, schema: Json, value: Any) -> list[str]:
        whole = {**schema, "components": self.document["components"]}
        return [f"{error.json_path}: {error.message[:120]}" for error in Draft202012Validator(whole).iter_errors(value)]


def operations(dialect: str) -> list[Specified]:
    folder = REFERENCE / "openapi" / ("v3" if dialect == "v3" else "")
    return [operation for path in sorted(folder.glob("*.json")) for operation in _operations(dialect, path.stem)]


def comma_separated(parameter: Json) -> bool:
    """`explode: false`, or said in the prose only."""
    said = re.search(r"comma[- ]separated|separated (with|by) comma", parameter.get("description", "").lower())
    return parameter.get("explode") is False or said is not None


def _operations(dialect: str, stem: str) -> list[Specified]:
    name = stem.removesuffix("-v3")
    document = _document(dialect, stem)
    return [
        Specified(dialect, name, method.upper(), path, item[method], document)
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


@cache
def _document(dialect: str, stem: str) -> Json:
    folder = REFERENCE / "openapi" / ("v3" if dialect == "v3" else "")
    document: Json = json.loads((folder / f"{stem}.json").read_text())
    shared = json.loads((REFERENCE / "common" / "common-schemas.json").read_text())["components"]["schemas"]
    document.setdefault("components", {}).setdefault("schemas", {}).update(shared)
    converted: Json = _converted(document, stem.removesuffix("-v3"))
    return converted


def _converted(value: Any, name: str) -> Any:
    """OpenAPI 3.0 as JSON schema: references inside the document, nullable, and no keyword of the wrong kind."""
    if isinstance(value, list):
        return [_converted(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    converted = corrected(name, {key: _converted(item, name) for key, item in value.items()})
    if isinstance(converted.get("$ref"), str):
        converted["$ref"] = "#" + converted["$ref"].rpartition("#")[2]
    if isinstance(converted.get("required"), bool) and "in" not in converted and "content" not in converted:
        del converted["required"]  # a property called required by itself: no JSON schema
    if converted.get("type") in ("any", "file"):
        del converted["type"]
    if converted.get("nullable") is True and isinstance(converted.get("type"), str):
        converted["type"] = [converted["type"], "null"]
    return converted
