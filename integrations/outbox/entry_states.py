"""What workers and operators do to outbox entries: state transitions (`entry_queryset`) with seal and audit entry."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import NO_ANSWER, BadRequest, IntegrationError, VendorAnswer
from integrations.core.runs.querysets import columns_of, error_columns
from integrations.core.texts import storable_json
from integrations.gateway.client import Result
from integrations.outbox import entry_seal, expected_values
from integrations.outbox.models import LONGEST, Entry, TenantOutbox

LOST = "fate_unknown"
WORKER_ENDED = "the worker ended between the request and its answer"
ANSWER_LOST_AFTER = timedelta(seconds=60)  # longer than one call takes
KEEP: Any = object()  # the expected values stay
_State = Entry.State
_MAYBE_SENT = (_State.SENT, _State.UNKNOWN)


def done(entry: Entry, result: Result, now: datetime) -> None:
    """The vendor has answered. A late answer settles an entry that has become unknown, too."""
    answer = {"status": result.status, "json": storable_json(result.json), "trace_id": result.trace_id}
    row, sealed = Entry.objects.of(entry), _kept(entry)
    if not row.in_states(_State.WAITING, _State.SENT).done(answer, sealed, now) and row.done(answer, sealed, now):
        wake(entry.outbox_id)  # it held the later ones of its entity


def reject(entry: Entry, error: IntegrationError, now: datetime) -> None:
    """The vendor refused it: it holds its entity until an operator sends it again or discards it."""
    Entry.objects.of(entry).reject(columns_of(error), entry_seal.held(entry), now)


def differ(entry: Entry, found: dict[str, Any], now: datetime) -> None:
    """The record holds other values than the app expected: it holds its entity until an operator decides."""
    words = f"the record has another {', '.join(found)} than the app expected"
    Entry.objects.of(entry).conflict(expected_values.CODE, words, found, entry_seal.held(entry), now)


def replace(entry: Entry, *, by: str) -> None:
    """The app has put another entry under the key of one whose record has changed: this one is never sent."""
    key = marked(entry, "replaced")
    Entry.objects.of(entry).discard(key, entry_seal.held(entry, key=key))
    record(entry, "replaced", by)


def lose(entry: Entry, reason: str, now: datetime, *, answer: VendorAnswer = NO_ANSWER) -> None:
    """No answer came that decides: it may have happened or not, and holds its entity until an operator says which.

    `answer` is what the vendor said all the same, such as a 502.
    """
    Entry.objects.of(entry).lose(error_columns(LOST, reason, answer), entry_seal.held(entry), now)


def restored(entry: Entry, now: datetime, *, made_at: datetime) -> None:
    """The row is of a backup, made at `made_at`: since then it may have been sent."""
    reason = f"the database was restored as of {made_at:%Y-%m-%d %H:%M} UTC: it may have been sent since"
    Entry.objects.of(entry).restore(reason, entry_seal.held(entry), now, made_at=made_at)


def decide(entry_id: int, now: datetime, *, happened: bool, by: str) -> Entry:
    """An operator says whether an unknown entry happened: it is done, or it waits to be sent again.

    Raises BadRequest when it is not unknown, or when its answer may still come.
    """
    with transaction.atomic():
        entry = locked(entry_id, _State.UNKNOWN)
        # Also from the moment at which it became unknown: `sent_at` may be of a clock that is behind.
        since = max(entry.sent_at or now, entry.settled_at or now)
        left = (since + ANSWER_LOST_AFTER - now).total_seconds()
        if left > 0:
            raise BadRequest(f"the answer may still come: decide in {left:.0f} seconds")
        if happened:
            done(entry, Result(0, None, None, entry.operation), now)
        else:
            _wait_again(entry)
        record(entry, "happened" if happened else "did_not_happen", by)
    return entry


def send_again(entry_id: int, *, by: str) -> Entry:
    """Send a rejected or discarded entry, or a conflict: in spite of the entry that has its key, or over the values
    that the record has now. Raises BadRequest.
    """
    with transaction.atomic():
        entry = locked(entry_id, _State.REJECTED, _State.CONFLICT, _State.DISCARDED)
        _wait_again(entry, key=_key_of(entry), expected=None if entry.found is not None else entry.expected)
        record(entry, "sent_again", by)
    return entry


def put_again(entry_id: int, *, by: str) -> Entry:
    """Send an entry whose record has changed if the record still holds what was found. Raises BadRequest."""
    with transaction.atomic():
        entry = locked(entry_id, _State.CONFLICT)
        if entry.found is None:
            raise BadRequest(f"entry {entry_id} expects nothing: another entry has its key")
        _wait_again(entry, expected={**(entry.expected or {}), **entry.found})
        record(entry, "put_again", by)
    return entry


def discard(entry_id: int, *, by: str) -> Entry:
    """Never send this entry. Raises BadRequest when it was sent already, unless this application did not put it."""
    with transaction.atomic():
        entry = locked(entry_id, _State.WAITING, _State.REJECTED, _State.CONFLICT, *_MAYBE_SENT)
        key, is_genuine = _key_of(entry), entry_seal.is_genuine(entry)
        if is_genuine and entry.state in _MAYBE_SENT:
            raise BadRequest(f"entry {entry_id} is {entry.get_state_display()}: say whether it happened")
        if not is_genuine:
            key = marked(entry, "discarded")  # its key is free: the app may put the call itself
        Entry.objects.of(entry).discard(key, entry_seal.held(entry, key=key))
        record(entry, "discarded", by)
        wake(entry.outbox_id)
    return entry


def discarded(theirs: Iterable[Entry], by: str) -> None:
    """Discard entries that this application did not put (`vault.signed_tables`)."""
    for entry in theirs:
        discard(entry.pk, by=by)


def wake(outbox_id: int) -> None:
    """Make an outbox due now, unless it is paused."""
    TenantOutbox.objects.filter(pk=outbox_id, enabled=True).update(due_at=clock.now())


def locked(entry_id: int, *states: str) -> Entry:
    """The entry, locked, with its outbox. Raises BadRequest when it is in none of these states."""
    rows = Entry.objects.select_for_update(of=("self",)).select_related("outbox")
    entry: Entry | None = rows.filter(pk=entry_id).first()
    if entry is None or entry.state not in states:
        found = "gone" if entry is None else entry.get_state_display()
        raise BadRequest(f"entry {entry_id} is {found}, not {' or '.join(states)}")
    return entry


def record(entry: Entry, what: str, by: str, **more: int) -> None:
    """Leave an audit entry `outbox.<what>`."""
    subject = f"outbox of {entry.outbox.tenant_id}"
    audit.record(f"outbox.{what}", actor=by, subject=subject, operation=entry.operation, entry=entry.pk, **more)


def marked(entry: Entry, mark: str) -> str:
    """The entry's key with a mark, so that it stands in no other entry's way."""
    end = f" ({mark} {entry.pk})"
    return entry.key[: LONGEST - len(end)] + end


def _kept(entry: Entry) -> bytes | None:
    """The seal of a done entry whose call stays for replays: it must not be sent. None if nothing of it stays."""
    if not settings.OUTBOX_REPLAY_DAYS or not entry_seal.is_genuine(entry):
        return None
    entry.expected = None
    return entry_seal.sealed(entry, may_be_sent=False)


def _key_of(entry: Entry) -> str:
    """Its key; with a mark if another entry has it, too."""
    is_second = entry.state == _State.CONFLICT and entry.found is None
    return marked(entry, "conflict") if is_second else entry.key


def _wait_again(entry: Entry, *, key: str | None = None, expected: Any = KEEP) -> None:
    if not entry_seal.is_genuine(entry):
        raise BadRequest(f"entry {entry.pk} was not put by this application, or was changed: it can only be discarded")
    if expected is not KEEP:
        entry.expected = expected
    sealed = entry_seal.sealed(entry, may_be_sent=True, key=key)
    Entry.objects.of(entry).wait_again(key or entry.key, entry.expected, sealed)
    wake(entry.outbox_id)
