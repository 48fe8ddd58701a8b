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


def test_the_facade_has_the_notes() -> None:
    modules = facade(catalogue("v2"), "v2")
    events = modules["calendars.py"].partition("def get_calendar_events(")[2].partition("return")[0]
    assert "startTime: milliseconds since 1970" in events
    assert "One of: calendarId, groupId, userId." in events
    contact = modules["contacts.py"].partition("class CreateContactBody(")[2].partition("\n\n\n")[0]
    assert '    timezone: str\n    """IANA time zone, such as Europe/Berlin"""\n' in contact
    sending = modules["conversations.py"].partition("def send_a_new_message(")[2].partition("return")[0]
    assert "One of: message, html, attachments, templateId." in sending
