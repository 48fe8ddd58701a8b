"""The result of each row of an upsert, and all of them as CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from integrations.core.lists import spreadsheet
from integrations.upserts.models import Upsert, UpsertRow

COLUMNS = ("row", "outcome", "id", "status", "why", "vendor_said", "trace_id", "sent_at", "times_sent", "answer")
_BATCH = 2_000


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row. `outcome`: created, updated, written (the vendor did not say which of the two),
    unchanged, invalid, refused, unknown, or waiting.

    `row` is its number in the file, from 1, without the line of names; `id` that of the vendor's record. `why` is in
    our words, `vendor_said` in the vendor's. `sent_at` is ISO 8601 or empty. `answer` is the vendor's whole answer to a
    row that is not written, redacted: status, message, details, trace_id, body, headers, as far as there are such. In
    the file it is JSON.
    """

    row: int
    outcome: str
    id: str
    status: int | None
    why: str
    vendor_said: str
    trace_id: str
    sent_at: str
    times_sent: int
    answer: dict[str, Any] | None = None


def results(upsert: Upsert) -> Iterator[RowResult]:
    """The result of each row, in the order of the file."""
    last, rows = 0, UpsertRow.objects.filter(upsert=upsert).defer("body").order_by("number")
    while batch := list(rows.filter(number__gt=last)[:_BATCH]):
        yield from map(_result, batch)
        last = batch[-1].number


def as_csv(upsert: Upsert) -> Iterator[str]:
    """The lines of the result file. A text that a spreadsheet would compute begins with an apostrophe."""
    yield from spreadsheet.lines([COLUMNS])
    yield from spreadsheet.lines([_cell(one, name) for name in COLUMNS] for one in results(upsert))


def _cell(one: RowResult, name: str) -> Any:
    value = getattr(one, name)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _result(row: UpsertRow) -> RowResult:
    return RowResult(
        row=row.number,
        outcome=_outcome(row),
        id=row.record_id,
        status=row.status,
        why=row.error,
        vendor_said=row.vendor_message,
        trace_id=row.trace_id,
        sent_at=row.sent_at.isoformat(timespec="seconds") if row.sent_at else "",
        times_sent=row.times_sent,
        answer=row.vendor_answer,
    )


def _outcome(row: UpsertRow) -> str:
    if row.state == UpsertRow.State.DONE:
        return {True: "created", False: "updated", None: "written"}[row.created]
    return "waiting" if row.state == UpsertRow.State.SENT else row.state
