"""Operations that no code plays, answered from the response schemas of the vendor's OpenAPI files.

They pass the gate like all others: token, quota, version, level, and the location that they name. Scopes are not
checked, because a file's alternatives depend on the token. Nothing is stored: a look-up after a creation finds an
object with the id that was asked for, and made-up values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from integrations.sandbox.openapi.schema_data import Asked, SchemaData
from integrations.sandbox.protocol import ApiCall, Reply, Route

_METHODS = ("get", "post", "put", "patch", "delete")
_VERSIONS = {"v2": "2021-07-28", "v3": "v3"}  # of operations that name none
_LEVELS = {
    "bearer": "Location",
    "Location-Access": "Location",
    "Location-Access-Only": "Location",
    "Agency-Access": "Company",
    "Agency-Access-Only": "Company",
}


class NoOpenApiFiles(Exception):
    """The folder has no OpenAPI files, or one of its files is none."""


@dataclass(frozen=True, slots=True)
class Published:
    """One operation of a file: what it takes to be called, and the status and schema of its success.

    `first_page` is the number of its first page, where it has a parameter for that.
    """

    route: str
    path: str
    version: str
    levels: frozenset[str]
    status: int
    schema: Mapping[str, Any] | None
    data: SchemaData
    first_page: int = 1


def routes(folder: Path, seed: int) -> Iterator[tuple[Route, bool]]:
    """Each operation of the files in the folder, and whether v3 lacks it. Raises NoOpenApiFiles."""
    known: dict[str, dict[str, Published]] = {}
    for dialect, files in (("v2", folder.glob("*.json")), ("v3", (folder / "v3").glob("*.json"))):
        for file in sorted(files):
            for one in _operations(file, dialect, seed):
                known.setdefault(one.route, {}).setdefault(dialect, one)
    if not known:
        raise NoOpenApiFiles(f"{folder} holds no OpenAPI files (*.json and v3/*.json)")
    for route, found in known.items():
        first = found.get("v2") or found["v3"]
        levels = tuple(sorted(frozenset().union(*(one.levels for one in found.values()))))
        handler = partial(answer, found)
        method = route.partition(" ")[0]
        yield Route(method, first.path, route, handler, (), levels, first.version), "v3" not in found


def answer(found: Mapping[str, Published], call: ApiCall) -> Reply:
    """A valid answer, of the dialect that the request names."""
    one = found.get("v3" if call.version == "v3" else "v2") or next(iter(found.values()))
    if one.schema is None:
        return Reply(None, one.status)
    body = call.body if isinstance(call.body, dict) else {}
    named = {**dict(call.query), **body, **dict(call.path)}
    ends = one.path.rstrip("/").endswith("}")
    own_id = list(call.path.values())[-1] if ends and call.path else call.query.get("id")
    of = one.route if own_id else f"{one.route} {json.dumps(body, sort_keys=True, default=str)}"
    return Reply(one.data.answer(one.schema, Asked(named, own_id, one.first_page), of), one.status)


def _operations(file: Path, dialect: str, seed: int) -> Iterator[Published]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        paths = document["paths"]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise NoOpenApiFiles(f"{file} is no OpenAPI file: {fault!r}") from fault
    data = SchemaData(document, seed)
    for path, item in paths.items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                status = min((code for code in operation["responses"] if code.startswith("2")), default="200")
                content = operation["responses"].get(status, {}).get("content", {})
                yield Published(
                    route=f"{method.upper()} {path}",
                    path=path,
                    version=_version(operation) or _VERSIONS[dialect],
                    levels=_levels(operation),
                    status=int(status),
                    schema=content.get("application/json", {}).get("schema"),
                    data=data,
                    first_page=_first_page(operation),
                )


def _version(operation: Mapping[str, Any]) -> str | None:
    headers = (p for p in operation.get("parameters", ()) if p.get("in") == "header" and p["name"].lower() == "version")
    return next((str(p["schema"]["enum"][0]) for p in headers if p.get("schema", {}).get("enum")), None)


def _first_page(operation: Mapping[str, Any]) -> int:
    """0 where the parameter may be that, as the file says."""
    numbers = (p.get("schema", {}) for p in operation.get("parameters", ()) if p["name"] == "page")
    return next((0 for schema in numbers if schema.get("minimum") == 0), 1)


def _levels(operation: Mapping[str, Any]) -> frozenset[str]:
    schemes = {scheme for entry in operation.get("security", ()) for scheme in entry}
    return frozenset(_LEVELS[scheme] for scheme in schemes if scheme in _LEVELS) or frozenset({"Company", "Location"})
