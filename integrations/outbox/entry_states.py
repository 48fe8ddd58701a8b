"""State transitions of outbox entries, each a conditional UPDATE: by the worker, and by operators."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import BadRequest, IntegrationError
from integrations.core.runs.querysets import error_columns
from integrations.core.texts import storable_json
from integrations.gateway.client import Result
from integrations.outbox import entry_seal, expected_values
from integrations.outbox.models import LONGEST, Entry, TenantOutbox

WORKER_ENDED = "the worker ended between the request and its answer"
ANSWER_LOST_AFTER = timedelta(seconds=60)  # longer than one call takes
KEEP: Any = object()  # the expected values stay
_State = Entry.State


def done(entry: Entry, result: Result, now: datetime) -> None:
    """The vendor has answered. A late answer settles an entry that has become unknown, too."""
    answer = {"status": result.status, "json": storable_json(result.json), "trace_id": result.trace_id}
    fields = {"state": _State.DONE, "answer": answer, "settled_at": now, "params": {}, "body": None, "sealed": None}
    fields |= {"error_code": "", "error": "", "expected": None, "found": None}
    row = Entry.objects.filter(pk=entry.pk)
    expected = row.filter(state__in=(_State.WAITING, _State.SENT))
    if not expected.update(**fields) and row.exclude(state=_State.DONE).update(**fields):
        wake(entry.outbox_id)  # it held the later ones of its entity


def back(entry: Entry) -> None:
    """It was not sent, or it may be sent again: it waits."""
    Entry.objects.filter(pk=entry.pk, state=_State.SENT).update(state=_State.WAITING)


def reject(entry: Entry, error: IntegrationError, now: datetime) -> None:
    """The vendor refused it: it holds its entity until an operator sends it again or discards it."""
    words = "; ".join(error.vendor.details) or error.vendor.message
    columns = error_columns(error.code, f"{error}: {words}" if words else str(error), error.vendor)
    columns.pop("vendor_answer")
    Entry.objects.filter(pk=entry.pk, state__in=(_State.WAITING, _State.SENT)).update(
        state=_State.REJECTED, settled_at=now, sealed=entry_seal.held(entry), **columns
    )


def differ(entry: Entry, found: dict[str, Any], now: datetime) -> None:
    """The record holds other values than the app expected: it holds its entity until somebody decides."""
    words = f"the record has another {', '.join(found)} than the app expected"
    fields = {"error_code": expected_values.CODE, "error": words[:300], "settled_at": now, "found": found}
    waiting = Entry.objects.filter(pk=entry.pk, state__in=(_State.WAITING, _State.SENT))
    waiting.update(state=_State.CONFLICT, sealed=entry_seal.held(entry), **fields)


def replace(entry: Entry, *, by: str) -> None:
    """The app has put another entry under the key of one whose record has changed: this one is never sent."""
    key = _marked(entry, "replaced")
    fields = {"key": key, "sealed": entry_seal.held(entry, key=key)}
    Entry.objects.filter(pk=entry.pk).update(state=_State.DISCARDED, **fields)
    _record(entry, "replaced", by)


def lose(entry: Entry, reason: str, now: datetime) -> None:
    """No answer came: it may have happened or not, and holds its entity until an operator says which."""
    Entry.objects.filter(pk=entry.pk, state=_State.SENT).update(
        state=_State.UNKNOWN,
        error_code="fate_unknown",
        error=reason[:300],
        settled_at=now,
        sealed=entry_seal.held(entry),
    )


def restored(entry: Entry, now: datetime, *, made_at: datetime) -> None:
    """The row is of a backup, made at `made_at`: since then it may have been sent."""
    reason = f"the database was restored as of {made_at:%Y-%m-%d %H:%M} UTC: it may have been sent since"
    row = Entry.objects.filter(pk=entry.pk, state__in=(_State.WAITING, _State.SENT))
    fields = {"error_code": "fate_unknown", "error": reason, "sealed": entry_seal.held(entry)}
    row.update(state=_State.UNKNOWN, sent_at=made_at, settled_at=now, **fields)


def decide(entry_id: int, now: datetime, *, happened: bool, by: str) -> Entry:
    """An operator says whether an unknown entry happened: it is done, or it waits to be sent again.

    Raises BadRequest when it is not unknown, or when its answer may still come.
    """
    with transaction.atomic():
        entry = _locked(entry_id, _State.UNKNOWN)
        # Also from the moment at which it became unknown: `sent_at` may be of a clock that is behind.
        since = max(entry.sent_at or now, entry.settled_at or now)
        left = (since + ANSWER_LOST_AFTER - now).total_seconds()
        if left > 0:
            raise BadRequest(f"the answer may still come: decide in {left:.0f} seconds")
        if happened:
            done(entry, Result(0, None, None, entry.operation), now)
        else:
            _wait_again(entry)
        _record(entry, "happened" if happened else "did_not_happen", by)
    return entry


def send_again(entry_id: int, *, by: str) -> Entry:
    """Send a rejected or discarded entry, or a conflict: in spite of the entry that has its key, or over the values
    that the record has now. Raises BadRequest.
    """
    with transaction.atomic():
        entry = _locked(entry_id, _State.REJECTED, _State.CONFLICT, _State.DISCARDED)
        _wait_again(entry, key=_key_of(entry), expected=None if entry.found is not None else entry.expected)
        _record(entry, "sent_again", by)
    return entry


def put_again(entry_id: int, *, by: str) -> Entry:
    """Send an entry whose record has changed if the record still holds what was found. Raises BadRequest."""
    with transaction.atomic():
        entry = _locked(entry_id, _State.CONFLICT)
        if entry.found is None:
            raise BadRequest(f"entry {entry_id} expects nothing: another entry has its key")
        _wait_again(entry, expected={**(entry.expected or {}), **entry.found})
        _record(entry, "put_again", by)
    return entry


def discard(entry_id: int, *, by: str) -> Entry:
    """Never send this entry. Raises BadRequest when it was sent already."""
    with transaction.atomic():
        entry = _locked(entry_id, _State.WAITING, _State.REJECTED, _State.CONFLICT)
        key = _key_of(entry)
        if not entry_seal.is_genuine(entry):
            key = _marked(entry, "discarded")  # its key is free: the app may put the call itself
        fields = {"key": key, "sealed": entry_seal.held(entry, key=key)}
        Entry.objects.filter(pk=entry.pk).update(state=_State.DISCARDED, **fields)
        _record(entry, "discarded", by)
        wake(entry.outbox_id)
    return entry


def wake(outbox_id: int) -> None:
    """Make an outbox due now, unless it is paused."""
    TenantOutbox.objects.filter(pk=outbox_id, enabled=True).update(due_at=clock.now())


def _marked(entry: Entry, mark: str) -> str:
    """The entry's key with a mark, so that it stands in no other entry's way."""
    end = f" ({mark} {entry.pk})"
    return entry.key[: LONGEST - len(end)] + end


def _key_of(entry: Entry) -> str:
    """Its key; with a mark if another entry has it, too."""
    is_second = entry.state == _State.CONFLICT and entry.found is None
    return _marked(entry, "conflict") if is_second else entry.key


def _wait_again(entry: Entry, *, key: str | None = None, expected: Any = KEEP) -> None:
    if not entry_seal.is_genuine(entry):
        raise BadRequest(f"entry {entry.pk} was not put by this application, or was changed: it can only be discarded")
    if expected is not KEEP:
        entry.expected = expected
    fields = {"error_code": "", "error": "", "trace_id": "", "settled_at": None, "key": key or entry.key}
    fields |= {"expected": entry.expected, "found": None}
    sealed = entry_seal.sealed(entry, may_be_sent=True, key=key)
    Entry.objects.filter(pk=entry.pk).update(state=_State.WAITING, sealed=sealed, **fields)
    wake(entry.outbox_id)


def _locked(entry_id: int, *states: str) -> Entry:
    entry = Entry.objects.select_for_update(of=("self",)).select_related("outbox").filter(pk=entry_id).first()
    if entry is None or entry.state not in states:
        found = "gone" if entry is None else entry.get_state_display()
        raise BadRequest(f"entry {entry_id} is {found}, not {' or '.join(states)}")
    return entry


def _record(entry: Entry, what: str, by: str) -> None:
    subject = f"outbox of {entry.outbox.tenant_id}"
    audit.record(f"outbox.{what}", actor=by, subject=subject, operation=entry.operation, entry=entry.pk)
