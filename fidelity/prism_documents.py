"""Copies of the official OpenAPI files that Prism can judge by: mended where a fault would stop it.

Prism does not start with a reference that leads nowhere, and of a body whose schema is no JSON schema it judges
nothing. What is mended does not make a request right that is wrong by the file. `fidelity.prism` prints each mending.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHARED = "common/common-schemas.json"
_ALTERNATIVES = ("allOf", "anyOf", "oneOf")


def copied(reference: Path, source: Path, folder: Path) -> tuple[Path, list[str]]:
    """The copy of `source` in `folder`, beside the shared schemas, and what was mended in them."""
    document = json.loads(source.read_text(encoding="utf-8"))
    shared = json.loads((reference / SHARED).read_text(encoding="utf-8"))
    mended = [f"it lacks {name}, which it names" for name in _references(document) if _added(name, document, shared)]
    for schema in _schemas(document):
        mended += _mended(schema)
    shutil.rmtree(folder, ignore_errors=True)
    for path, content in ((folder / SHARED, shared), (folder / "files" / source.name, document)):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    return folder / "files" / source.name, sorted(set(mended))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _references(item)


def _added(reference: str, document: dict[str, Any], shared: dict[str, Any]) -> bool:
    """Whether the schema had to be added, empty. All that the files lack belongs to answers of errors."""
    file, _, pointer = reference.partition("#")
    name = pointer.rpartition("/")[2]
    schemas = (shared if file else document).setdefault("components", {}).setdefault("schemas", {})
    if name in schemas:
        return False
    schemas[name] = {}
    return True


def _schemas(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every schema of the document, those inside others too."""
    roots = [*document.get("components", {}).get("schemas", {}).values(), *_named_schema(document.get("paths"))]
    while roots:
        schema = roots.pop()
        if isinstance(schema, dict):
            yield schema
            roots += [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
            roots += [one for name in _ALTERNATIVES for one in schema.get(name, ())]


def _named_schema(value: Any) -> Iterator[Any]:
    """The values of all keys `schema`: of parameters, bodies and answers."""
    if isinstance(value, dict):
        if "schema" in value:
            yield value["schema"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _named_schema(item)


def _mended(schema: dict[str, Any]) -> Iterator[str]:
    """Make a schema a JSON schema; says what was wrong."""
    if isinstance(schema.get("examples"), dict):
        del schema["examples"]
        yield "the examples of a schema are a map instead of a list"
    if schema.get("type") == "any":
        del schema["type"]
        yield "a schema has the type any, which there is not"
    enum = schema.get("enum")
    if isinstance(enum, list) and len(enum) == 1 and isinstance(enum[0], list):
        schema.update(enum=enum[0], type="string")
        yield "an enum of texts is a list inside a list, and called numbers"
    if isinstance(enum, list) and len(set(schema["enum"])) < len(schema["enum"]):
        schema["enum"] = list(dict.fromkeys(schema["enum"]))
        yield "an enum repeats values"
