"""What an uninstall takes along: the tokens at once, the plans and synced records by sync's own task."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations.core import audit
from integrations.core.jobs import enqueue
from integrations.installs import register
from integrations.tenants.models import Installation, UserType
from integrations.tokens import store
from integrations.tokens.store import Holder


def location(row: Installation, *, at: datetime, why: str) -> bool:
    """Uninstall one location. False when the installation is newer than `at`."""
    with transaction.atomic():
        if not _close(row, at=at, why=why):
            return False
        enqueue("sync.forget", app_id=row.app_id, location_id=row.resource_id)
    return True


def company(row: Installation, *, at: datetime, why: str) -> bool:
    """Uninstall an agency and, with it, each of its locations that was not installed again since (FACTS 1.9)."""
    with transaction.atomic():
        if not _close(row, at=at, why=why):
            return False
        below = Installation.objects.select_related("app").filter(app=row.app, user_type=UserType.LOCATION)
        for child in below.filter(company_id=row.resource_id).exclude(status=Installation.Status.UNINSTALLED):
            location(child, at=at, why=f"{why} (with its company)")
    return True


def _close(row: Installation, *, at: datetime, why: str) -> bool:
    if not register.uninstalled(row, at=at):
        return False
    store.wipe(Holder(row.app, row.user_type, row.resource_id), reason=why, now=at)
    audit.record(
        "install.removed",
        actor="highlevel",
        subject=f"{row.user_type}:{row.resource_id}",
        app=row.app.highlevel_id,
        reason=why,
        generation=row.generation,
    )
    return True
