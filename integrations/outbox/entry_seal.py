"""Seals over outbox entries: who writes to the database has no call made in a tenant's name.

`put` seals what a call is, for app and tenant of its outbox, and whether it may be sent. A worker opens the seal before
it sends the entry. What was inserted, changed or moved to another tenant is rejected, and never sent. An entry that is
done, discarded, rejected, in conflict or of unknown fate has a seal that says that it must not be sent, so that a
changed state alone sends nothing. An operator who sends it again gives it another one, and vouches for no content: an
entry without a genuine seal can be discarded only.

In the transition from the release before (`vault.row_macs`), whose processes put entries without a seal and move sealed
ones, entries are taken as they are; `vault.signed_tables` seals them.

**What remains.** Who kept a waiting entry together with its seal can put both back later: a call that the app once
wanted is made again. And the order of entries is that of their keys in the table.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction

from integrations.core import audit, clock
from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.core.texts import as_stored_json
from integrations.outbox.models import Entry
from integrations.vault import columns, forget, row_macs, signed_tables
from integrations.vault.seal import Binding, seal, unseal
from integrations.vault.signed_tables import SignedTable

KEY_LOST = "the key that sealed it is lost: discard it, and have the app put it again"
_BATCH = 100


def sealed(entry: Entry, *, may_be_sent: bool, key: str | None = None) -> bytes:
    """The seal of what the entry says, with another `key` if it gets one. Raises SealBroken for a wrong ring."""
    return seal(text(entry, entry.key if key is None else key, may_be_sent=may_be_sent), binding(entry))


def may_be_sent(entry: Entry) -> bool:
    """Whether this application put the entry as it is, and has it wait."""
    return row_macs.trusted_until() is not None or _says(entry, text(entry, entry.key, may_be_sent=True))


def is_genuine(entry: Entry) -> bool:
    """Whether this application put the entry as it is, in whatever state."""
    if row_macs.trusted_until() is not None:
        return True
    return any(_says(entry, text(entry, entry.key, may_be_sent=may_send)) for may_send in (True, False))


def held(entry: Entry, *, key: str | None = None) -> bytes | None:
    """The seal of an entry that must not be sent any more. One that does not fit stays as it is."""
    if is_genuine(entry):
        return sealed(entry, may_be_sent=False, key=key)
    return None if entry.sealed is None else bytes(entry.sealed)


def binding(entry: Entry) -> Binding:
    """What the seal is bound to: app and tenant of the outbox."""
    box = entry.outbox
    return Binding(owner=("outbox", str(box.app_id), box.level, box.tenant_id), field="entry", generation=0)


def register(discarded: Callable[[Sequence[Entry], str], None]) -> None:
    """Register the seals with the vault: they are counted, rotated and given up like all others.

    `discarded` discards entries that are not genuine.
    """
    needs = ("outbox__app_id", "outbox__level", "outbox__tenant_id")
    columns.register(columns.SealedColumn(Entry, "sealed", needs, binding, joins=("outbox",)))
    forget.register(_EntriesOfALostKey())
    unsettled = Entry.objects.exclude(state=Entry.State.DONE).select_related("outbox")
    held = unsettled.exclude(state=Entry.State.DISCARDED)
    signed_tables.register(
        SignedTable(Entry, unsettled.all, _lacks, fits=is_genuine, counted=held.all, discarded=discarded)
    )


def _lacks(entry: Entry) -> dict[str, Any]:
    """The seal that an entry needs to be genuine as it is."""
    waits = entry.state in (Entry.State.WAITING, Entry.State.SENT)
    if _says(entry, text(entry, entry.key, may_be_sent=waits)):
        return {}
    return {"sealed": sealed(entry, may_be_sent=waits)}


class _EntriesOfALostKey:
    """`vault.forget.LostKeyHandler`: no key proves these entries, so they are not sent."""

    label = "outbox.Entry"

    def forget(self, key_id: str, *, actor: str) -> Counter[str]:
        """Reject up to 100 entries that this key sealed."""
        with transaction.atomic():
            audit.lock()
            rows = columns.sealed_by(Entry, key_id).select_for_update(skip_locked=True).order_by("pk")
            lost = list(rows.values_list("pk", flat=True)[:_BATCH])
            mine = Entry.objects.filter(pk__in=lost)
            mine.reject_without_key(KEY_LOST, clock.now())
            mine.empty()  # nobody can replay these
            mine.update(sealed=None)
            if lost:
                audit.record("outbox.key_lost", actor=actor, subject="outbox", key_id=key_id, entries=len(lost))
        return Counter({"without a seal": len(lost)} if lost else {})


def _says(entry: Entry, expected: Secret) -> bool:
    if entry.sealed is None:
        return False
    try:
        return hmac.compare_digest(unseal(entry.sealed, binding(entry)).reveal(), expected.reveal())
    except SealBroken:
        return False


def text(entry: Entry, key: str, *, may_be_sent: bool) -> Secret:
    """A digest of all that decides which call is made, and whether."""
    content = [may_be_sent, entry.operation, entry.version, entry.lane, entry.entity, key, entry.params, entry.body]
    if (expected := getattr(entry, "expected", None)) is not None:  # older releases sealed none
        content.append(expected)
    stored = json.dumps(as_stored_json(content), sort_keys=True)
    return Secret(hashlib.sha256(stored.encode("utf-8", "surrogatepass")).hexdigest())
