"""Pauses of outboxes: what an operator has paused stays so, whatever writes to the database.

A paused outbox has a MAC (`vault.row_macs`) over its tenant and the pause. One whose MAC does not fit counts as paused,
until an operator resumes it. Where the row was deleted, the last word of the audit trail counts for the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from integrations.core import audit, clock
from integrations.core.models import AuditEntry
from integrations.core.tenant import Tenant
from integrations.outbox.models import TenantOutbox
from integrations.tenants.models import App
from integrations.vault import row_macs, signed_tables
from integrations.vault.signed_tables import SignedTable

NOT_OURS = f"this outbox may be paused: {row_macs.NOT_OURS}"
_PAUSED, _RESUMED = "outbox.paused", "outbox.resumed"


def sends(box: TenantOutbox) -> bool:
    """Whether the outbox is not paused, as far as this application knows."""
    return box.enabled and row_macs.fits(box.mac, _content(box))


def refusal(box: TenantOutbox) -> str:
    """Why the outbox may not start a run; empty when it may."""
    return "" if sends(box) else NOT_OURS


def pause(boxes: QuerySet[TenantOutbox], *, by: str) -> list[int]:
    """Send nothing more of these outboxes until they are resumed; the ids of those that were not paused."""
    return _switch(boxes, enabled=False, by=by)


def resume(boxes: QuerySet[TenantOutbox], *, by: str) -> list[int]:
    """Send on; the ids of those that were paused."""
    return _switch(boxes, enabled=True, by=by)


def of_tenant(app: App, tenant: Tenant, now: datetime) -> TenantOutbox:
    """The tenant's outbox, made if there is none: paused, if that is the last that the audit trail says of it."""
    where = {"app": app, "level": tenant.user_type, "tenant_id": tenant.id}
    box = TenantOutbox.objects.filter(**where).first()
    if box is None:
        box = TenantOutbox(**where, created_at=now)
        box.enabled = not _paused_in_trail(box)
        TenantOutbox.objects.bulk_create([signed(box)], ignore_conflicts=True)
        box = TenantOutbox.objects.get(**where)
    return box


def signed(box: TenantOutbox) -> TenantOutbox:
    """The outbox with the MAC of what it has now."""
    box.mac = row_macs.mac(_content(box))
    return box


def register() -> None:
    """Register the table with `vault.signed_tables`. Called once at start-up."""
    signed_tables.register(SignedTable(TenantOutbox, TenantOutbox.objects.all, _lacks, discarded=_keep_paused))


def _switch(boxes: QuerySet[TenantOutbox], *, enabled: bool, by: str) -> list[int]:
    with transaction.atomic():
        audit.lock()
        found = [box for box in boxes.select_for_update(of=("self",)) if sends(box) != enabled]
        for box in found:
            box.enabled, box.due_at = enabled, clock.now() if enabled else None
            signed(box).save(update_fields=["enabled", "due_at", "mac"])
            audit.record(_RESUMED if enabled else _PAUSED, actor=by, subject=str(box), app=box.app_id)
    return [box.pk for box in found]


def _keep_paused(theirs: Iterable[TenantOutbox], by: str) -> None:
    """Make the pause real that counts while the row does not fit. Its entries wait; each has a seal of its own."""
    for box in theirs:
        box.enabled, box.due_at = False, None
        signed(box).save(update_fields=["enabled", "due_at", "mac"])
        audit.record(_PAUSED, actor=by, subject=str(box), app=box.app_id)


def _paused_in_trail(box: TenantOutbox) -> bool:
    said = AuditEntry.objects.filter(subject=str(box), action__in=(_PAUSED, _RESUMED))
    mine = said.filter(Q(detail__app=box.app_id) | ~Q(detail__has_key="app"))  # older entries name no app
    return audit.still_holds(_PAUSED, mine) is not None


def _content(box: TenantOutbox) -> bytes:
    return row_macs.content("outbox", box.app_id, box.level, box.tenant_id, box.enabled)


def _lacks(row: TenantOutbox) -> dict[str, Any]:
    return row_macs.other({"mac": row.mac}, {"mac": row_macs.mac(_content(row))})
