"""Receipts of purges, as text and as JSON: what was deleted, when, who asked for it, and the entry of the audit trail.

The entry is the proof: it is part of the trail's chain (`manage.py audit verify`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integrations.core.models import AuditEntry
from integrations.privacy import purge_stages
from integrations.privacy.models import Purge


def as_json(purge: Purge) -> dict[str, Any]:
    """The purge with its receipt. It contains ids of tenants, and of a contact only until the purge ends."""
    entry = None if purge.receipt is None else AuditEntry.objects.filter(pk=purge.receipt).first()
    return {
        "id": purge.pk,
        "tenant": purge.tenant.audit_subject,
        "of_contact": purge.of_contact,
        "locations": len(purge.locations),
        "status": purge.status,
        "requested_by": purge.requested_by,
        "requested_at": _iso(purge.requested_at),
        "begins_at": _iso(purge.begins_at),
        "begun_at": _iso(purge.begun_at),
        "finished_at": _iso(purge.finished_at),
        "deleted": purge.counts,
        "note": purge.note,
        "receipt": None if entry is None else {"entry": entry.pk, "hash": bytes(entry.hash).hex(), **entry.detail},
    }


def line(purge: Purge) -> str:
    """One line for a list."""
    status, total = purge.get_status_display(), sum(purge.counts.values())
    asked = f"asked {purge.requested_at:%Y-%m-%d} by {purge.requested_by}"
    return f"{purge.pk:>5}  {status:<28} {purge}  {asked}, {total:,} deleted"


def text(purge: Purge, now: datetime) -> str:
    """The purge with its counts, for a terminal."""
    titles = purge_stages.titles(purge.of_contact)
    rows = [f"{number:>12,}  {titles.get(name, name)}" for name, number in purge.counts.items()]
    return "\n".join([line(purge), *rows, state(purge, now)])


def state(purge: Purge, now: datetime) -> str:
    """What happens next, or the number of the receipt."""
    if purge.status == Purge.Status.WAITING and purge.begins_at > now:
        return f"It begins on {purge.begins_at:%Y-%m-%d %H:%M} UTC; `manage.py purge cancel {purge.pk}` cancels it."
    if purge.is_active:
        return f"Workers delete it in batches{f': {purge.note}' if purge.note else ''}."
    if purge.status == Purge.Status.COMPLETE:
        return f"Complete. Receipt: entry {purge.receipt} of the audit trail."
    return f"Cancelled: {purge.note}."


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
