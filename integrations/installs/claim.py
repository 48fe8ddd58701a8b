"""Claims an installation. Until then only operators see it; from then on the tenant's users see it too."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations.core import audit
from integrations.tenants.models import Installation


def claim(row: Installation, *, by: str, now: datetime) -> bool:
    """Claim an installation and the locations of its bulk install. False when it was claimed or uninstalled before.

    `by` names the embedded user or the operator.
    """
    with transaction.atomic():
        mine = Installation.objects.filter(pk=row.pk).claim(by=by, at=now)
        Installation.objects.filter(parent=row).claim(by=by, at=now)
        if mine:
            audit.record(
                "install.claimed",
                actor=by,
                subject=row.tenant.audit_subject,
                app=row.app.highlevel_id,
            )
    return bool(mine)
