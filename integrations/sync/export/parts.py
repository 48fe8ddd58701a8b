"""Exports the changes of a resource as numbered files of a directory, each change in one of them exactly once.

The files follow the change feed of a consumer: the first export has all records, the next one what changed since. A
file is written under another name, synced to disk, renamed, and then its changes are acknowledged. When the program
dies before that, the next export writes the file of the same number anew. So a file is final when a later one exists,
or when the command ended.

Rows are read and written in batches, so memory does not grow with the number of records.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from integrations.sync.export import layout
from integrations.sync.export.file_formats import WRITERS
from integrations.sync.feed.change_feed import Batch, ChangeFeed
from integrations.tenants.models import App

BATCH = 1_000  # rows in memory
LARGEST = 250_000  # rows of a file


@dataclass(frozen=True, slots=True)
class Part:
    """A file that was written."""

    path: Path
    rows: int


def export(  # noqa: PLR0913 - what an operator chooses
    app: App, consumer: str, resource: str, *, form: str, folder: Path, sealed: bool = True, largest: int = LARGEST
) -> Iterator[Part]:
    """Write all that changed since the consumer's position, file by file. Raises what `ChangeFeed` raises."""
    feed = ChangeFeed(app, consumer, resource, sealed=sealed)
    folder.mkdir(parents=True, exist_ok=True)
    while first := feed.read(BATCH):
        path = folder / f"{resource}-{feed.position.batches + 1:08}.{form}"
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            columns, rows, last = layout.of(app, resource), 0, first
            writer = WRITERS[form](file, columns)
            for batch in _batches(feed, first, largest):
                writer.write([columns.row(change) for change in batch])
                rows, last = rows + len(batch.changes), batch
            writer.close()
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        feed.move(first.after, last.until, rows)
        yield Part(path, rows)


def _batches(feed: ChangeFeed, first: Batch, largest: int) -> Iterator[Batch]:
    batch, rows = first, 0
    while batch and rows < largest:
        yield batch
        rows += len(batch.changes)
        batch = feed.read(min(BATCH, largest - rows), after=batch.until) if rows < largest else batch
