"""`Resource`: the definition of one synced resource. Each module beside this one has one or more of them.

A resource is data and pure functions: how to request its pages, what identifies and dates a row, and what a webhook
says about it. It does no I/O, so the walk (`sync.runs`) and the store (`sync.records`) are the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations.sync.resources.dates import moment

Json = dict[str, Any]

PAGE_SIZE = 100  # the most that every paged operation accepts: as many rows as possible for one call of the quota
LONGEST_ID = 64  # Record.record_id; the vendor's ids have 20 or 24 characters
# The part of a flat webhook that is about the event and not about the record (FACTS 3.3).
ENVELOPE = frozenset({"type", "timestamp", "webhookId", "deliveryId", "appId", "versionId", "companyId"})


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments of one walk; the paging of the gateway adds the cursor of each page."""

    params: Mapping[str, Any] | None = None
    body: Json | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """The change that one webhook reports: the record has these fields since `at`, or is deleted since then."""

    record_id: str
    payload: Json
    at: datetime
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """`full(location_id)` asks for everything, `since(location_id, moment)` for what changed after a moment.

    Without `since` every run is a full one. `whole` names the list in the answer of an operation that does not page.
    `every` is the wait between two runs. `noise` are fields of a row that say nothing about the record. `upserts` and
    `deletes` are webhook types. `renames` maps a webhook's field names to the listing's where the vendor has two names
    for one field.
    """

    name: str
    operation: str
    scope: str
    every: timedelta
    full: Callable[[str], Request]
    since: Callable[[str, datetime], Request] | None = None
    whole: str = ""
    version_fields: tuple[str, ...] = ("dateUpdated", "updatedAt")
    noise: frozenset[str] = frozenset({"searchAfter"})
    upserts: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    renames: Mapping[str, str] = field(default_factory=dict)

    @property
    def events(self) -> frozenset[str]:
        """All webhook types of the resource."""
        return self.upserts | self.deletes

    def request(self, location_id: str, since: datetime | None) -> Request:
        """The request of a run; `since=None` for a full one."""
        if since is None or self.since is None:
            return self.full(location_id)
        return self.since(location_id, since)

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
        deleted = event_type in self.deletes
        # A deleted record's own date is that of its last change, before the deletion.
        at = occurred_at if deleted else self.version_at(event) or occurred_at
        return Change(record_id, kept, min(at, latest), deleted)
