"""What belongs to contacts: notes, tasks, tags, businesses.

Notes have no listing of a location: each contact has its own, so they go by change. Tasks have one.
"""

from __future__ import annotations

from integrations.sync.resources.base import SOMETIMES, Parent, Resource, Single
from integrations.sync.resources.contacts import CONTACTS
from integrations.sync.resources.in_api1 import API_1
from integrations.sync.resources.listing_filters import ListingFilter

NOTES = Resource(
    name="notes",
    operation="contacts.get-all-notes",
    whole="notes",
    below=Parent(CONTACTS, "contactId", by_change=True),
    single=Single("contacts.get-note", "id", "note", {"contactId": "contactId"}),
    creates=frozenset({"NoteCreate"}),
    updates=frozenset({"NoteUpdate"}),
    deletes=frozenset({"NoteDelete"}),
)
TASKS = Resource(
    name="tasks",
    operation="locations.task-search",
    every=SOMETIMES,
    filters=(
        ListingFilter(parameter="completed", values=("true", "false"), field="completed"),
        ListingFilter(parameter="assignedTo", field="assignedTo"),
    ),
    single=Single("contacts.get-task", "taskId", "task", {"contactId": "contactId"}),
    creates=frozenset({"TaskCreate"}),
    updates=frozenset({"TaskComplete"}),
    deletes=frozenset({"TaskDelete"}),
)
TAGS = Resource(
    name="tags",
    operation="locations.get-location-tags",
    whole="tags",
    elsewhere={"1.0": API_1["tags"]},
    single=Single("locations.get-tag-by-id", "tagId", "tag"),
)
BUSINESSES = Resource(
    name="businesses",
    operation="businesses.get-businesses-by-location",
    single=Single("businesses.get-business", "businessId", "business"),
)

ALL = (NOTES, TASKS, TAGS, BUSINESSES)
