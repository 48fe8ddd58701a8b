"""Claiming: from then on web users who belong to the tenant may see the installation; before, only operators do."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations.core import audit
from integrations.tenants.models import Installation


def claim(row: Installation, *, by: str, now: datetime) -> bool:
    """Claim an installation and the locations below it. `by`: the SSO user or operator. False if it was."""
    with transaction.atomic():
        unclaimed = Installation.objects.filter(claimed_at__isnull=True)
        mine = unclaimed.filter(pk=row.pk).update(claimed_at=now, claimed_by=by)
        unclaimed.filter(parent=row).update(claimed_at=now, claimed_by=by)
        if mine:
            audit.record(
                "install.claimed",
                actor=by,
                subject=row.tenant.audit_subject,
                app=row.app.highlevel_id,
            )
    return bool(mine)
