"""Tags and followers of a contact, added and removed by name."""

from __future__ import annotations

from dataclasses import replace

from integrations.sandbox.data.records import Contact
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.resources.checks import body
from integrations.sandbox.resources.contacts import views as contact_views
from integrations.sandbox.resources.contacts.contacts import find
from integrations.sandbox.resources.contacts.fields import know_tags, normal_tags


def add_tags(call: ApiCall) -> Reply:
    """Add tags to a contact."""
    location, contact = find(call)
    named = body(call, {"tags": "strings"}, required=("tags",))["tags"]
    tags = normal_tags((*contact.tags, *named))
    know_tags(location, tags, call.world.ids)
    return Reply({"tags": _store(call, location, contact, tags)}, 201)


def remove_tags(call: ApiCall) -> Reply:
    """Remove tags from a contact."""
    location, contact = find(call)
    named = normal_tags(body(call, {"tags": "strings"}, required=("tags",))["tags"])
    tags = tuple(name for name in contact.tags if name not in named)
    return Reply({"tags": _store(call, location, contact, tags)})


def _store(call: ApiCall, location: Location, contact: Contact, tags: tuple[str, ...]) -> list[str]:
    if tags != contact.tags:
        contact = location.contacts.add(replace(contact, tags=tags, updated_at=call.world.now()))
        call.publish("ContactTagUpdate", location.id, contact_views.event(contact))
    return list(contact.tags)


def add_followers(call: ApiCall) -> Reply:
    """Add followers to a contact."""
    location, contact = find(call)
    named = body(call, {"followers": "strings"}, required=("followers",))["followers"]
    added = [user for user in dict.fromkeys(named) if user not in contact.followers]
    followers = (*contact.followers, *added)
    location.contacts.add(replace(contact, followers=followers, updated_at=call.world.now()))
    return Reply({"followers": list(followers), "followersAdded": added}, 201)


def remove_followers(call: ApiCall) -> Reply:
    """Remove followers from a contact."""
    location, contact = find(call)
    named = body(call, {"followers": "strings"}, required=("followers",))["followers"]
    removed = [user for user in contact.followers if user in named]
    followers = tuple(user for user in contact.followers if user not in named)
    location.contacts.add(replace(contact, followers=followers, updated_at=call.world.now()))
    return Reply({"followers": list(followers), "followersRemoved": removed})


WRITE = ("contacts.write",)
ROUTES = (
    Route("POST", "/contacts/{contactId}/tags", "add-tags", add_tags, WRITE),
    Route("DELETE", "/contacts/{contactId}/tags", "remove-tags", remove_tags, WRITE),
    Route("POST", "/contacts/{contactId}/followers", "add-followers-contact", add_followers, WRITE),
    Route("DELETE", "/contacts/{contactId}/followers", "remove-followers-contact", remove_followers, WRITE),
)
