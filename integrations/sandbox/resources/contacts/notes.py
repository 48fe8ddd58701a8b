"""Notes on a contact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from integrations.sandbox.data.records import Note
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import not_found
from integrations.sandbox.resources.checks import Rules, body, succeeded
from integrations.sandbox.resources.contacts.contacts import find
from integrations.sandbox.timestamps import iso

RULES: Rules = {"body": "text", "userId": "string", "title": "string", "color": "string", "pinned": "boolean"}
FIELDS = {"body": "body", "userId": "user_id", "title": "title", "color": "color", "pinned": "pinned"}


def list_notes(call: ApiCall) -> Reply:
    """List the notes on a contact."""
    location, contact = find(call)
    return Reply({"notes": [_view(note) for note in location.notes.where("contact_id", contact.id)]})


def get(call: ApiCall) -> Reply:
    """Return one note."""
    return Reply({"note": _view(_find(call)[1])})


def create(call: ApiCall) -> Reply:
    """Create a note."""
    location, contact = find(call)
    given = body(call, RULES, required=("body",))
    note = location.notes.add(
        Note(
            id=call.world.ids.new(),
            location_id=location.id,
            contact_id=contact.id,
            added_at=call.world.now(),
            **_fields(given),
        )
    )
    call.publish("NoteCreate", location.id, _event(note))
    return Reply({"note": _view(note)}, 201)


def update(call: ApiCall) -> Reply:
    """Update a note."""
    location, note = _find(call)
    note = location.notes.add(replace(note, **_fields(body(call, RULES))))
    call.publish("NoteUpdate", location.id, _event(note))
    return Reply({"note": _view(note)})


def delete(call: ApiCall) -> Reply:
    """Delete a note."""
    location, note = _find(call)
    del location.notes[note.id]
    call.publish("NoteDelete", location.id, _event(note))
    return Reply(succeeded(call, "succeeded"))


def _find(call: ApiCall) -> tuple[Location, Note]:
    location, contact = find(call)
    note = location.notes.get(call.path["id"])
    if note is None or note.contact_id != contact.id:
        raise not_found("Note", call.path["id"])
    return location, note


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    return {row: given[name] for name, row in FIELDS.items() if name in given}


def _view(note: Note) -> dict[str, Any]:
    gaps = {"userId": note.user_id, "title": note.title, "color": note.color}
    return {
        "id": note.id,
        "body": note.body,
        "dateAdded": iso(note.added_at),
        "contactId": note.contact_id,
        "pinned": note.pinned,
        **{name: value for name, value in gaps.items() if value is not None},
    }


def _event(note: Note) -> dict[str, Any]:
    return {"id": note.id, "body": note.body, "contactId": note.contact_id, "dateAdded": iso(note.added_at)}


READ, WRITE = ("contacts.readonly",), ("contacts.write",)
ROUTES = (
    Route("GET", "/contacts/{contactId}/notes", "get-all-notes", list_notes, READ),
    Route("POST", "/contacts/{contactId}/notes", "create-note", create, WRITE),
    Route("GET", "/contacts/{contactId}/notes/{id}", "get-note", get, READ),
    Route("PUT", "/contacts/{contactId}/notes/{id}", "update-note", update, WRITE),
    Route("DELETE", "/contacts/{contactId}/notes/{id}", "delete-note", delete, WRITE),
)
