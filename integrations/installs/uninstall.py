"""What an uninstall takes along: the tokens at once, the plans and synced records by sync's own task."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations.core import audit
from integrations.core.jobs import enqueue
from integrations.installs import register
from integrations.tenants.models import Installation, UserType
from integrations.tokens import store
from integrations.tokens.models import CredentialKey

VENDOR = "highlevel"  # the actor of what the vendor told, by an event or by its list


def location(row: Installation, *, at: datetime, why: str, actor: str = VENDOR) -> bool:
    """Uninstall one location. False when the installation is newer than `at`."""
    with transaction.atomic():
        if not _closed(row, at=at, why=why):
            return False
        _record(row, why=why, actor=actor)
    return True


def company(row: Installation, *, at: datetime, why: str, actor: str = VENDOR) -> bool:
    """Uninstall an agency and, with it, each of its locations that was not installed again since (FACTS 1.9).

    All rows first and the audit trail last: a callback that holds one of these rows waits for the trail.
    """
    with transaction.atomic():
        if not _closed(row, at=at, why=why):
            return False
        below = Installation.objects.select_related("app").filter(app=row.app, user_type=UserType.LOCATION)
        children = below.filter(company_id=row.resource_id).exclude(status=Installation.Status.UNINSTALLED)
        closed = [child for child in children.order_by("pk") if _closed(child, at=at, why=_along(why))]
        _record(row, why=why, actor=actor)
        for child in closed:
            _record(child, why=_along(why), actor=actor)
    return True


def _along(why: str) -> str:
    return f"{why} (with its company)"


def _closed(row: Installation, *, at: datetime, why: str) -> bool:
    """False when the installation is newer than `at`."""
    if not register.uninstalled(row, at=at):
        return False
    store.wipe(CredentialKey(row.app, row.tenant), reason=why, now=at)
    if row.user_type == UserType.LOCATION:
        enqueue("sync.forget", app_id=row.app_id, location_id=row.resource_id)
    return True


def _record(row: Installation, *, why: str, actor: str) -> None:
    audit.record(
        "install.removed",
        actor=actor,
        subject=row.tenant.audit_subject,
        app=row.app.highlevel_id,
        reason=why,
        generation=row.generation,
    )
