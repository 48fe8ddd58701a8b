"""Claims an installation. Until then only operators see it; from then on the tenant's users see it too."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations.core import audit
from integrations.tenants.models import Installation


def claim(row: Installation, *, by: str, now: datetime) -> bool:
    """Claim an installation and the locations of its bulk install. False when it was claimed before.

    `by` names the embedded user or the operator.
    """
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
