"""Runs of exports: each turn writes one file, and commits it with the place behind its last row.

A worker that dies loses the file under its hands, and the next one begins where the last commit ended. Of an export by
schedule the place is its position in the change feed: it moves with the file, so each change is in one file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryFile
from typing import IO

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.core.runs import turn
from integrations.core.runs.querysets import Fields, error_columns
from integrations.exports import export_files, reading
from integrations.exports.models import Export, ExportPart, Run
from integrations.exports.reading import Place, Read
from integrations.jobs import wall_times
from integrations.quota.parking import queue
from integrations.sync.export import file_formats, layout
from integrations.sync.export.layout import Layout
from integrations.sync.feed.change_feed import ChangeFeed
from integrations.sync.resources import RESOURCES

SLICE = 10.0  # seconds of one turn, and so of one file
LARGEST = 250_000  # rows of a file
AFTER_FAILURE = timedelta(hours=1)
_BATCH = 100


def advance(run_id: int) -> None:
    """Do one turn of a run, if it is due and no other worker has it."""
    turn.advance(Run, run_id, ExportTurn)


def start_due(now: datetime) -> list[int]:
    """Start a run for every due export that has none and is not paused; their ids."""
    enabled = Export.objects.filter(enabled=True)
    runs = enabled.start_due(now, limit=_BATCH, columns=lambda export: {"total": _total(export)})
    return [run.pk for run in runs]


def take_due(limit: int, _now: datetime) -> list[int]:
    """Ids of due runs, for the dispatcher; the exports take turns."""
    return Run.objects.take_due(limit, tenant="export_id")


def cancel(runs: QuerySet[Run], now: datetime, *, reason: str) -> list[int]:
    """Cancel runs, even while a worker is at them; the ids of those that had not ended. Their files stay."""
    stopped = Run.objects.filter(pk__in=runs.values("pk")).cancel(
        now, reason=reason, set_plan=ExportTurn.plan_after_incomplete
    )
    return [run.pk for run in stopped]


def restart(export: Export) -> None:
    """Let the next run of a scheduled export begin again with all records."""
    for resource in export.resources:
        ChangeFeed(export.app, export.consumer, resource, sealed=True).restart()


def next_time(export: Export, now: datetime) -> datetime | None:
    """The next run of the schedule; None for an export that is made once."""
    return wall_times.cron(export.times).next_after(now, UTC) if export.times else None


def keep_runs() -> timedelta:
    """How long ended runs are kept: as long as their files, at least."""
    return max(export_files.keep(), timedelta(days=settings.JOB_RUN_RETENTION_DAYS))


@dataclass(frozen=True, slots=True)
class _Written:
    """The rows of a file, the place behind the last one that was read, and whether nothing follows it."""

    rows: int
    place: Place | None
    is_end: bool


class ExportTurn(turn.Turn[Run]):
    """One turn of a run."""

    log_name = "exports"
    keep_runs = staticmethod(keep_runs)
    park_task = staticmethod(queue.park)

    def work(self) -> bool:
        """Write one file. True when there is nothing after it."""
        export, state = self.run.export, self.run.checkpoint or {"resource": 0, "place": None}
        if state["resource"] >= len(export.resources):
            return True
        name = export.resources[state["resource"]]
        if name not in RESOURCES:
            raise BadRequest(f"there is no resource {name!r} any more")
        columns = self._layout(name, state)
        feed = ChangeFeed(export.app, export.consumer, name, sealed=True) if export.times else None
        known = feed.position.place if feed is not None else None
        read = reading.records(export, name) if feed is None else reading.changes(export, feed)
        with TemporaryFile() as file:
            is_first = not ExportPart.objects.filter(run=self.run, resource=name).exists()
            written = self._write(file, columns, read, state["place"], is_first=is_first)
            place = None if feed is not None else written.place
            following = {"resource": state["resource"] + 1, "place": None}
            if not written.is_end:
                following = {**state, "place": place, "custom": list(columns.custom)}
            with transaction.atomic():
                self._move_on(name, file, written.rows, following)
                if feed is not None and known is not None and written.place is not None:
                    feed.move(known, (written.place[0], written.place[1]), written.rows)
        return bool(following["resource"] >= len(export.resources))

    def plan_after_success(self, now: datetime) -> None:
        """The schedule's next time, if it has one."""
        self._plan(self.run, next_time(self.run.export, now))

    @classmethod
    def plan_after_incomplete(cls, run: Run, now: datetime) -> None:
        """A scheduled export goes on within the hour, where the last file ended."""
        cls._plan(run, now + AFTER_FAILURE if run.export.times else None)

    @classmethod
    def _plan(cls, run: Run, due_at: datetime | None) -> None:
        if due_at is not None:
            Export.objects.filter(pk=run.export_id).plan_next(due_at)

    def _layout(self, name: str, state: Fields) -> Layout:
        """The columns, the same in all files of the run."""
        found = layout.of(self.run.export.app, name)
        return Layout(found.kinds, state["custom"], found.names) if "custom" in state else found

    def _write(self, file: IO[bytes], columns: Layout, read: Read, place: Place | None, *, is_first: bool) -> _Written:
        """Write rows until the turn is over."""
        until, rows = clock.monotonic() + SLICE, 0
        writer = file_formats.WRITERS[self.run.export.form](file, columns, with_head=is_first)
        is_end = False
        while not is_end and rows < LARGEST and clock.monotonic() < until:
            batch = read(place)
            if batch.changes:
                writer.write([columns.row(change) for change in batch.changes])
            rows, is_end = rows + len(batch.changes), batch.after is None
            place = batch.after or place
        writer.close()
        return _Written(rows, place, is_end)

    def _move_on(self, name: str, file: IO[bytes], rows: int, following: Fields) -> None:
        """Write the file with the next place. The lease is checked first: who lost it writes nothing."""
        total = self.run.rows + rows
        self.renew(checkpoint=following, rows=total, attempts=0, **error_columns("", ""))
        if rows:
            export_files.store(self.run, name, file=file, rows=rows, now=clock.now())
        self.run.checkpoint, self.run.rows = following, total


def _total(export: Export) -> int | None:
    """How much changed is not known before."""
    is_first = not export.times or not Run.objects.filter(export=export, status=Run.Status.COMPLETE).exists()
    return reading.expected(export) if is_first else None
