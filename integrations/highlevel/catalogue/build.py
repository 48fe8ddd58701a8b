"""Build of a catalogue from a directory of the vendor's OpenAPI files: a pure function that copies no vendor prose.

It reads `*.json` as API 2.0 and `v3/*.json` as v3. Anything new (a second security scheme in one entry, two versions,
an unknown content type) stops the build: an engineer should look at it, the build does not guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from integrations.core.errors import BadRequest
from integrations.highlevel.catalogue import corrections, field_notes, fields
from integrations.highlevel.catalogue.operation import AcceptedToken, Body, Content, Operation, Parameter, written
from integrations.highlevel.catalogue.operation_lookup import DEFAULT_VERSION, Catalogue
from integrations.highlevel.catalogue.schemas import resolved, shape
from integrations.highlevel.oauth.dialects import DialectName

METHODS = ("get", "post", "put", "patch", "delete")
HANDLED_ELSEWHERE = frozenset({"version", "authorization"})  # headers the transport sets
_KINDS: dict[str, tuple[Any, bool]] = {  # FACTS section 7, "Schemes"
    "bearer": ("location", False),
    "Location-Access": ("location", False),
    "Location-Access-Only": ("location", True),
    "Agency-Access": ("company", False),
    "Agency-Access-Only": ("company", True),
}
_CONTENTS: dict[str, Content] = {
    "application/json": "json",
    "application/x-www-form-urlencoded": "form",
    "multipart/form-data": "multipart",
}


def files_of(directory: Path, dialect: DialectName) -> list[Path]:
    """The OpenAPI files of a dialect below this directory, in order of name."""
    return sorted((directory if dialect == "v2" else directory / "v3").glob("*.json"))


def build(files: list[Path], dialect: DialectName) -> Catalogue:
    """The catalogue of these files. Raises BadRequest that names the file and operation that cannot be parsed."""
    operations: dict[str, Operation] = {}
    for file in files:
        for operation in _operations(file, dialect):
            if operation.key in operations:
                raise BadRequest(f"{file.name}: the key {operation.key} is taken", file=file.name)
            operations[operation.key] = operation
    return Catalogue(dict(sorted(operations.items())))


def text_of(built: Catalogue, dialect: DialectName) -> str:
    """The text of the committed file: one operation per line."""
    lines = [f"{json.dumps(o.key)}: {json.dumps(written(o), separators=(',', ':'))}" for o in built.operations()]
    return f'{{"dialect": "{dialect}", "operations": {{\n' + ",\n".join(lines) + "\n}}\n"


def fields_of(files: list[Path]) -> fields.Fields:
    """The fields of bodies and responses, by operation. For files that `build` accepted."""
    found = {}
    for file in files:
        document = _document(file)
        for _, _, data in _entries(file, document):
            found[_key(file, data)] = fields.of_operation(data, document)
    return dict(sorted(found.items()))


def notes_of(files: list[Path]) -> field_notes.Notes:
    """The notes on parameters and fields, by operation. For files that `build` accepted."""
    found = {}
    for file in files:
        document = _document(file)
        for _, _, data in _entries(file, document):
            key = _key(file, data)
            corrected = corrections.BODIES.get(key)
            own = field_notes.of_names(corrected.properties) if corrected else {}
            found[key] = {**field_notes.of_operation(data, document), **own}
    return dict(sorted(found.items()))


def _operations(file: Path, dialect: DialectName) -> Iterator[Operation]:
    document = _document(file)
    for found in _entries(file, document):
        yield _operation(file, document, found, dialect)


def _entries(file: Path, document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each operation."""
    for path, item in document["paths"].items():
        if not isinstance(item, dict):
            raise BadRequest(f"{file.name}: {path} is not understood: it holds no operations", file=file.name)
        for method in METHODS:
            if method in item:
                yield method, path, {**item[method], "parameters": _parameters(item, method, document)}


