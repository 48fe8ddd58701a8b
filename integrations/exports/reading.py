"""What an export reads, batch by batch: all records, or the changes since its last run.

A batch ends at a place, which JSON can hold: the next file, of a later turn or another worker, begins behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.exports.models import Export
from integrations.sync.feed.change_feed import ChangeFeed, RecordChange
from integrations.sync.models import Plan, Record

BATCH = 1_000  # rows in memory
Place = list[Any]


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """Some rows, and the place behind them; None when nothing follows."""

    changes: Sequence[RecordChange]
    after: Place | None


Read = Callable[[Place | None], ReadBatch]


def records(export: Export, resource: str) -> Read:
    """All records of the resource that are not deleted, location by location, in the order of their ids."""

    def read(place: Place | None) -> ReadBatch:
        location_id, last = place if place is not None else [_next_location(export, resource, ""), ""]
        if location_id is None:
            return ReadBatch((), None)
        mine = Record.objects.filter(app=export.app_id, location_id=location_id, resource=resource)
        rows = list(mine.filter(deleted_at=None, record_id__gt=last).order_by("record_id")[:BATCH])
        changes = tuple(map(_as_added, rows))
        if len(rows) == BATCH:
            return ReadBatch(changes, [location_id, rows[-1].record_id])
        following = _next_location(export, resource, location_id)
        return ReadBatch(changes, None if following is None else [following, ""])

    return read


def changes(export: Export, feed: ChangeFeed) -> Read:
    """What changed since the feed's position. The place is one of the feed; None begins at its position."""
    locations = set(export.locations)

    def read(place: Place | None) -> ReadBatch:
        batch = feed.read(BATCH, after=(place[0], place[1]) if place is not None else None)
        found = tuple(one for one in batch if not locations or one.location_id in locations)
        return ReadBatch(found, list(batch.until) if batch else None)

    return read


def expected(export: Export) -> int | None:
    """How many rows the first run has, as far as the listings of the copy know; None where they know nothing."""
    plans = Plan.objects.filter(app=export.app_id, resource__in=export.resources, variant="", listed__isnull=False)
    found = plans.filter(location_id__in=export.locations) if export.locations else plans
    listed = list(found.values_list("listed", flat=True))
    return sum(number or 0 for number in listed) if listed else None


def _next_location(export: Export, resource: str, after: str) -> str | None:
    if export.locations:
        return next((one for one in sorted(export.locations) if one > after), None)
    plans = Plan.objects.filter(app=export.app_id, resource=resource, location_id__gt=after)
    return plans.order_by("location_id").values_list("location_id", flat=True).first()


def _as_added(record: Record) -> RecordChange:
    return RecordChange(
        kind="added",
        id=record.record_id,
        location_id=record.location_id,
        fields=record.payload,
        changed_at=record.updated_at,
        place=(record.changed_in, record.pk),
    )
