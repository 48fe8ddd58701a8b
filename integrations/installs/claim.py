"""Claims an installation. Until then only operators see it; from then on the tenant's users see it too."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from integrations.core import audit
from integrations.tenants import history
from integrations.tenants.models import Installation


def claim(row: Installation, *, by: str, now: datetime) -> bool:
    """Claim an installation and the locations of its bulk install. False when it was claimed or uninstalled before.

    `by` names the embedded user or the operator.
    """
    with transaction.atomic():
        chosen = Installation.objects.filter(Q(pk=row.pk) | Q(parent=row)).unclaimed().select_for_update(no_key=True)
        claimed = list(chosen.order_by("pk"))
        Installation.objects.filter(pk__in=[found.pk for found in claimed]).claim(by=by, at=now)
        history.claimed(claimed, by, now)
        mine = row in claimed
        if mine:
            audit.record(
                "install.claimed",
                actor=by,
                subject=row.tenant.audit_subject,
                app=row.app.highlevel_id,
            )
    return mine
