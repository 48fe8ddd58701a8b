"""Custom fields by their names, as the resource `custom_fields` has them. Without it, a field is known by its id alone.

A payload has its custom fields as a list: `[{"id": "…", "value": …}]`. The vendor calls the value `value`, or by its
kind: `fieldValue`, `fieldValueString`, `fieldValueArray` and so on (opportunities).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from integrations.sync.models import Record
from integrations.tenants.models import App

LISTS = ("customFields", "customField")  # API 1.0 has the second


class CustomNames:
    """The names of the custom fields of some locations. They are read when one is asked for: one query."""

    def __init__(self, app: App | None, locations: Iterable[str]) -> None:
        self._mine = {"app": app, "location_id__in": list(locations), "resource": "custom_fields", "deleted_at": None}

    @cached_property
    def by_id(self) -> dict[str, str]:
        """The name of each field, by its id."""
        found = Record.objects.filter(**self._mine).order_by("pk").values_list("record_id", "payload__name")
        return {field: name for field, name in found if isinstance(name, str) and name}

    def values(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The custom fields of a payload by name, by id where no name is known. Two of one name: the first counts."""
        listed = next((payload[name] for name in LISTS if name in payload), None)
        found: dict[str, Any] = {}
        for entry in listed if isinstance(listed, list) else ():
            if isinstance(entry, Mapping) and isinstance(field := entry.get("id"), str):
                found.setdefault(self.by_id.get(field, field), _value(entry))
        return found


def _value(entry: Mapping[str, Any]) -> Any:
    return next((value for name, value in entry.items() if name == "value" or name.startswith("fieldValue")), None)
