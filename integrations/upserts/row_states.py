"""State transitions of an upsert's rows, each a conditional UPDATE: by the worker, by a look-up, and by a person.

::

    waiting ──send──> sent ──answer──> done, refused
       │  ^             ╰──no complete answer──> unknown ──a look-up or a person──> done
       │  ╰──────────────────────────────────────────┴──it did not happen
       ╰──like the synced copy──> unchanged

A worker that is killed leaves a row `sent`. The next turn finds it and makes it unknown.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from integrations.core.errors import IntegrationError
from integrations.core.runs.querysets import Fields, error_columns
from integrations.core.texts import storable
from integrations.gateway.client import Result
from integrations.jobs.writes import ANSWER_LOST_AFTER
from integrations.upserts.models import UpsertRow

_State = UpsertRow.State
_WORDS, _ID = 300, 64  # characters
_NO_TROUBLE: Fields = {"error_code": "", "error": "", "vendor_message": ""}


def done(row: UpsertRow, result: Result, record_id: str, now: datetime, *, created: bool | None) -> None:
    """The vendor has answered. A late answer settles a row that has become unknown, or waits again, too."""
    fields: Fields = {
        "state": _State.DONE,
        "body": "",
        "record_id": record_id[:_ID],
        "created": created,
        "settled_at": now,
    }
    fields |= {"status": result.status, "trace_id": (result.trace_id or "")[:64], **_NO_TROUBLE}
    UpsertRow.objects.filter(pk=row.pk).exclude(state=_State.DONE).update(**fields)


def back(row: UpsertRow) -> None:
    """It was not sent: it waits."""
    UpsertRow.objects.filter(pk=row.pk, state=_State.SENT).update(state=_State.WAITING)


def refuse(row: UpsertRow, error: IntegrationError, now: datetime) -> None:
    """The vendor refused it, with its words."""
    answer = error.vendor
    words = "; ".join(answer.details) or answer.message or ""
    columns = error_columns(error.code, str(error), answer)
    columns.pop("vendor_answer")
    fields = {"state": _State.REFUSED, "body": "", "settled_at": now, "status": answer.status, **columns}
    rows = UpsertRow.objects.filter(pk=row.pk, state__in=(_State.WAITING, _State.SENT))
    rows.update(**fields, vendor_message=storable(words)[:_WORDS])


def give_up(row: UpsertRow, reason: str, now: datetime) -> None:
    """It was sent as often as it may be, and did not happen."""
    row_now = UpsertRow.objects.filter(pk=row.pk, state=_State.UNKNOWN)
    row_now.update(state=_State.REFUSED, body="", error_code="given_up", error=reason[:_WORDS], settled_at=now)


def reject(row: UpsertRow, code: str, reason: str, now: datetime) -> None:
    """It is not sent at all, for a reason of ours."""
    rows = UpsertRow.objects.filter(pk=row.pk, state__in=(_State.WAITING, _State.SENT))
    rows.update(state=_State.REFUSED, body="", error_code=code, error=reason[:_WORDS], settled_at=now)


def unchanged(rows: Collection[UpsertRow], ids: Collection[str], now: datetime) -> int:
    """The synced copy has what these rows say. `ids` are those of their records, in the same order."""
    changed = 0
    for row, record_id in zip(rows, ids, strict=True):
        fields = {"state": _State.UNCHANGED, "body": "", "record_id": record_id[:_ID], "settled_at": now}
        changed += UpsertRow.objects.filter(pk=row.pk, state=_State.WAITING).update(**fields)
    return changed


def lose(row: UpsertRow, reason: str, held: str, now: datetime, *, trace_id: str = "") -> None:
    """No answer came: it may have happened or not. `held` is its content, encrypted so that it is not sent."""
    fields: Fields = {"state": _State.UNKNOWN, "body": held, "error_code": "fate_unknown", "error": reason[:_WORDS]}
    fields |= {"settled_at": now, "looked_up_at": None, "trace_id": trace_id[:64]}
    UpsertRow.objects.filter(pk=row.pk, state=_State.SENT).update(**fields)


def happened(row: UpsertRow, record_id: str, words: str, now: datetime) -> bool:
    """A look-up or a person says that an unknown row was written."""
    fields = {"state": _State.DONE, "body": "", "settled_at": now, **_NO_TROUBLE, "error": words[:_WORDS]}
    fields |= {"record_id": record_id[:_ID]} if record_id else {}
    return bool(UpsertRow.objects.filter(pk=row.pk, state=_State.UNKNOWN).update(**fields))


def did_not_happen(row: UpsertRow, content: str) -> bool:
    """It waits to be sent again. `content` is encrypted so that it may be."""
    fields = {"state": _State.WAITING, "body": content, "settled_at": None, "looked_up_at": None, **_NO_TROUBLE}
    return bool(UpsertRow.objects.filter(pk=row.pk, state=_State.UNKNOWN).update(**fields))


def looked_up(row: UpsertRow, words: str, now: datetime) -> None:
    """A look-up could not say: a person has to."""
    fields = {"looked_up_at": now, "error": f"{row.error}; {words}"[:_WORDS]}
    UpsertRow.objects.filter(pk=row.pk, state=_State.UNKNOWN).update(**fields)


def seconds_for_answer(row: UpsertRow, now: datetime) -> float:
    """How long the answer of an unknown row may still come; not above 0 when it cannot."""
    since = max(row.sent_at or now, row.settled_at or now)
    return (since + ANSWER_LOST_AFTER - now).total_seconds()