def _parameters(item: Mapping[str, Any], method: str, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The operation's own parameters and those of its path; references are followed."""
    both = (*item.get("parameters", ()), *item[method].get("parameters", ()))
    found = [resolved(parameter, document) for parameter in both]
    return list({(one.get("in"), one.get("name")): one for one in found}.values())


def _key(file: Path, data: Mapping[str, Any]) -> str:
    return f"{file.stem.removesuffix('-v3')}.{data['operationId'].replace(' ', '-')}"


def _document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as fault:
        raise BadRequest(f"{file.name} cannot be read as JSON: {fault}", file=file.name) from fault
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise BadRequest(f"{file.name} is not an OpenAPI file: it has no paths", file=file.name)
    return document


def _operation(
    file: Path, document: Mapping[str, Any], found: tuple[str, str, dict[str, Any]], dialect: DialectName
) -> Operation:
    method, path, data = found
    try:
        key = _key(file, data)
        version = _version(data)
        return Operation(
            key=key,
            method=method.upper(),
            path=path,
            tag=next(iter(data.get("tags", ())), ""),
            version=version or DEFAULT_VERSION[dialect],
            version_stated=version is not None,
            deprecated=bool(data.get("deprecated")),
            credentials=tuple(_credentials(data)),
            params=_params(path, data),
            body=corrections.BODIES.get(key) or _body(data, document),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise BadRequest(
            f"{file.name}: {method.upper()} {path} is not understood: {fault!r}", file=file.name
        ) from fault


def _version(data: Mapping[str, Any]) -> str | None:
    headers = [p for p in data.get("parameters", ()) if p["in"] == "header"]
    enums = [p["schema"].get("enum") for p in headers if p["name"].lower() == "version"]
    if not enums:
        return None
    (versions,) = enums
    (version,) = versions
    return str(version)


def _credentials(data: Mapping[str, Any]) -> Iterator[AcceptedToken]:
    seen = set()
    for entry in data.get("security", ()):
        ((scheme, scopes),) = entry.items()
        kind, oauth_only = _KINDS[scheme]
        credential = AcceptedToken(kind, oauth_only, tuple(scopes))
        if credential not in seen:  # `bearer` and `Location-Access` mean the same
            seen.add(credential)
            yield credential


def _params(path: str, data: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Parameters with those of the path first, in its order; some of these are in the template only."""
    declared = [
        _param(p)
        for p in data.get("parameters", ())
        if p["in"] != "header" or p["name"].lower() not in HANDLED_ELSEWHERE
    ]
    in_path = {p.name: p for p in declared if p.part == "path"}
    names = re.findall(r"{([^}]+)}", path)
    if in_path.keys() - names:
        raise ValueError(f"path parameters outside the path: {sorted(in_path.keys() - names)}")
    first = [in_path.get(name) or Parameter(name, "path", required=True, type="string") for name in names]
    return (*first, *(p for p in declared if p.part != "path"))


def _param(data: Mapping[str, Any]) -> Parameter:
    if data["in"] not in ("path", "query", "header"):
        raise ValueError(f"a parameter in {data['in']}")
    schema = data["schema"]
    chooses = "anyOf" in data or "oneOf" in data
    kind = "any" if chooses else schema.get("type", "any")
    values = schema.get("enum") or schema.get("items", {}).get("enum") or ()
    if kind == "string" and values and _says_commas(data):  # `type=TYPE_SMS,TYPE_CALL`, declared as one of an enum
        kind = "array"
    return Parameter(
        name=data["name"],
        part=data["in"],
        required=bool(data.get("required")) or data["in"] == "path",
        type=kind,
        enum=tuple(str(value) for value in values),
        style=_style(data) if kind == "array" else "",
    )


def _style(data: Mapping[str, Any]) -> str:
    """The style of an array parameter; OpenAPI's default repeats the name.

    v3 says "comma-separated" in prose where v2 says `explode: false`.
    """
    return "csv" if _says_commas(data) or data.get("explode") is False else "repeat"


def _says_commas(data: Mapping[str, Any]) -> bool:
    return (
        re.search(r"comma[- ]separated|separated (with|by) commas?", data.get("description", ""), re.IGNORECASE)
        is not None
    )


def _body(data: Mapping[str, Any], document: Mapping[str, Any]) -> Body | None:
    body = data.get("requestBody")
    if body is None:
        return None
    offered = {_CONTENTS[content]: part for content, part in body["content"].items()}
    content: Content = next(c for c in ("form", "json", "multipart") if c in offered)
    found = shape(offered[content].get("schema", {}), document)
    properties = dict(sorted(found.properties.items()))
    needs = tuple(sorted(found.needs & properties.keys()))
    return Body(content, bool(body.get("required")), found.type == "array", properties, needs)
