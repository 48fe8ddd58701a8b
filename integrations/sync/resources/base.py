"""`Resource`: the definition of one synced resource. Each module beside this one has one or more of them.

A resource is data and pure functions: how to request its pages, what identifies and dates a row, and what a webhook
says about it. It does no I/O, so runs (`sync.runs`) and records (`sync.records`) treat all of them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from integrations.sync.resources.dates import moment

Json = dict[str, Any]

PAGE_SIZE = 100  # the most that every paged operation accepts: as many rows as possible for one call of the quota
LONGEST_ID = 64  # Record.record_id; the vendor's ids have 20 or 24 characters
# The part of a flat webhook that is about the event and not about the record (FACTS 3.3).
ENVELOPE = frozenset({"type", "timestamp", "webhookId", "deliveryId", "appId", "versionId", "companyId"})


@dataclass(frozen=True, slots=True)
class ListingRequest:
    """The arguments of one listing; the gateway's pagination adds the cursor of each page."""

    params: Mapping[str, Any] | None = None
    body: Json | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The change that one webhook reports: a record was created, has these fields since `at`, or is deleted since then.

    `payload` is partial: the vendor leaves fields without a value out. `created_at` dates a creation.
    """

    class Kind(Enum):
        """What happened to the record."""

        CREATED = "created"
        UPDATED = "updated"
        DELETED = "deleted"

    record_id: str
    payload: Json
    at: datetime
    kind: Kind
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Single:
    """How to ask for one record: the operation, its parameter for the id, and the object's name in the answer.

    An empty `name` means that the answer is the object.
    """

    operation: str
    parameter: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Parent:
    """The listing that a resource is listed below: its operation, the list in its answer, the parameter for its ids."""

    operation: str
    whole: str
    parameter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """`full(location_id)` asks for everything, `since(location_id, moment)` for what changed after a moment.

    Without `since` every run is a full one. `whole` names the list in the answer of an operation that does not page,
    `page_size` the parameter of one that does. `single` asks for one record; without it a record counts as deleted when
    two listings lack it. `every` is the wait between two runs.

    `noise` are fields of a row that are not stored. Some say nothing about the record. Others are copies of another
    object: the vendor changes them without a new date of the row, so no incremental run would show the change.

    `below`: it is listed apart below each row of another listing. `needs_company`: the request names the location's
    company too. `elsewhere` says how another API lists the resource: what differs there, or None if it cannot. API 1.0
    lists only what is named there (FACTS section 16); v3 lists all else as API 2.0 does.

    `creates`, `updates` and `deletes` are webhook types. `renames` maps a webhook's field names to the listing's where
    the vendor has two names for one field.
    """

    name: str
    operation: str
    scope: str
    every: timedelta
    full: Callable[[str], ListingRequest]
    since: Callable[[str, datetime], ListingRequest] | None = None
    whole: str = ""
    page_size: str = ""
    single: Single | None = None
    below: Parent | None = None
    needs_company: bool = False
    elsewhere: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    version_fields: tuple[str, ...] = ("dateUpdated", "updatedAt")
    noise: frozenset[str] = frozenset({"searchAfter"})
    creates: frozenset[str] = frozenset()
    updates: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    renames: Mapping[str, str] = field(default_factory=dict)

    @property
    def events(self) -> frozenset[str]:
        """All webhook types of the resource."""
        return self.creates | self.updates | self.deletes

    def on(self, api_name: str) -> Resource | None:
        """The resource as this API lists it, None if it cannot."""
        changes = self.elsewhere.get(api_name, None if api_name == "1.0" else {})
        return None if changes is None else replace(self, **changes)

    def request(self, location_id: str, since: datetime | None) -> ListingRequest:
        """The request of a run; `since=None` for a full one."""
        if since is None or self.since is None:
            return self.full(location_id)
        return self.since(location_id, since)

    def count_request(self, location_id: str) -> ListingRequest:
        """The cheapest request for the vendor's total: the first row of everything."""
        full, one = self.full(location_id), {self.page_size: 1}
        if full.body is None:
            return ListingRequest(params={**(full.params or {}), **one})
        return ListingRequest(body={**full.body, **one})

    def is_in(self, row: Mapping[str, Any], location_id: str) -> bool:
        """Whether a row that was asked for by its id is a record of this location and not deleted.

        Users belong to several locations, and an answer about one names them all.
        """
        roles = row.get("roles")
        locations = roles.get("locationIds") if isinstance(roles, Mapping) else None
        if isinstance(locations, list) and locations and location_id not in locations:
            return False
        return row.get("locationId", location_id) in (location_id, None) and row.get("deleted") is not True

    def record_id(self, row: Mapping[str, Any]) -> str | None:
        """The row's id; None when it has no valid one (some older objects call it `_id`)."""
        for name in ("id", "_id"):
            value = row.get(name)
            if isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable():
                return value
        return None

    def version_at(self, row: Mapping[str, Any]) -> datetime | None:
        """The vendor's date of the row's last change; None when the row has none."""
        found = (moment(row.get(name)) for name in self.version_fields)
        return next((at for at in found if at is not None), None)

    def payload(self, row: Mapping[str, Any]) -> Json:
        """The stored form of a row of the listing."""
        return {name: value for name, value in row.items() if name not in self.noise}

    def change(
        self, event_type: str, event: Mapping[str, Any], occurred_at: datetime, latest: datetime
    ) -> Change | None:
        """The change that a webhook reports; None for a type of another resource, or without an id.

        `occurred_at` dates an event whose record carries no date of its own; no date is taken to be after `latest`.
        """
        record_id = self.record_id(event)
        if event_type not in self.events or record_id is None:
            return None
        kept = {
            self.renames.get(name, name): value
            for name, value in event.items()
            if name not in ENVELOPE and name not in self.noise
        }
        if event_type in self.deletes:  # a deleted record's own date is that of its last change, before the deletion
            return Change(record_id, kept, min(occurred_at, latest), Change.Kind.DELETED)
        at = min(self.version_at(event) or occurred_at, latest)
        if event_type in self.updates:
            return Change(record_id, kept, at, Change.Kind.UPDATED)
        # Without a timestamp the event is dated by its receipt, which may be long after the creation (FACTS 3.4).
        is_dated = event.get("timestamp") is not None
        created_at = occurred_at if is_dated else moment(event.get("dateAdded")) or occurred_at
        return Change(record_id, kept, at, Change.Kind.CREATED, min(created_at, latest))
