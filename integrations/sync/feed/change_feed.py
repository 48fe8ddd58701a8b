"""The change feed: what was added, updated and deleted in one resource since a consumer's position, each change once.

`Record.changed_in` is the id of the transaction that last changed the record, and (`changed_in`, `id`) the order of the
feed. Ids of transactions are given out in order, but transactions commit in any order: one with a lower id may commit
later. So a read stops before `pg_snapshot_xmin`, the lowest id that is still in progress. All transactions below it
have ended, and later ones get higher ids: nothing can appear at or before a position that was read. A record that two
transactions change one after the other may go from a higher id to a lower one; but then the lower one was in progress
all the time, and no read had passed it.

The feed is of states, not of events: a record that changed three times since the position comes once, as it is now. It
takes no log that grows, a new consumer begins with all records, and one that was away reads what it missed. A deletion
is a tombstone, and tombstones are kept for `TOMBSTONE_RETENTION_DAYS`: a consumer that was away for more than half of
them has to restart. Purged records are gone without a tombstone, because nothing of them may be kept.

Long transactions of any program in the database server hold the feed back until they end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.sync.models import FeedPosition, Record
from integrations.sync.pace import keep_tombstones
from integrations.sync.resources import RESOURCES
from integrations.sync.sealed_fields import FieldOpener
from integrations.tenants.models import App

MOST = 500
Place = tuple[int, int]  # changed_in and id of a record

_READ = """
SELECT * FROM sync_record
WHERE app_id = %s AND resource = %s AND (changed_in, id) > (%s, %s)
    AND changed_in < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY changed_in, id LIMIT %s
"""
_LATEST = """
SELECT GREATEST(%s, (SELECT max(changed_in) FROM sync_record WHERE app_id = %s AND resource = %s))
    > pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 10000
"""  # the present transaction and others at work may have ids a little above the snapshot's


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One changed record. `fields` is the vendor's object as it is now, or was before the deletion.

    `kind` is `added` when the record was made, or came back, after the consumer's position; `deleted` may name a record
    that the consumer never saw.
    """

    kind: str
    id: str
    location_id: str
    fields: dict[str, Any]
    changed_at: datetime
    place: Place


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes in the order of the feed, between two places. An empty one is the end, for now."""

    changes: tuple[RecordChange, ...]
    after: Place
    until: Place

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __iter__(self) -> Iterator[RecordChange]:
        return iter(self.changes)


class ChangeFeed:
    """The changes of one resource of an app for one consumer, a name of your choice. The database has its position.

    `with feed.batch() as changes:` is for effects in this database: they commit together with the position, so each
    change has its effect once. For effects elsewhere: `read`, write them there, `acknowledge`; a consumer that died in
    between reads that batch again, and never one that it acknowledged. `sealed` leaves encrypted fields as they are.
    """

    def __init__(self, app: App, consumer: str, resource: str, *, sealed: bool = False) -> None:
        """Raises BadRequest for an unknown resource, or a name that is empty or longer than 64 characters."""
        if resource not in RESOURCES:
            raise BadRequest(f"there is no synced resource {resource!r}: `manage.py sync resources` lists them")
        if not 0 < len(consumer) <= 64 or not consumer.isprintable():
            raise BadRequest("a consumer has a name of 1 to 64 characters")
        self._mine: dict[str, Any] = {"app": app, "consumer": consumer, "resource": resource}
        self._sealed = sealed
        FeedPosition.objects.get_or_create(**self._mine, defaults={"read_at": clock.now()})

    @property
    def position(self) -> FeedPosition:
        """Where the consumer is."""
        return FeedPosition.objects.get(**self._mine)

    def read(self, most: int = MOST, *, after: Place | None = None) -> Batch:
        """The next changes after the acknowledged ones, or after a place that a former batch ended at.

        Raises BadRequest when the consumer has to restart.
        """
        position = self.position
        self._check(position)
        batch = self._read(after or position.place, position.place, most)
        if not batch and after is None:
            FeedPosition.objects.filter(pk=position.pk).update(read_at=clock.now())
        return batch

    def acknowledge(self, batch: Batch) -> None:
        """Move the position behind the batch. Raises BadRequest when another reader of this name was faster."""
        self.move(batch.after, batch.until, len(batch.changes))

    def move(self, after: Place, until: Place, delivered: int) -> None:
        """Move the position over several batches, of so many changes. Raises as `acknowledge`."""
        values = {"changed_in": until[0], "record_pk": until[1], "read_at": clock.now()}
        mine = FeedPosition.objects.filter(**self._mine, changed_in=after[0], record_pk=after[1])
        if not mine.update(**values, delivered=F("delivered") + delivered, batches=F("batches") + 1):
            raise BadRequest("these changes are acknowledged already: another reader uses the name of this consumer")

    @contextmanager
    def batch(self, most: int = MOST) -> Iterator[Batch]:
        """The next changes, in a transaction that moves the position when the block ends without an error.

        Another reader of the same name waits. Call no network inside.
        """
        with transaction.atomic():
            position = FeedPosition.objects.select_for_update().get(**self._mine)
            self._check(position)
            found = self._read(position.place, position.place, most)
            yield found
            if found:
                self.acknowledge(found)
            else:
                FeedPosition.objects.filter(pk=position.pk).update(read_at=clock.now())

    def restart(self) -> None:
        """Begin again with all records."""
        FeedPosition.objects.filter(**self._mine).update(changed_in=0, record_pk=0, read_at=clock.now())

    def _read(self, after: Place, known: Place, most: int) -> Batch:
        app, resource = self._mine["app"], self._mine["resource"]
        rows = Record.objects.raw(_READ, [app.pk, resource, *after, most])
        opener = FieldOpener()
        changes = tuple(
            RecordChange(
                kind=_kind(row, known),
                id=row.record_id,
                location_id=row.location_id,
                fields=row.payload if self._sealed else opener.payload(row),
                changed_at=row.updated_at,
                place=(row.changed_in, row.pk),
            )
            for row in rows
        )
        return Batch(changes, after, changes[-1].place if changes else after)

    def _check(self, position: FeedPosition) -> None:
        """Refuse a position that may have missed deletions, and ids of another database server."""
        restart = f"`manage.py records feed --restart {position.consumer}` lets it begin again"
        if position.changed_in and clock.now() - position.read_at > keep_tombstones() / 2:
            raise BadRequest(f"the consumer was away for so long that deletions may be gone: {restart}")
        with connection.cursor() as cursor:
            cursor.execute(_LATEST, [position.changed_in, position.app_id, position.resource])
            if cursor.fetchone()[0]:
                raise BadRequest("the records are from another database server: `manage.py records feed --rebase`")


def restart(consumer: str) -> int:
    """Let a consumer begin again with all records of each of its resources; how many resources these are."""
    return FeedPosition.objects.filter(consumer=consumer).update(changed_in=0, record_pk=0, read_at=clock.now())


def rebase() -> int:
    """Let every consumer begin again, after the rows were loaded into another database server; how many there are.

    Its transactions have other ids than those that the rows name.
    """
    with transaction.atomic():
        Record.objects.exclude(changed_in=0, added_in=0).update(changed_in=0, added_in=0)
        return FeedPosition.objects.update(changed_in=0, record_pk=0, read_at=clock.now())


def _kind(row: Record, known: Place) -> str:
    if row.deleted_at is not None:
        return "deleted"
    return "added" if (row.added_in, row.pk) > known else "updated"
