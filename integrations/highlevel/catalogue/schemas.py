"""Top level of a body's schema: its property names, their types, and which are required."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 8  # references and combinations followed before a schema counts as unknown


@dataclass(slots=True)
class Shape:
    """The type, property types and required names of a schema's top level."""

    type: str = "any"
    properties: dict[str, str] = field(default_factory=dict)
    needs: set[str] = field(default_factory=set)


def shape(schema: Mapping[str, Any], document: Mapping[str, Any], depth: int = 0) -> Shape:
    """Resolve references and `allOf` (all names, all required) and `oneOf`/`anyOf` (all names, required if common)."""
    if depth > DEEPEST:
        return Shape()
    schema = resolved(schema, document)
    found = Shape(
        type=schema.get("type", "any"),
        properties={name: shape(part, document, depth + 1).type for name, part in schema.get("properties", {}).items()},
        needs=set(needs) if isinstance(needs := schema.get("required"), list) else set(),  # of JSON Schema 3: true
    )
    for part in schema.get("allOf", ()):
        _add(found, shape(part, document, depth + 1))
    alternatives = [shape(part, document, depth + 1) for part in (*schema.get("oneOf", ()), *schema.get("anyOf", ()))]
    if alternatives:
        common = set.intersection(*(alternative.needs for alternative in alternatives))
        kinds = {alternative.type for alternative in alternatives}
        for alternative in alternatives:
            _add(found, Shape(properties=alternative.properties))
        _add(found, Shape(type=kinds.pop() if len(kinds) == 1 else "any", needs=common))
    return found


def _add(found: Shape, part: Shape) -> None:
    found.properties.update(part.properties)
    found.needs |= part.needs
    if found.type == "any":
        found.type = part.type


def resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference inside the document; a broken reference gives an unknown schema."""
    for _ in range(DEEPEST):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        target: Any = document
        for name in reference.removeprefix("#/").split("/"):
            target = target.get(name, {}) if isinstance(target, Mapping) else {}
        schema = target
    return {}
