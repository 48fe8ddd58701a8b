"""What the sync has to know of one resource, and nothing else: one frozen `Resource` per module beside this one.

A resource is data and pure functions: how its pages are asked for, what identifies and dates a row, and what a webhook
says of it. It does no I/O, so the walk (`sync.runs`) and the store (`sync.records`) are the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from integrations.sync.resources.dates import moment

Json = dict[str, Any]

PAGE_SIZE = 100  # the most that every paged operation takes; one call of the quota brings as many rows as it can
LONGEST_ID = 64  # Record.record_id; the vendor's ids have 20 or 24 characters
# The part of a flat webhook that is about the event and not about the record (FACTS 3.3).
ENVELOPE = frozenset({"type", "timestamp", "webhookId", "deliveryId", "appId", "versionId", "companyId"})


@dataclass(frozen=True, slots=True)
class Request:
    """What one walk asks for; the cursor of each page is added by the gateway's paging."""

    params: Mapping[str, Any] | None = None
    body: Json | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What one webhook says: this record has these fields since `at`, or is gone since then."""

    record_id: str
    payload: Json
    at: datetime
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """`full(location_id)` asks for everything, `since(location_id, moment)` for what changed after a moment.

    Without `since` every run is a full one. `whole` names the list in the answer of an operation that does not page.
    `every` is the wait between two runs. `noise` are fields of a row that
    say nothing about the record. `upserts` and `deletes` are webhook types, `renames` maps a webhook's field names to
    the listing's where the vendor calls the same thing by two names.
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
        return self.upserts | self.deletes

    def request(self, location_id: str, since: datetime | None) -> Request:
        """The request of a run; `since=None` for a full one."""
        if since is None or self.since is None:
            return self.full(location_id)
        return self.since(location_id, since)

    def record_id(self, row: Mapping[str, Any]) -> str | None:
        """The row's id; None when it has none that can be one (some older objects call it `_id`)."""
        for name in ("id", "_id"):
            value = row.get(name)
            if isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable():
                return value
        return None

    def version_at(self, row: Mapping[str, Any]) -> datetime | None:
        """The vendor's own moment of the row's last change; None when it names none."""
        found = (moment(row.get(name)) for name in self.version_fields)
        return next((at for at in found if at is not None), None)

    def payload(self, row: Mapping[str, Any]) -> Json:
        """What is kept of a row of the listing."""
        return {name: value for name, value in row.items() if name not in self.noise}

    def change(
        self, event_type: str, event: Mapping[str, Any], occurred_at: datetime, latest: datetime
    ) -> Change | None:
        """What a webhook says of a record; None for a type that is not ours, or without an id.

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
