"""From the body of a create, update or upsert to the fields of a contact row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from integrations.sandbox.data.ids import Ids
from integrations.sandbox.data.records import Contact, Tag
from integrations.sandbox.data.world import Location
from integrations.sandbox.refusals import invalid
from integrations.sandbox.resources.checks import Rules
from integrations.sandbox.resources.locations import custom_values

TEXTS = {
    "firstName": "first_name",
    "lastName": "last_name",
    "email": "email",
    "phone": "phone",
    "companyName": "company_name",
    "address1": "address1",
    "city": "city",
    "state": "state",
    "postalCode": "postal_code",
    "country": "country",
    "timezone": "timezone",
    "website": "website",
    "source": "source",
    "assignedTo": "assigned_to",
    "dateOfBirth": "date_of_birth",
}
# The keys of `dndSettings` in v3, and in API 2.0.
CHANNELS = {"call": "Call", "email": "Email", "sms": "SMS", "whatsApp": "WhatsApp", "gmb": "GMB", "fb": "FB"}
UPDATE_RULES: Rules = {
    **dict.fromkeys(TEXTS, "string?"),
    "name": "string?",
    "gender": "string",
    "dnd": "boolean",
    "dndSettings": "object",
    "inboundDndSettings": "object",
    "tags": "strings",
    "customFields": "objects",
}
CREATE_RULES: Rules = {**UPDATE_RULES, "locationId": "string"}
UPSERT_RULES: Rules = {**CREATE_RULES, "createNewIfDuplicateAllowed": "boolean"}


def read(location: Location, given: dict[str, Any], old: Contact | None) -> dict[str, Any]:
    """The fields of the row that `given` sets. Raises ApiError 422."""
    fields = _texts(given)
    if "dnd" in given:
        fields["dnd"] = given["dnd"]
    if "dndSettings" in given:
        fields["dnd_settings"] = _dnd_settings(given["dndSettings"])
    if "tags" in given:
        fields["tags"] = normal_tags(given["tags"])
    if "customFields" in given:
        values = custom_values.read(location, "contact", given["customFields"])
        fields["custom_fields"] = custom_values.merge(old.custom_fields if old else (), values)
    return fields


def _texts(given: dict[str, Any]) -> dict[str, Any]:
    """An empty text clears a field; a name alone is split at its first space."""
    fields: dict[str, Any] = {row: given[name] or None for name, row in TEXTS.items() if name in given}
    if given.get("name") and "firstName" not in given:
        first, _, last = given["name"].strip().partition(" ")
        fields |= {"first_name": first, "last_name": last or None}
    if fields.get("email") and "@" not in fields["email"]:
        raise invalid("email must be an email")
    if fields.get("phone"):
        fields["phone"] = normal_phone(fields["phone"])
    return fields


def _dnd_settings(given: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    if not all(isinstance(setting, dict) for setting in given.values()):
        raise invalid("each value in nested property dndSettings must be an object")
    return tuple((CHANNELS.get(name, name), setting) for name, setting in given.items())


def normal_phone(text: str) -> str:
    """Digits behind a plus; ten digits are taken for a North American number."""
    digits = "".join(character for character in text if character.isdigit())
    if not digits:
        raise invalid("phone must be a valid phone number")
    return f"+1{digits}" if len(digits) == 10 and not text.startswith("+") else f"+{digits}"


def normal_tags(names: Iterable[str]) -> tuple[str, ...]:
    """Lower case, each once."""
    return tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip()))


def know_tags(location: Location, names: Iterable[str], ids: Ids) -> None:
    """A contact's tag that the location does not have yet becomes one of its tags."""
    known = {tag.name for tag in location.tags.values()}
    for name in names:
        if name not in known:
            tag = Tag(ids.new(), location.id, name)
            location.tags[tag.id] = tag
