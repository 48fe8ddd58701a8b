"""A value for a schema: the same one every time, every property filled, and checked against the schema by its users."""

from __future__ import annotations

from typing import Any

from tests.sandbox.reference import Json

DEEPEST = 6  # schemas that contain themselves end here
TEXTS = {
    "date-time": "2030-01-02T03:04:05.000Z",
    r"^([01]?[0-9]|2[0-3]):[0-5][0-9]$": "09:30",
    r"^[A-Za-z_]+/[A-Za-z_]+$": "Europe/Vienna",
    r"^\d{4}-\d{2}-\d{2}$": "2030-01-02",
}


def sample(schema: Json, document: Json, depth: int = 0, nth: int = 1, *, whole: bool = True) -> Any:
    """The `nth` item of a list differs from the others. Raises KeyError for a pattern that has no text above.

    Without `whole` an object has its required properties only.
    """
    schema = flat(schema, document)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" or (kind is None and "properties" in schema):
        return _object(schema, document, depth, nth, whole=whole)
    if kind == "array":
        wanted = max(schema.get("minItems", 1), 1) if depth < DEEPEST else schema.get("minItems", 0)
        return [sample(schema.get("items", {}), document, depth + 1, n + 1, whole=whole) for n in range(wanted)]
    if kind in ("number", "integer"):
        return max(schema.get("minimum", 1), min(7, schema.get("maximum", 7)))
    return {"boolean": True, "string": _text(schema, nth)}.get(str(kind), "anything")


def flat(schema: Json, document: Json) -> Json:
    """References followed, `allOf` united, the first of the alternatives taken."""
    while "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    for part in (*schema.get("allOf", ()), *schema.get("oneOf", ())[:1], *schema.get("anyOf", ())[:1]):
        inner = flat(part, document)
        schema = {
            **inner,
            **schema,
            "properties": {**inner.get("properties", {}), **schema.get("properties", {})},
            "required": [*inner.get("required", ()), *schema.get("required", ())],
        }
    return schema


def _object(schema: Json, document: Json, depth: int, nth: int, *, whole: bool) -> Json:
    needs = schema.get("required", ())
    properties = schema.get("properties", {})
    names = [name for name in properties if (whole and depth < DEEPEST) or name in needs]
    made = {name: sample(properties[name], document, depth + 1, nth, whole=whole) for name in names}
    return made | {name: "anything" for name in needs if name not in properties}


def _text(schema: Json, nth: int) -> str:
    text = TEXTS[schema["pattern"]] if "pattern" in schema else TEXTS.get(schema.get("format", ""), f"{nth} ä/&=,?#")
    text = text.ljust(schema.get("minLength", 0), "x")
    return text[: schema.get("maxLength", len(text))]
