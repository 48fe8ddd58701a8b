"""Notes on parameters and fields: derived by rule, as committed, in our own words, and shown where people read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from integrations.gateway.codegen.facade_text import facade
from integrations.highlevel.catalogue import build, catalogue, field_notes
from integrations.highlevel.catalogue.field_notes import of_field, of_operation, of_parameter
from integrations.highlevel.oauth.dialects import DialectName
from tests.highlevel.test_catalogue import reference
from tests.support.tables import check_every

__all__ = ["reference"]

DIALECTS: tuple[DialectName, ...] = ("v2", "v3")
TEXT = {"type": "string"}


def test_the_committed_notes_are_what_the_files_give(reference: Path) -> None:
    for dialect in DIALECTS:
        made = build.notes_of(build.files_of(reference, dialect))
        committed = Path(field_notes.__file__).with_name(field_notes.name_of(dialect)).read_text(encoding="utf-8")
        assert committed == field_notes.text_of(made), "run `manage.py catalogue build` on the reference files"
        assert made.keys() == {operation.key for operation in catalogue(dialect).operations()}


def descriptions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("description"), str):
            yield value["description"]
        for part in value.values():
            yield from descriptions(part)
    elif isinstance(value, list):
        for part in value:
            yield from descriptions(part)


def words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def test_no_prose_of_the_vendor_is_in_a_note(reference: Path) -> None:
    """No description of six words or more stands in any note."""
    said = {words(text) for file in reference.rglob("*.json") for text in descriptions(json.loads(file.read_text()))}
    long = {text for text in said if text.count(" ") >= 5}
    assert len(long) > 1_000
    notes = {
        words(note)
        for dialect in DIALECTS
        for found in field_notes.committed(dialect).values()
        for note in found.values()
    }
    assert not {(text, note) for note in notes for text in long if text in note}


RULES: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("startTime", {"type": "string", "example": "1680373800000"}, "milliseconds since 1970"),
    ("startTime", {"type": "string", "description": "Start (in millis)"}, "milliseconds since 1970"),
    ("startDate", {"type": "number", "description": "Unix timestamp in milliseconds"}, "milliseconds since 1970"),
    ("sendAt", {"type": "number", "description": "UTC timestamp (in seconds)"}, "seconds since 1970"),
    ("scheduledAt", {"type": "number", "example": 1669287863}, "seconds since 1970"),
    ("expiryIn", {"type": "number", "example": 3600000, "description": "expiry time in milliseconds"}, "milliseconds"),
    ("timeout", {"type": "number", "description": "Time out in ms"}, "milliseconds"),
    (
        "maxCallDuration",
        {"type": "number", "description": "In seconds (3-15 minutes)", "maximum": 900},
        "seconds, at most 900",
    ),
    ("idle", {"type": "number", "description": "Seconds to wait. Default: 8 seconds"}, "seconds"),
    ("waitTime", {"type": "number", "description": "Max 5 for minutes, 300 for seconds"}, "minutes or seconds"),
    ("unit", {"type": "string", "enum": ["s"], "description": "SECONDS or MINUTES"}, "one of s"),
    ("secondKey", {"type": "string", "description": "Key of the second object"}, ""),
    ("startTime", {"type": "string", "example": "2021-06-23T03:30:00+05:30"}, "date and time, ISO 8601"),
    ("phoneId", {"type": "number", "example": 1680373800000}, "id of the phone"),
    ("dueDate", {"type": "string", "format": "date"}, "date, YYYY-MM-DD"),
    ("limit", {"type": "number", "default": 20, "maximum": 100}, "page size, at most 100, 20 unless given"),
    ("pageSize", {"type": "number", "description": "Page size (max 50)."}, "page size, at most 50"),
    ("score", {"type": "number", "description": "a max 50 value"}, ""),
    ("ids", {"type": "string", "description": "Ids, comma separated"}, "several separated by commas"),
    ("calendarIds", {"type": "array", "items": TEXT}, "ids of calendar, list of strings"),
    ("status", {"type": "string", "enum": ["open", "won"]}, "one of open, won"),
    ("mode", {"type": "string", "default": "cash"}, "'cash' unless given"),
    ("active", {"type": "boolean", "default": True, "example": True}, "true unless given"),
    ("items", {"type": "array", "items": {"properties": {"qty": {}, "name": {}}}}, "list of objects with qty, name"),
    ("address", {"properties": {str(n): {} for n in range(9)}}, "object with 0, 1, 2, 3, 4, 5, 6, 7 and 1 more"),
    ("email", {"type": "string", "example": "a@example.com"}, "e-mail address"),
    ("replyTo", {"type": "string", "example": "a@example.com"}, "e-mail address"),
    ("title", {"type": "string", "maxLength": 40}, "at most 40 characters"),
    ("title", {"type": "string", "example": "Hello"}, ""),
    ("locationId", TEXT, "id of the location"),
)


def test_a_note_follows_a_rule() -> None:
    check_every(RULES, says)


def says(name: str, schema: dict[str, Any], expected: str) -> None:
    assert of_field(name, schema, {}) == expected


def test_a_group_is_read_only_where_it_names_parameters() -> None:
    said = "Either of calendarId, userId or groupId is required"
    params = [
        {"name": n, "in": "query", "description": said, "schema": TEXT} for n in ("calendarId", "userId", "groupId")
    ]
    found = of_operation({"parameters": params}, {})
    assert field_notes.groups(found) == ["calendarId, groupId, userId"]
    assert field_notes.groups(of_operation({"parameters": params[:2]}, {})) == []
    assert of_parameter({"name": "status", "in": "query", "schema": {"type": "string", "enum": ["a"]}}) == ""


SPOKEN: tuple[tuple[str, list[str]], ...] = (
    ("One of a or b is mandatory", ["a, b"]),
    ("At least one of a, b must be provided", []),
    ("At least one of a, b, or c must be provided", ["a, b, c"]),
    ("Either a or b should be passed", ["a, b"]),
    ("Must provide either a or b", ["a, b"]),
    ("You must send one of a or b.", ["a, b"]),
    ("Mandatory if b is not provided", ["a, b"]),
    ("required unless b is given", ["a, b"]),
    ("Required when type is b", []),
    ("one of a or other is required", []),
    ("Either a or b can be set, not both", []),
)


def test_a_group_is_said_in_many_ways_about_parameters_and_fields() -> None:
    check_every(SPOKEN, is_read)


def is_read(said: str, expected: list[str]) -> None:
    body = {"properties": {"a": {"description": said}, "b": TEXT, "c": TEXT}}
    in_body = of_operation({"requestBody": {"content": {"application/json": {"schema": body}}}}, {})
    named = {"a": said, "b": "", "c": ""}
    params = [{"name": name, "in": "query", "description": text, "schema": TEXT} for name, text in named.items()]
    for found in (in_body, of_operation({"parameters": params}, {})):
        assert field_notes.groups(found) == expected
        assert ("not together with b" in found.get("a", "")) == ("not both" in said)


UNITS = re.compile(r"\b(?:milli(?:s|seconds)?|seconds)\b", re.IGNORECASE)


def test_every_field_whose_description_names_seconds_has_them_in_its_note(reference: Path) -> None:
    """Read from the files without the rules: each unit of time that is named there is in the note, or in its values."""
    seen = 0
    for dialect in DIALECTS:
        notes = field_notes.committed(dialect)
        for file in build.files_of(reference, dialect):
            document = json.loads(file.read_text(encoding="utf-8"))
            for name, said, note in timed(document, notes, dialect):
                seen += 1
                wanted = "milliseconds" if "milli" in said.lower() else "seconds"
                assert wanted in note.lower(), (dialect, file.name, name, note)
    assert seen > 15


def timed(document: dict[str, Any], notes: field_notes.Notes, dialect: DialectName) -> Iterator[tuple[str, str, str]]:
    """Name, description and note of each parameter and field of a body whose description names a unit."""
    keys = {(one.method, one.path): one.key for one in catalogue(dialect).operations()}
    for path, item in document["paths"].items():
        for method, data in item.items():
            fields = {one["name"]: one for one in data.get("parameters", ())}
            for content in data.get("requestBody", {}).get("content", {}).values():
                schema = content.get("schema", {})
                schema = (
                    document["components"]["schemas"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema
                )
                fields |= schema.get("properties", {})
            for name, field in fields.items():
                if UNITS.search(field.get("description", "")):
                    yield name, field["description"], notes.get(keys[method.upper(), path], {}).get(name, "")


def test_the_facade_has_the_notes() -> None:
    modules = facade(catalogue("v2"), "v2")
    events = modules["calendars.py"].partition("def get_calendar_events(")[2].partition("return")[0]
    assert "startTime: milliseconds since 1970" in events
    assert "One of: calendarId, groupId, userId." in events
    contact = modules["contacts.py"].partition("class CreateContactBody(")[2].partition("\n\n\n")[0]
    assert '    timezone: str\n    """IANA time zone, such as Europe/Berlin"""\n' in contact
    sending = modules["conversations.py"].partition("def send_a_new_message(")[2].partition("return")[0]
    assert "One of: message, html, attachments, templateId." in sending
