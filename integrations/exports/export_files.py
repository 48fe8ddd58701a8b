"""The files of exports in the database: written in chunks, read in chunks, and deleted when they expire.

They are in the database, because any worker writes them and any web process hands them out. Encrypted fields are left
empty in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import IO

from django.conf import settings
from django.db.models import QuerySet

from integrations.core import clock
from integrations.exports.models import ExportChunk, ExportPart, Run

CHUNK = 1024 * 1024  # bytes
TURN_SECONDS = 10.0
_BATCH = 20  # parts that are deleted in one transaction


def keep() -> timedelta:
    """How long a file can be downloaded."""
    return timedelta(days=settings.EXPORT_RETENTION_DAYS)


def store(run: Run, resource: str, *, file: IO[bytes], rows: int, now: datetime) -> ExportPart:
    """Write a file as the run's next part of the resource. Call it in the transaction that moves the checkpoint."""
    size = file.seek(0, 2)
    number = ExportPart.objects.filter(run=run, resource=resource).count() + 1
    part = ExportPart.objects.create(
        run=run, resource=resource, number=number, rows=rows, size=size, expires_at=now + keep()
    )
    file.seek(0)
    for place in count():
        data = file.read(CHUNK)
        if not data:
            return part
        ExportChunk.objects.create(part=part, number=place, data=data)
    raise AssertionError("count ends never")


def available(run: Run, now: datetime) -> QuerySet[ExportPart]:
    """The parts of a run that can be downloaded, in order."""
    return ExportPart.objects.filter(run=run, expires_at__gt=now).order_by("resource", "number")


def read(parts: QuerySet[ExportPart]) -> Iterator[bytes]:
    """The bytes of these parts, one after the other, a chunk at a time."""
    for pk in list(parts.values_list("pk", flat=True)):
        last = -1
        chunks = ExportChunk.objects.filter(part=pk).order_by("number")
        while chunk := chunks.filter(number__gt=last).first():
            yield bytes(chunk.data)
            last = chunk.number


def delete_expired(now: datetime) -> int:
    """Delete expired parts for some seconds; how many."""
    until, deleted = clock.monotonic() + TURN_SECONDS, 0
    while clock.monotonic() < until:
        ids = list(ExportPart.objects.filter(expires_at__lte=now).order_by("pk").values_list("pk", flat=True)[:_BATCH])
        if not ids:
            break
        ExportPart.objects.filter(pk__in=ids).delete()
        deleted += len(ids)
    return deleted
