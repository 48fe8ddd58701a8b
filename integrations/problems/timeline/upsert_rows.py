"""Bulk upserts in a timeline, with their runs, and with those of their rows that say most."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from integrations.problems.timeline.record_rows import SHOWN, records_of
from integrations.problems.timeline.run_rows import calls_with, run_moments
from integrations.problems.timeline.timeline_moments import Moment, Ref, page_of, ref_of
from integrations.sync.models import Record
from integrations.upserts import queries
from integrations.upserts.models import Run, Upsert, UpsertRow

_State = UpsertRow.State
# An upsert has up to 100,000 rows: of each of these states the first ones are shown, in this order.
_TELLING = (_State.UNKNOWN, _State.REFUSED, _State.SENT, _State.DONE)
_EACH = 10
_TONES = {_State.DONE: "good", _State.UNCHANGED: "good", _State.REFUSED: "bad", _State.UNKNOWN: "bad"}


def load(pks: Collection[int]) -> list[Upsert]:
    """Upserts, without their keys."""
    return list(Upsert.objects.filter(pk__in=pks).defer("sealed"))


def moments(upsert: Upsert, now: datetime) -> Iterator[Moment]:
    """When it was prepared and started, and how far it is."""
    ref, title = Ref("upsert", upsert.pk), f"Bulk upsert {upsert.pk}, {upsert.operation}"
    more: dict[str, Any] = {"tenant_id": upsert.tenant_id, "url": page_of("upserts_upsert", upsert.pk)}
    yield Moment(upsert.created_at, ref, title, "was prepared", f"by {upsert.made_by}", **more)
    if upsert.started_at is not None:
        yield Moment(upsert.started_at, ref, title, "was started", _rows_in_words(upsert), **more)


def _rows_in_words(upsert: Upsert) -> str:
    found = queries.progress(upsert)
    counts = ("done", "unchanged", "invalid", "refused", "unknown", "waiting")
    parts = [f"{number:,} {name}" for name in counts if (number := getattr(found, name))]
    return f"{found.rows:,} rows: {', '.join(parts)}" if parts else ""


def up(upserts: Sequence[Upsert]) -> Iterator[Ref]:
    """The runs of jobs, or the webhooks, in whose work they were prepared."""
    yield from (ref for upsert in upserts if (ref := ref_of(upsert.made_in)))


def down(upserts: Sequence[Upsert]) -> Iterator[Ref]:
    """Their runs, and the rows that need a person or changed a record."""
    runs = Run.objects.filter(upsert__in=upserts).order_by("-pk").values_list("pk", flat=True)
    yield from (Ref("upsert_run", pk) for pk in runs[:SHOWN])
    for upsert in upserts:
        for state in _TELLING:
            rows = UpsertRow.objects.filter(upsert=upsert, state=state).order_by("number")
            yield from (Ref("upsert_row", pk) for pk in rows.values_list("pk", flat=True)[:_EACH])


def load_runs(pks: Collection[int]) -> list[Run]:
    """Runs of upserts."""
    return list(Run.objects.filter(pk__in=pks).select_related("upsert").defer("upsert__sealed"))


def moments_of_run(run: Run, now: datetime) -> Iterator[Moment]:
    """Its start and its end."""
    title, url = f"Bulk upsert {run.upsert_id}, run {run.pk}", page_of("upserts_upsert", run.upsert_id)
    yield from run_moments(run, Ref("upsert_run", run.pk), title, run.upsert.tenant_id, url)


def up_from_run(runs: Sequence[Run]) -> Iterator[Ref]:
    """Their upserts."""
    yield from (Ref("upsert", run.upsert_id) for run in runs)


def load_rows(pks: Collection[int]) -> list[UpsertRow]:
    """Rows, without what they say."""
    rows = UpsertRow.objects.filter(pk__in=pks).select_related("upsert")
    return list(rows.defer("body", "upsert__sealed"))


def moments_of_row(row: UpsertRow, now: datetime) -> Iterator[Moment]:
    """When it was sent, and what became of it."""
    ref, title = Ref("upsert_row", row.pk), f"Row {row.number:,} of bulk upsert {row.upsert_id}"
    more: dict[str, Any] = {"tenant_id": row.upsert.tenant_id, "url": page_of("upserts_upsertrow", row.pk)}
    if row.sent_at is not None:
        yield Moment(row.sent_at, ref, title, "was sent", **more)
    if row.settled_at is not None:
        words = "; ".join(filter(None, (row.error, row.vendor_message)))
        what, tone = row.get_state_display(), _TONES.get(_State(row.state), "")
        yield Moment(row.settled_at, ref, title, what, words, tone, trace_id=row.trace_id, **more)


def up_from_row(rows: Sequence[UpsertRow]) -> Iterator[Ref]:
    """Their upserts."""
    yield from (Ref("upsert", row.upsert_id) for row in rows)


def down_from_row(rows: Sequence[UpsertRow]) -> Iterator[Ref]:
    """The kept calls with their trace ids, and the records that they wrote."""
    yield from calls_with({row.trace_id for row in rows} - {""})
    for row in rows:
        yield from records_of(row.upsert.app_id, row.upsert.tenant_id, [row.record_id])


def rows_of_record(record: Record) -> Iterator[Ref]:
    """The latest rows of upserts that wrote the record."""
    mine = UpsertRow.objects.filter(upsert__app=record.app_id, upsert__tenant_id=record.location_id)
    # Without the second condition the partial index is not used.
    found = mine.filter(record_id=record.record_id).exclude(record_id="").order_by("-pk")
    yield from (Ref("upsert_row", pk) for pk in found.values_list("pk", flat=True)[:SHOWN])
