"""The names inside bodies and answers, for one question alone: does a newer copy of the vendor's files change them?

Calls need none of this, so it stands in a file beside the catalogue that only `catalogue diff` and `build` read. A path
is `contacts[].id`; LEVELS names deep, because what a job reads lies there, and below it the files repeat themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from itertools import groupby
from typing import Any

from integrations.highlevel.catalogue.schemas import DEEPEST, resolved
from integrations.highlevel.dialects import DialectName

LEVELS = 3
SIDES = ("request fields", "response fields")
Paths = frozenset[str]
Fields = Mapping[str, Mapping[str, Paths]]  # by operation and side


def of_operation(data: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Paths]:
    """The paths of an OpenAPI operation's body and of its successful answers."""
    answers = [answer for status, answer in data.get("responses", {}).items() if str(status).startswith("2")]
    sides = zip(SIDES, ([data.get("requestBody") or {}], answers), strict=True)
    found = {side: frozenset(path for part in parts for path in _of_part(part, document)) for side, parts in sides}
    return {side: paths for side, paths in found.items() if paths}


def difference(old: Fields, new: Fields, key: str) -> dict[str, tuple[list[str], list[str]]]:
    """For each side that differs, the paths that are gone and those that came."""
    sides = ((side, old.get(key, {}).get(side, Paths()), new.get(key, {}).get(side, Paths())) for side in SIDES)
    return {side: (sorted(was - now), sorted(now - was)) for side, was, now in sides if was != now}


def committed(dialect: DialectName) -> Fields:
    """Those of the committed catalogue."""
    text = resources.files(__package__).joinpath(name_of(dialect)).read_text(encoding="utf-8")
    return {key: {side: _read(rows) for side, rows in sides.items()} for key, sides in json.loads(text).items()}


def name_of(dialect: DialectName) -> str:
    return f"{dialect}.fields.json"


def text_of(found: Fields) -> str:
    """The committed form: one operation per line, the names of a parent together."""
    lines = []
    for key, sides in found.items():
        written = {side: _written(paths) for side, paths in sides.items()}
        lines.append(f"{json.dumps(key)}: {json.dumps(written, separators=(',', ':'))}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _of_part(part: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[str]:
    for content in resolved(part, document).get("content", {}).values():
        yield from _paths(content.get("schema") or {}, document, "", 0, 0)


def _paths(schema: Any, document: Mapping[str, Any], parent: str, level: int, depth: int) -> Iterator[str]:
    """`level` counts names, `depth` everything that is followed."""
    if level >= LEVELS or depth > DEEPEST or not isinstance(schema, Mapping):
        return
    schema = resolved(schema, document)
    for name, part in (schema.get("properties") or {}).items():
        path = f"{parent}.{name}" if parent else name
        yield path
        yield from _paths(part, document, path, level + 1, depth + 1)
    if "items" in schema:
        yield from _paths(schema["items"], document, f"{parent}[]", level, depth + 1)
    for word in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(word) or ():
            yield from _paths(part, document, parent, level, depth + 1)


def _written(paths: Paths) -> dict[str, list[str]]:
    parted = sorted((parent, name) for parent, _, name in (path.rpartition(".") for path in paths))
    return {parent: [name for _, name in names] for parent, names in groupby(parted, key=lambda pair: pair[0])}


def _read(rows: Mapping[str, list[str]]) -> Paths:
    return frozenset(f"{parent}.{name}" if parent else name for parent, names in rows.items() for name in names)
