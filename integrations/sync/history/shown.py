"""The history of one record for people: each change with its difference, what showed it, and which writes came before.

HighLevel does not say who changed a record. Where a job, an outbox or a bulk upsert of ours sent a write with the
record's id shortly before, it is named; other rooms register how to find those (`writers`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.urls import NoReverseMatch, reverse

from integrations.core import masking
from integrations.core.ages import relative
from integrations.core.errors import SealBroken
from integrations.sync.changes.history_entry import HistoryEntry
from integrations.sync.history.difference import ChangedPlace, differences
from integrations.sync.models import Record
from integrations.sync.sealed_fields import FieldOpener, is_sealed

BEFORE = timedelta(minutes=15)  # a write is named beside a change that was seen so long after it
MOST = 25
SEALED = "(encrypted)"


@dataclass(frozen=True, slots=True)
class Writer:
    """A write of ours that names the record: when it was sent, what it was in words, and the page about it."""

    at: datetime
    words: str
    link: str = ""


FindWriters = Callable[[Record, datetime, datetime], Sequence[Writer]]
WRITERS: list[FindWriters] = []


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One change. `source` says what showed it, `link` leads there, `writers` are writes of ours shortly before.

    `age` is how long ago it was, in words.
    """

    at: datetime
    age: str
    what: str
    source: str
    link: str
    differences: list[ChangedPlace]
    writers: list[Writer] = field(default_factory=list)


def of(record: Record, now: datetime, *, masked: bool, most: int = MOST) -> list[ShownChange]:
    """The latest changes, newest first. Encrypted values are opened unless `masked`; then all are masked."""
    rows = HistoryEntry.objects.filter(
        app=record.app_id, location_id=record.location_id, resource=record.resource, record_id=record.record_id
    )
    found = list(rows.order_by("-pk")[:most])
    if not found:
        return []
    since, until = found[-1].at - BEFORE, found[0].at
    writers = [one for find in WRITERS for one in find(record, since, until)]
    opener = FieldOpener()
    return [
        ShownChange(
            at=change.at,
            age=relative(change.at, now),
            what=change.get_what_display(),
            source=" ".join(filter(None, [change.get_source_display(), change.event_type])),
            link=_link(change),
            differences=differences(_fields(change, opener, masked=masked)),
            writers=[one for one in writers if change.at - BEFORE <= one.at <= change.at],
        )
        for change in found
    ]


def _fields(change: HistoryEntry, opener: FieldOpener, *, masked: bool) -> dict[str, list[Any]]:
    old = {name: values[0] for name, values in change.fields.items()}
    new = {name: values[1] for name, values in change.fields.items()}
    sides = [masking.body(_closed(side)) if masked else _opened(change, opener, side) for side in (old, new)]
    return {name: [side[name] for side in sides] for name in change.fields}


def _opened(change: HistoryEntry, opener: FieldOpener, side: dict[str, Any]) -> dict[str, Any]:
    try:
        return opener.opened(change.location_id, change.resource, change.record_id, side)
    except SealBroken:
        return _closed(side)


def _closed(side: dict[str, Any]) -> dict[str, Any]:
    return {name: SEALED if is_sealed(value) else value for name, value in side.items()}


def _link(change: HistoryEntry) -> str:
    """The page of the run, or the list with the webhook; empty where there is none."""
    try:
        if change.source == HistoryEntry.Source.EVENT:
            return f"{reverse('admin:webhooks_event_changelist')}?q={quote(change.reference)}"
        return reverse("admin:sync_run_change", args=[change.reference])
    except NoReverseMatch:
        return ""
