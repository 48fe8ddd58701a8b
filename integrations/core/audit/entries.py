"""Appends entries to the audit trail.

The head's row is locked until the end of the transaction, so one writer appends at a time, and the chain never forks.
The lock is waited for no longer than the session's `lock_timeout` (`hlapp.time_limits`). A transaction that appends
should end soon: the next writer waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from django.db import transaction

from integrations.core import audit_seals, clock
from integrations.core.audit_seals import Standing, TrailHead
from integrations.core.models import AuditEntry, AuditHead
from integrations.core.texts import as_stored_json

Changes = dict[str, list[Any]]  # old and new value by field
HEAD_LOST = "audit.head_lost"  # the action of the entry that `_recovered` writes

log = structlog.get_logger(__name__)


def record(action: str, *, actor: str, subject: str, **detail: Any) -> AuditEntry:
    """Append one entry. `detail` holds identifiers and reasons, never a secret; it must be JSON.

    Raises SealBroken when VAULT_KEYS is not the right ring: what cannot be recorded must not happen.
    """
    with transaction.atomic():
        return append(lock(), action, actor=actor, subject=subject, detail=detail)[1]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """The fields whose values differ, each with its old and new value. Pass no field that holds a secret.

    A field that `before` lacks was empty: for a new row, pass nothing as `before`.
    """
    found = ((name, before.get(name), value) for name, value in after.items())
    return {name: [_json(old), _json(new)] for name, old, new in found if (old or None) != (new or None)}


def lock() -> TrailHead:
    """Take the writer lock of the trail until the end of this transaction. Returns the head.

    A transaction that locks many rows and records each of them calls this first. Otherwise two such transactions could
    deadlock: each holds rows and waits for the trail.
    """
    audit_seals.keys().newest()  # before the head is read: a key that is new here is proven, and that is an entry too
    row = AuditHead.objects.select_for_update().first()
    if row is None:
        AuditHead.objects.bulk_create([AuditHead()], ignore_conflicts=True)
        row = AuditHead.objects.select_for_update().get()
    head = row.head
    state = head.standing if head.seal else Standing.FORGED
    return head if state is Standing.GENUINE else _recovered(head, state)


def append(
    head: TrailHead, action: str, *, actor: str, subject: str, detail: Mapping[str, Any]
) -> tuple[TrailHead, AuditEntry]:
    """Append one entry after the head, which `lock` returned. Returns the new head and the entry."""
    entry = AuditEntry(number=head.number + 1, at=clock.now(), actor=actor, action=action, subject=subject)
    entry.detail, entry.previous, entry.key_id = as_stored_json(detail), head.value, audit_seals.keys().newest()
    entry.hash = entry.chain_value
    entry.seal = audit_seals.keys().mac(entry.key_id, entry.sealed_message)
    entry.save(force_insert=True)
    new = replace(head, number=entry.number, value=entry.hash, at=entry.at).sealed()
    AuditHead.objects.update(**AuditHead.columns(new))
    return new, entry


def _recovered(head: TrailHead, state: Standing) -> TrailHead:
    """A head in place of one that is missing or not proven. The chain goes on, and `audit verify` reports this place.

    Refusing instead would let an attacker who can delete one row stop installs and sign-ins.
    """
    first, last = AuditEntry.objects.order_by("number").first(), AuditEntry.objects.order_by("-number").first()
    if first is None or last is None:
        found = TrailHead()
    else:
        unsealed = AuditEntry.objects.filter(key_id="").order_by("-number").first()
        found = TrailHead(
            number=last.number,
            value=bytes(last.hash),
            base_number=first.number - 1,
            base_value=bytes(first.previous),
            sealed_from=unsealed.number + 1 if unsealed else first.number,
        )
    if last is None and head.number == 0:
        return found  # the trail has just begun
    log.error("audit.head_lost", number=head.number, last=found.number, reason=state.value)
    lost = {"head": head.number, "last": found.number, "reason": state.value}
    return append(found, HEAD_LOST, actor="system", subject="audit trail", detail=lost)[0]


def _json(value: Any) -> Any:
    """The value as JSON has it; objects by their text, lists and rows of a relation as a sorted list."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _json(one) for name, one in value.items()}
    if isinstance(value, Iterable):
        return sorted(map(str, value))
    return str(value)
