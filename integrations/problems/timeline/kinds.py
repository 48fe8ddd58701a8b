"""The kinds of rows in a timeline: who may see each, how its rows are read, and the links up and down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.problems.timeline import call_rows, event_rows, record_rows, run_rows, upsert_rows
from integrations.problems.timeline.timeline_moments import Moment, Ref

Links = Callable[[Sequence[Any]], Iterator[Ref]]


def _none(_rows: Sequence[Any]) -> Iterator[Ref]:
    yield from ()


def _up_from_records(records: Sequence[Any]) -> Iterator[Ref]:
    yield from record_rows.up(records)
    for record in records:
        yield from upsert_rows.rows_of_record(record)


@dataclass(frozen=True, slots=True)
class TimelineKind:
    """One kind. `up` leads to what caused its rows, `down` to what they caused."""

    permission: str
    load: Callable[[Collection[int]], list[Any]]
    moments: Callable[[Any, datetime], Iterator[Moment]]
    up: Links = _none
    down: Links = _none


KINDS: dict[str, TimelineKind] = {
    "event": TimelineKind("webhooks.view_event", event_rows.load, event_rows.moments, down=event_rows.down),
    "trigger": TimelineKind("jobs.view_trigger", event_rows.load_triggers, event_rows.trigger_moments),
    "job": TimelineKind(
        "jobs.view_run", run_rows.load_job_runs, run_rows.job_moments, run_rows.up_from_job, run_rows.down_from_job
    ),
    "sync": TimelineKind("sync.view_run", run_rows.load_sync_runs, run_rows.sync_moments, down=run_rows.calls_of),
    "outbox": TimelineKind(
        "outbox.view_tenantoutbox", run_rows.load_outbox_runs, run_rows.outbox_moments, down=run_rows.calls_of
    ),
    "call": TimelineKind("gateway.view_call", call_rows.load, call_rows.moments, call_rows.up, call_rows.down),
    "write": TimelineKind("jobs.view_write", run_rows.load_writes, run_rows.write_moments, run_rows.up_from_write),
    "entry": TimelineKind(
        "outbox.view_entry",
        run_rows.load_entries,
        run_rows.entry_moments,
        run_rows.up_from_entry,
        run_rows.down_from_entry,
    ),
    "upsert": TimelineKind(
        "upserts.view_upsert", upsert_rows.load, upsert_rows.moments, upsert_rows.up, upsert_rows.down
    ),
    "upsert_run": TimelineKind(
        "upserts.view_upsert",
        upsert_rows.load_runs,
        upsert_rows.moments_of_run,
        upsert_rows.up_from_run,
        run_rows.calls_of,
    ),
    "upsert_row": TimelineKind(
        "upserts.view_upsertrow",
        upsert_rows.load_rows,
        upsert_rows.moments_of_row,
        upsert_rows.up_from_row,
        upsert_rows.down_from_row,
    ),
    "record": TimelineKind("sync.view_record", record_rows.load, record_rows.moments, _up_from_records),
}

NAMES = {
    "event": "Webhook",
    "job": "Job run",
    "sync": "Sync run",
    "outbox": "Outbox run",
    "call": "Call",
    "write": "Write of a job",
    "entry": "Outbox entry",
    "record": "Record",
    "trigger": "Event of a job",
    "upsert": "Bulk upsert",
    "upsert_run": "Run of a bulk upsert",
    "upsert_row": "Row of a bulk upsert",
}
