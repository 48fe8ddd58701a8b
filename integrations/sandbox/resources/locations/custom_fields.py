"""A location's custom fields; one is found by its id or by its key (`contact.budget`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from integrations.sandbox.data.records import CustomField
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import invalid, not_found
from integrations.sandbox.resources.checks import Rules, body, own, query

UPDATE_RULES: Rules = {
    "name": "text",
    "placeholder": "string",
    "acceptedFormat": "strings",
    "isMultipleFile": "boolean",
    "maxNumberOfFiles": "number",
    "textBoxListOptions": "array",
    "options": "strings",
    "position": "number",
    "model": ("contact", "opportunity"),
}
CREATE_RULES: Rules = {**UPDATE_RULES, "dataType": "text"}


def list_fields(call: ApiCall) -> Reply:
    """List the custom fields of a location."""
    location = own(call, call.path["locationId"])
    model = query(call, {"model": ("contact", "opportunity", "all")}).get("model", "contact")
    fields = [field for field in location.custom_fields.values() if model in (field.model, "all")]
    return Reply({"customFields": [view(field) for field in fields]})


def get(call: ApiCall) -> Reply:
    """Return one custom field."""
    return Reply({"customField": view(_find(call)[1])})


def create(call: ApiCall) -> Reply:
    """Create a custom field."""
    location = own(call, call.path["locationId"])
    given = body(call, CREATE_RULES, required=("name", "dataType"))
    model = given.get("model", "contact")
    key = f"{model}.{given['name'].strip().lower().replace(' ', '_')}"
    if any(field.key == key for field in location.custom_fields.values()):
        raise invalid(f"A custom field with the key {key} exists already")
    field = CustomField(
        id=call.world.ids.new(),
        location_id=location.id,
        name=given["name"],
        key=key,
        data_type=given["dataType"],
        model=model,
        position=given.get("position", len(location.custom_fields)),
        placeholder=given.get("placeholder", ""),
        options=tuple(given.get("options", ())),
    )
    location.custom_fields[field.id] = field
    return Reply({"customField": view(field)}, 201)


def update(call: ApiCall) -> Reply:
    """Update a custom field."""
    location, old = _find(call)
    given = body(call, UPDATE_RULES, required=("name",))
    changes = {name: given[name] for name in ("name", "placeholder", "position") if name in given}
    field = location.custom_fields[old.id] = replace(old, **changes)
    return Reply({"customField": view(field)})


def delete(call: ApiCall) -> Reply:
    """The values go with the field."""
    location, field = _find(call)
    del location.custom_fields[field.id]
    for contact in [row for row in location.contacts.values() if field.id in dict(row.custom_fields)]:
        values = tuple(pair for pair in contact.custom_fields if pair[0] != field.id)
        location.contacts.add(replace(contact, custom_fields=values))
    for deal in [row for row in location.opportunities.values() if field.id in dict(row.custom_fields)]:
        values = tuple(pair for pair in deal.custom_fields if pair[0] != field.id)
        location.opportunities.add(replace(deal, custom_fields=values))
    return Reply({"succeded": True})


def _find(call: ApiCall) -> tuple[Location, CustomField]:
    location = own(call, call.path["locationId"])
    wanted = call.path["id"]
    for field in location.custom_fields.values():
        if wanted in (field.id, field.key):
            return location, field
    raise not_found("Custom field", wanted)


def view(field: CustomField) -> dict[str, Any]:
    """A custom field as answers have it."""
    return {
        "id": field.id,
        "name": field.name,
        "fieldKey": field.key,
        "placeholder": field.placeholder,
        "dataType": field.data_type,
        "position": field.position,
        "locationId": field.location_id,
        "model": field.model,
        **({"picklistOptions": list(field.options)} if field.options else {}),
    }


ALL, ONE = "/locations/{locationId}/customFields", "/locations/{locationId}/customFields/{id}"
ROUTES = (
    Route("GET", ALL, "get-custom-fields", list_fields, ("locations/customFields.readonly",)),
    Route("POST", ALL, "create-custom-field", create, ("locations/customFields.write",)),
    Route("GET", ONE, "get-custom-field", get, ()),
    Route("PUT", ONE, "update-custom-field", update, ()),
    Route("DELETE", ONE, "delete-custom-field", delete, ()),
)
