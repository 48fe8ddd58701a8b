"""Which fields of records may be encrypted at rest (`sync.sealed_fields`). Pure: settings read it."""

from __future__ import annotations

from integrations.sync.resources import RESOURCES

EVERY = "*"
# What places a record or says whose it is: merges, suppressions and purges read it.
PLAIN = frozenset({"id", "_id", "locationId", "contactId", "dateAdded", "createdAt", "dateUpdated", "updatedAt"})


def problem(entry: str) -> str:
    """What is wrong with an entry of the setting, such as `contacts.email` or `contacts.*`; empty if nothing is."""
    name, _, field = entry.partition(".")
    if name not in RESOURCES or not field:
        return f"{entry!r} should be one of {', '.join(sorted(RESOURCES))}, a dot, and a field or {EVERY}"
    return f"{entry!r} says where the record belongs, and cannot be encrypted" if field in PLAIN else ""
