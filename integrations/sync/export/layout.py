"""The columns of an export: the fields that the catalogue describes, and the custom fields by name.

A field that the vendor sends beyond its description is in the column `other`, as JSON: nothing is lost. A field that
`SEALED_FIELDS` names stays encrypted at rest, and its column is empty, unless the export opens it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.sync.feed.change_feed import RecordChange
from integrations.sync.models import Record, ResourceChoice
from integrations.sync.narrowing.field_choice import FieldChoice, needed
from integrations.sync.resources import RESOURCES
from integrations.sync.sealed_fields import is_sealed
from integrations.sync.typed import described_fields
from integrations.sync.typed.custom_names import LISTS, CustomNames
from integrations.tenants.models import App

CHANGE = ("change", "changed_at", "id", "location_id")
OTHER = "other"
CUSTOM = "custom: "


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one file. `kinds` are the catalogue's by field; `custom` the names of custom fields, sorted."""

    kinds: Mapping[str, str]
    custom: Sequence[str]
    names: CustomNames

    @property
    def columns(self) -> list[str]:
        """All names, in order."""
        return [*CHANGE, *self.kinds, *(CUSTOM + name for name in self.custom), OTHER]

    def row(self, change: RecordChange) -> dict[str, Any]:
        """The values of a change by column. A sealed value is None."""
        fields = {name: None if is_sealed(value) else value for name, value in change.fields.items()}
        named = self.names.values(fields)
        beyond = {name: value for name, value in fields.items() if name not in self.kinds and name not in _KNOWN}
        beyond |= {CUSTOM + name: value for name, value in named.items() if name not in self.custom}
        return {
            "change": change.kind,
            "changed_at": change.changed_at.isoformat(),
            "id": change.id,
            "location_id": change.location_id,
            **{name: fields.get(name) for name in self.kinds},
            **{CUSTOM + name: named.get(name) for name in self.custom},
            OTHER: beyond or None,
        }


_KNOWN = frozenset({"id", "_id", "locationId", *LISTS})


def of(app: App, resource: str) -> Layout:
    """The columns as they are now; a custom field that is made later is in `other` until the next file.

    A field that the app leaves out has no column. Where a location keeps it, it is in `other`.
    """
    found = Record.objects.filter(app=app, resource="custom_fields", deleted_at=None)
    names = CustomNames(app, found.values_list("location_id", flat=True).distinct())
    row = ResourceChoice.objects.filter(app=app, resource=resource).first()
    choice, always = FieldChoice.of_json(row.fields if row else {}), needed(RESOURCES[resource])
    described = {
        name: kind for name, kind in described_fields.of(RESOURCES[resource]).items() if choice.keeps(name, always)
    }
    kinds = {name: kind for name, kind in described.items() if name not in _KNOWN}
    has_custom = LISTS[0] in described
    return Layout(kinds, sorted(set(names.by_id.values())) if has_custom else (), names)
