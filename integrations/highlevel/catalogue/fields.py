"""Fields inside bodies and responses, used only to find what a newer copy of the vendor's files changes.

Calls need none of this, so it has a file beside the catalogue that only `catalogue diff` and `build` read. A path looks
like `contacts[].id`. It is LEVELS names deep, because jobs read values at that depth and the files repeat themselves
below it. A path's kind is the type or the allowed values, with a `!` where the field is required.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from itertools import groupby
from typing import Any

from integrations.highlevel.catalogue.schemas import DEEPEST, resolved, shape
from integrations.highlevel.oauth.dialects import DialectName

LEVELS = 3
SIDES = ("request fields", "response fields")
USUAL = "string"  # omitted in the file
Kinds = Mapping[str, str]  # by path
Fields = Mapping[str, Mapping[str, Kinds]]  # by operation and side


def of_operation(data: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Kinds]:
    """The paths of an OpenAPI operation's body and of its success responses."""
    answers = [answer for status, answer in data.get("responses", {}).items() if str(status).startswith("2")]
    sides = zip(SIDES, ([data.get("requestBody") or {}], answers), strict=True)
    found = {side: _kinds(pair for part in parts for pair in _of_part(part, document)) for side, parts in sides}
    return {side: kinds for side, kinds in found.items() if kinds}


def difference(old: Fields, new: Fields, key: str) -> dict[str, tuple[Kinds, Kinds]]:
    """For each side that differs, the paths that were removed or changed kind, as they were and as they are."""
    sides = ((side, old.get(key, {}).get(side, {}), new.get(key, {}).get(side, {})) for side in SIDES)
    return {side: (only(was, now), only(now, was)) for side, was, now in sides if was != now}


def committed(dialect: DialectName) -> Fields:
    """The fields of the committed catalogue."""
    text = resources.files(__package__).joinpath(name_of(dialect)).read_text(encoding="utf-8")
    return {key: {side: read_rows(rows) for side, rows in sides.items()} for key, sides in json.loads(text).items()}


def name_of(dialect: DialectName) -> str:
    """The file name of a dialect's fields."""
    return f"{dialect}.fields.json"


def text_of(found: Fields) -> str:
    """The text of the committed file: one operation per line, names grouped by parent."""
    lines = []
    for key, sides in found.items():
        written = {side: rows_of(kinds) for side, kinds in sides.items()}
        lines.append(f"{json.dumps(key)}: {json.dumps(written, separators=(',', ':'))}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def of_schema(schema: Mapping[str, Any]) -> Kinds:
    """The paths of one schema without references, such as that of a webhook event."""
    return _kinds(_paths(schema, {}, "", 0, 0))


def only(one: Kinds, other: Kinds) -> Kinds:
    """The paths that `one` alone has, or has with another kind."""
    return {path: kind for path, kind in sorted(one.items()) if other.get(path) != kind}


def _of_part(part: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for content in resolved(part, document).get("content", {}).values():
        yield from _paths(content.get("schema") or {}, document, "", 0, 0)


def _paths(schema: Any, document: Mapping[str, Any], parent: str, level: int, depth: int) -> Iterator[tuple[str, str]]:
    """Pairs of path and kind. `level` counts names, `depth` everything that is followed."""
    if level >= LEVELS or depth > DEEPEST or not isinstance(schema, Mapping):
        return
    schema = resolved(schema, document)
    needs = schema.get("required")
    for name, part in (schema.get("properties") or {}).items():
        path = f"{parent}.{name}" if parent else name
        yield path, _kind(part, document) + "!" * (isinstance(needs, list) and name in needs)
        yield from _paths(part, document, path, level + 1, depth + 1)
    if "items" in schema:
        yield from _paths(schema["items"], document, f"{parent}[]", level, depth + 1)
    for word in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(word) or ():
            yield from _paths(part, document, parent, level, depth + 1)


def _kind(schema: Any, document: Mapping[str, Any], depth: int = 0) -> str:
    """`string`, `number[]`, `open|won`; `any` where the file does not say."""
    schema = resolved(schema, document) if isinstance(schema, Mapping) and depth <= DEEPEST else {}
    if isinstance(values := schema.get("enum"), list):
        return "|".join(sorted(map(str, values)))
    found: Any = shape(schema, document).type
    kind = " or ".join(map(str, found)) if isinstance(found, list) else str(found)
    return f"{_kind(schema.get('items'), document, depth + 1)}[]" if kind == "array" else kind


def _kinds(pairs: Iterable[tuple[str, str]]) -> Kinds:
    """Kinds by path; a path in several alternatives has the kinds of all."""
    found: dict[str, set[str]] = {}
    for path, kind in pairs:
        found.setdefault(path, set()).add(kind)
    return {path: " or ".join(sorted(kinds)) for path, kinds in found.items()}


def rows_of(kinds: Kinds) -> dict[str, list[str]]:
    """The paths as a committed file has them, by parent: `id` for a string, `age:number` for anything else."""
    parted = sorted((*path.rpartition(".")[::2], kind) for path, kind in kinds.items())
    return {
        parent: [name if kind == USUAL else f"{name}:{kind}" for _, name, kind in entries]
        for parent, entries in groupby(parted, key=lambda entry: entry[0])
    }


def read_rows(rows: Mapping[str, list[str]]) -> Kinds:
    """The inverse of `rows_of`."""
    entries = ((parent, entry.partition(":")) for parent, names in rows.items() for entry in names)
    return {f"{parent}.{name}" if parent else name: kind or USUAL for parent, (name, _, kind) in entries}
