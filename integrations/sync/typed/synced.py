"""`records`: typed access to the synced copy, a selection for each resource. `synced.pyi` has the types.

The stub is generated from the catalogue (`manage.py records stub`), so that an editor completes resources and fields.
This module has what runs: an attribute for every resource, those of own apps too.
"""

from __future__ import annotations

from typing import Any

from integrations.core.errors import BadRequest
from integrations.sync import queries
from integrations.sync.typed.record_selection import RecordSelection


class Synced:
    """The synced records: `records.contacts.for_tenant(tenant).newest(25)`, by e-mail, phone, tag, changed since.

    Called with an app, a location and a resource it is Django's queryset of the location's records.
    """

    def __call__(self, app: Any, location_id: str, resource: str) -> Any:
        """The location's records that are not deleted. `payload` is the vendor's object, sealed fields encrypted."""
        return queries.records(app, location_id, resource)

    def __getattr__(self, name: str) -> RecordSelection[Any]:
        try:
            return RecordSelection.of(name)
        except BadRequest as error:
            raise AttributeError(str(error)) from error


records = Synced()
