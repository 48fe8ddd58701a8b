"""Uninstalls: wipes the tokens at once, and sends the task that deletes sync plans and records."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations.core import audit
from integrations.core.celery_tasks import enqueue
from integrations.installs import register
from integrations.tenants.models import Installation, UserType
from integrations.tokens import store
from integrations.tokens.models import CredentialKey

VENDOR = "highlevel"  # the actor in the audit trail when an event or the vendor's list is the reason


def location(row: Installation, *, at: datetime, why: str, actor: str = VENDOR) -> bool:
    """Uninstall one location. False when the installation is newer than `at`."""
    with transaction.atomic():
        if not _end(row, at=at, why=why):
            return False
        _record(row, why=why, actor=actor)
    return True


def company(row: Installation, *, at: datetime, why: str, actor: str = VENDOR) -> bool:
    """Uninstall an agency, and each of its locations that was not installed again since (FACTS 1.9).

    All rows are written before the first audit entry, so that this and a callback lock in the same order: a callback
    holds its row while it waits for the lock of the audit trail.
    """
    with transaction.atomic():
        if not _end(row, at=at, why=why):
            return False
        below = Installation.objects.locations().filter(app=row.app, company_id=row.resource_id)
        children = below.not_uninstalled().select_related("app")
        ended = [child for child in children.order_by("pk") if _end(child, at=at, why=_with_company(why))]
        _record(row, why=why, actor=actor)
        for child in ended:
            _record(child, why=_with_company(why), actor=actor)
    return True


def _with_company(why: str) -> str:
    return f"{why} (with its company)"


def _end(row: Installation, *, at: datetime, why: str) -> bool:
    """Uninstall one row and wipe its tokens. False when the installation is newer than `at`."""
    if not register.uninstalled(row, at=at):
        return False
    store.revoke(CredentialKey(row.app, row.tenant), reason=why, now=at)
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
