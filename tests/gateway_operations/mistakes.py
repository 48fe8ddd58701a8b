"""Where the vendor's files contradict themselves, what is read instead, and why. A test holds each row to a need."""

from __future__ import annotations

from typing import Any

from tests.sandbox.reference import Json

# Files whose `oneOf` alternatives overlap: a value that fits two of them fits none, by the schema's rules.
OVERLAPPING = {
    "email-isv": "a verification without a recommendation is both of its kinds",
    "locations": "an SMS template fits the e-mail template's schema too",
    "social-planner": "a page, a group and a location differ by their name only",
}
# Files with an enum that holds one list instead of its items, and calls them numbers.
NESTED_ENUMS = {"store": "the country and state codes are texts, in a list inside the list"}

# (file, operationId): a body whose schema is empty in the file; FACTS, pagination styles, has it from deployed apps.
BODIES: dict[tuple[str, str], Json] = {
    ("contacts", "search-contacts-advanced"): {
        "type": "object",
        "properties": {
            "locationId": {"type": "string"},
            "page": {"type": "number"},
            "pageLimit": {"type": "number", "maximum": 500},
            "query": {"type": "string"},
            "filters": {"type": "array", "items": {"type": "object"}},
            "sort": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["locationId", "pageLimit"],
    }
}

# (file, parameter): a parameter whose schema cannot be written into a query, and what a live query holds.
PARAMETERS: dict[tuple[str, str], tuple[Json, str]] = {
    ("conversations", "startAfterDate"): ({"type": "number"}, "the number schema is an object that holds the number"),
}


def corrected(name: str, schema: Json) -> Json:
    """One schema object of a file, without its file's mistakes."""
    if name in OVERLAPPING and "oneOf" in schema:
        schema = {**{key: value for key, value in schema.items() if key != "oneOf"}, "anyOf": schema["oneOf"]}
    if name in NESTED_ENUMS and _is_nested(schema.get("enum")):
        schema = {**schema, "enum": schema["enum"][0], "type": "string"}
    return schema


def _is_nested(enum: Any) -> bool:
    return isinstance(enum, list) and len(enum) == 1 and isinstance(enum[0], list)
