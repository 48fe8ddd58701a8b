"""Custom field values: callers send `{id or key, field_value}`, rows keep `(id, value)`, answers differ by object.

v3 calls the value `fieldValue`.
"""

from __future__ import annotations

from typing import Any

from integrations.sandbox.data.records import CustomValues
from integrations.sandbox.data.world import Location
from integrations.sandbox.refusals import invalid

NAMES = ("field_value", "fieldValue", "value")


def read(location: Location, model: str, given: list[dict[str, Any]]) -> CustomValues:
    """Raises ApiError 422 for an entry whose field this location does not have."""
    keys = {field.key: field.id for field in location.custom_fields.values() if field.model == model}
    values = []
    for position, entry in enumerate(given):
        key = str(entry.get("key", ""))
        field_id = str(entry.get("id") or keys.get(key) or keys.get(f"{model}.{key}"))
        if field_id not in location.custom_fields:
            raise invalid(f"customFields.{position}.id is not a custom field of this location")
        values.append((field_id, next((entry[name] for name in NAMES if name in entry), None)))
    return tuple(values)


def merge(old: CustomValues, new: CustomValues) -> CustomValues:
    """An update leaves the fields it does not name; an empty value clears one."""
    return tuple((name, value) for name, value in {**dict(old), **dict(new)}.items() if value not in (None, ""))
