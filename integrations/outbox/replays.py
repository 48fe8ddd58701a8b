"""Replays: an operator has the call of a done entry made again.

A done entry keeps its call for OUTBOX_REPLAY_DAYS, with the seal of one that must not be sent. A replay is another
entry, behind all others of its entity, under the key `<key> (again <id>)`. So the first one keeps its key and its
answer: the app's own `put` under that key is still the done entry, and sends nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from integrations.core import clock
from integrations.core.errors import BadRequest
from integrations.outbox import entity_lock, entry_seal, entry_states
from integrations.outbox.models import Entry

_BATCH = 1_000
_CALL = ("outbox", "entity", "operation", "version", "lane", "params", "body", "fingerprint")


def replay(entry_id: int, *, by: str) -> Entry:
    """Put the call of a done entry again, in spite of what its record holds now. Returns the new entry.

    Raises BadRequest for one that is not done, whose call is not kept any more, or that was replayed already: the new
    entry is replayed then.
    """
    with transaction.atomic():
        done = entry_states.locked(entry_id, Entry.State.DONE)
        if done.sealed is None:
            raise BadRequest(f"the call of entry {entry_id} is not kept any more (OUTBOX_REPLAY_DAYS)")
        if not entry_seal.is_genuine(done):
            raise BadRequest(f"entry {entry_id} was not put by this application, or was changed: it is not sent")
        key = entry_states.marked(done, "again")
        if there := Entry.objects.filter(outbox=done.outbox, key=key).first():
            raise BadRequest(f"entry {entry_id} was replayed as entry {there.pk}, which is {there.get_state_display()}")
        entity_lock.take(done.outbox, done.entity)
        again = Entry(key=key, created_at=clock.now(), **{name: getattr(done, name) for name in _CALL})
        again.sealed = entry_seal.sealed(again, may_be_sent=True)
        again.save(force_insert=True)
        entry_states.record(done, "replayed", by, again=again.pk)
        entry_states.wake(done.outbox_id)
    return again


def forget(now: datetime, until: float) -> int:
    """Empty the calls that are older than OUTBOX_REPLAY_DAYS, until the monotonic clock shows `until`; how many."""
    kept = Entry.objects.with_calls()
    old = kept.filter(settled_at__lt=now - timedelta(days=settings.OUTBOX_REPLAY_DAYS)).order_by("settled_at")
    forgotten = 0
    while clock.monotonic() < until:
        batch = list(old.values_list("pk", flat=True)[:_BATCH])
        forgotten += kept.filter(pk__in=batch).empty()
        if len(batch) < _BATCH:
            break
    return forgotten
