"""Is this HTTP request what the OpenAPI file says it has to be? Reads the file, knows nothing of the catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tests.gateway_operations.samples import flat
from tests.gateway_operations.specification import Specified, comma_separated
from tests.sandbox.reference import Json

TOKENS = {"location": "the-location-token", "company": "the-company-token"}
_COMPANY = {"Agency-Access", "Agency-Access-Only"}


@dataclass(frozen=True)
class Received:
    """A received request. `raw_path` is still encoded; `fields`: the form, names repeat; a file is its content."""

    raw_path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    content_type: str
    body: bytes
    fields: Mapping[str, list[str]]


def complaints(operation: Specified, received: Received) -> list[str]:
    """All that is wrong with the request; empty when it is valid."""
    return [
        *_headers(operation, received),
        *_path(operation, received),
        *_parameters(operation, received),
        *_body(operation, received),
    ]


def pattern(path: str) -> re.Pattern[str]:
    """Matches the encoded path; one group per parameter."""
    return re.compile("([^/]+)".join(map(re.escape, re.split(r"{[^}]+}", path))) + "$")


def _headers(operation: Specified, received: Received) -> list[str]:
    found = []
    if received.headers.get("Version") != operation.version:
        found.append(f"Version {received.headers.get('Version')} instead of {operation.version}")
    kinds = {"company" if scheme in _COMPANY else "location" for scheme in operation.schemes} or set(TOKENS)
    if received.headers.get("Authorization") not in {f"Bearer {TOKENS[kind]}" for kind in kinds}:
        found.append(f"not the token of a {' or '.join(sorted(kinds))}")
    return found


def _path(operation: Specified, received: Received) -> list[str]:
    match = pattern(operation.path).match(received.raw_path)
    assert match is not None
    names = re.findall(r"{([^}]+)}", operation.path)
    declared = {p["name"]: p for p in operation.parameters("path")}
    found = []
    for name, text in zip(names, match.groups(), strict=True):
        schema = operation.schema_of(declared[name]) if name in declared else {"type": "string"}
        found += _against(operation, f"path {name}", schema, [unquote(text)])
    return found


def _parameters(operation: Specified, received: Received) -> list[str]:
    declared = {p["name"]: p for p in operation.parameters("query")}
    found = [f"unknown query parameter {name}" for name in received.query.keys() - declared.keys()]
    given: dict[str, list[str]] = dict(received.query)
    for parameter in operation.parameters("header"):
        name = parameter["name"]
        if name.lower() not in ("version", "authorization"):
            declared[name] = parameter
            given |= {name: [received.headers[name]]} if name in received.headers else {}
    for name, parameter in declared.items():
        if name in given:
            texts = given[name]
            texts = [part for text in texts for part in text.split(",")] if comma_separated(parameter) else texts
            found += _against(operation, name, operation.schema_of(parameter), texts)
        elif parameter.get("required"):
            found.append(f"{parameter['in']} parameter {name} is missing")
    return found


def _against(operation: Specified, name: str, schema: Json, texts: list[str]) -> list[str]:
    """The texts of one parameter, read as the type that the schema names."""
    plain = flat(schema, operation.document)
    if plain.get("type") == "array":
        value: Any = [_read(text, flat(plain.get("items", {}), operation.document)) for text in texts]
        return [f"{name}: {complaint}" for complaint in operation.complaints(schema, value)]
    values = [_read(text, plain) for text in texts]
    return [f"{name}: {complaint}" for value in values for complaint in operation.complaints(schema, value)]


def _read(text: str, schema: Json) -> Any:
    kind = schema.get("type")
    try:
        if kind in ("number", "integer"):
            return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
    except ValueError:
        return text
    return {"true": True, "false": False}.get(text, text) if kind == "boolean" else text


def _body(operation: Specified, received: Received) -> list[str]:
    wanted = operation.body
    if wanted is None:
        return ["a body where none is taken"] if received.body else []
    media_type, schema = wanted
    if received.content_type != media_type:
        return [f"{received.content_type or 'no body'} instead of {media_type}"]
    if media_type == "application/json":
        return operation.complaints(schema, json.loads(received.body))
    properties = flat(schema, operation.document).get("properties", {})
    read = {
        name: _field(texts, flat(properties.get(name, {}), operation.document), operation)
        for name, texts in received.fields.items()
    }
    return operation.complaints(schema, read)


def _field(texts: list[str], schema: Json, operation: Specified) -> Any:
    if schema.get("type") == "array":
        return [_read(text, flat(schema.get("items", {}), operation.document)) for text in texts]
    return _read(texts[0], schema) if len(texts) == 1 else texts
