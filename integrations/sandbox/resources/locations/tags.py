"""Tags of a location. Renaming or deleting one changes its contacts too."""

from __future__ import annotations

from dataclasses import replace

from integrations.sandbox.data.records import Tag
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import not_found
from integrations.sandbox.resources.checks import body, own


def list_tags(call: ApiCall) -> Reply:
    """List the tags of a location."""
    location = own(call, call.path["locationId"])
    return Reply({"tags": [view(tag) for tag in location.tags.values()]})


def get(call: ApiCall) -> Reply:
    """Return one tag."""
    return Reply({"tag": view(_find(call)[1])})


def create(call: ApiCall) -> Reply:
    """Create a tag."""
    location = own(call, call.path["locationId"])
    name = body(call, {"name": "text"}, required=("name",))["name"].strip().lower()
    tag = next((tag for tag in location.tags.values() if tag.name == name), None)
    if tag is None:
        tag = Tag(call.world.ids.new(), location.id, name)
        location.tags[tag.id] = tag
    return Reply({"tag": view(tag)})


def update(call: ApiCall) -> Reply:
    """Rename a tag, on its contacts too."""
    location, old = _find(call)
    name = body(call, {"name": "text"}, required=("name",))["name"].strip().lower()
    tag = location.tags[old.id] = replace(old, name=name)
    _retag(location, old.name, name)
    return Reply({"tag": view(tag)})


def delete(call: ApiCall) -> Reply:
    """Delete a tag, on its contacts too."""
    location, tag = _find(call)
    del location.tags[tag.id]
    _retag(location, tag.name, None)
    return Reply({"succeded": True})


def _retag(location: Location, old: str, new: str | None) -> None:
    for contact in [row for row in location.contacts.values() if old in row.tags]:
        names = (new if name == old else name for name in contact.tags)
        location.contacts.add(replace(contact, tags=tuple(dict.fromkeys(name for name in names if name))))


def _find(call: ApiCall) -> tuple[Location, Tag]:
    location = own(call, call.path["locationId"])
    tag = location.tags.get(call.path["tagId"])
    if tag is None:
        raise not_found("Tag", call.path["tagId"])
    return location, tag


def view(tag: Tag) -> dict[str, str]:
    """A tag as answers have it."""
    return {"id": tag.id, "name": tag.name, "locationId": tag.location_id}


ALL, ONE = "/locations/{locationId}/tags", "/locations/{locationId}/tags/{tagId}"
ROUTES = (
    Route("GET", ALL, "get-location-tags", list_tags, ("locations/tags.readonly",)),
    Route("POST", ALL, "create-tag", create, ("locations/tags.write",)),
    Route("GET", ONE, "get-tag-by-id", get, ()),
    Route("PUT", ONE, "update-tag", update, ()),
    Route("DELETE", ONE, "delete-tag", delete, ()),
)
