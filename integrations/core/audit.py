"""The audit trail: append only, each entry chained to the one before it by SHA-256.

A changed, removed or inserted row breaks the chain at a place that `verify` names. Writers are put in a row by an
advisory lock held to the end of their transaction, so that the chain is one line and never a tree.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from integrations.core import clock
from integrations.core.models import AuditEntry

GENESIS = bytes(32)
_LOCK = 0x41554454  # any constant of our own: "AUDT"


def record(action: str, *, actor: str, subject: str, **detail: Any) -> AuditEntry:
    """Append one entry. `detail` holds identifiers and reasons, never a secret; it must be JSON."""
    with transaction.atomic():
        wait_turn()
        last = AuditEntry.objects.order_by("-id").only("hash").first()
        entry = AuditEntry(at=clock.now(), actor=actor, action=action, subject=subject, detail=detail)
        entry.previous = bytes(last.hash) if last else GENESIS
        entry.hash = _digest(entry)
        entry.save(force_insert=True)
    return entry


def wait_turn() -> None:
    """Be the only writer until this transaction's end. Whoever locks many rows and records each waits here first: two
    who hold rows while they wait could wait for each other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def verify() -> int | None:
    """Walk the chain; the id of the first entry that does not fit, or None when all do."""
    previous = GENESIS
    for entry in AuditEntry.objects.order_by("id").iterator(chunk_size=2000):
        if bytes(entry.previous) != previous or bytes(entry.hash) != _digest(entry):
            return entry.id
        previous = bytes(entry.hash)
    return None


def head() -> AuditEntry | None:
    """The newest entry. Its hash, kept elsewhere, vouches for all before it."""
    return AuditEntry.objects.order_by("-id").first()


def contains(digest: bytes) -> bool:
    """Whether an entry with this hash stands in the trail."""
    return AuditEntry.objects.filter(hash=digest).exists()


def _digest(entry: AuditEntry) -> bytes:
    at: datetime = entry.at
    fields = [at.isoformat(), entry.actor, entry.action, entry.subject, entry.detail]
    text = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(bytes(entry.previous) + text.encode()).digest()
