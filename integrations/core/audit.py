"""Audit trail: append only, each entry chained to the previous one by SHA-256.

A changed, removed or inserted row breaks the chain at an entry that `verify` names. An advisory lock, held until the
end of the transaction, lets one writer append at a time. So each entry has one successor at most.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from integrations.core import clock
from integrations.core.models import AuditEntry

GENESIS = bytes(32)
Changes = dict[str, list[Any]]  # old and new value by field
_LOCK = 0x41554454  # any constant of our own: "AUDT"


def record(action: str, *, actor: str, subject: str, **detail: Any) -> AuditEntry:
    """Append one entry. `detail` holds identifiers and reasons, never a secret; it must be JSON."""
    with transaction.atomic():
        lock()
        last = AuditEntry.objects.order_by("-id").only("hash").first()
        entry = AuditEntry(at=clock.now(), actor=actor, action=action, subject=subject, detail=detail)
        entry.previous = bytes(last.hash) if last else GENESIS
        entry.hash = _digest(entry)
        entry.save(force_insert=True)
    return entry


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """The fields whose values differ, each with its old and new value. Pass no field that holds a secret.

    A field that `before` lacks was empty: for a new row, pass nothing as `before`.
    """
    found = ((name, before.get(name), value) for name, value in after.items())
    return {name: [_json(old), _json(new)] for name, old, new in found if (old or None) != (new or None)}


def lock() -> None:
    """Take the writer lock of the trail until the end of this transaction.

    A transaction that locks many rows and records each of them calls this first. Otherwise two such transactions could
    deadlock: each holds rows and waits for the trail.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def verify() -> int | None:
    """Check the whole chain. Returns the id of the first entry that does not fit, or None when all fit."""
    previous = GENESIS
    for entry in AuditEntry.objects.order_by("id").iterator(chunk_size=2000):
        if bytes(entry.previous) != previous or bytes(entry.hash) != _digest(entry):
            return entry.id
        previous = bytes(entry.hash)
    return None


def head() -> AuditEntry | None:
    """The newest entry. An operator who keeps its hash elsewhere can prove all entries before it."""
    return AuditEntry.objects.order_by("-id").first()


def contains(digest: bytes) -> bool:
    """Whether the trail has an entry with this hash."""
    return AuditEntry.objects.filter(hash=digest).exists()


def _json(value: Any) -> Any:
    """The value as JSON has it; objects by their text, and rows of a relation as a sorted list."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Iterable):
        return sorted(map(str, value))
    return str(value)


def _digest(entry: AuditEntry) -> bytes:
    at: datetime = entry.at
    fields = [at.isoformat(), entry.actor, entry.action, entry.subject, entry.detail]
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(bytes(entry.previous) + text.encode()).digest()
