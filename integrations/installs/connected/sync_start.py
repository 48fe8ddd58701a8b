"""Starts the sync of a location whose token works."""

from __future__ import annotations

from django.db import transaction

from integrations.core import clock
from integrations.installs import register
from integrations.installs.register import Status
from integrations.tenants.models import Installation


def begin(row: Installation) -> None:
    """Note that the location works, and make it due for the sync: once an installation."""
    with transaction.atomic():
        register.finish_pending(row, at=clock.now())
        if row.reconciled_at is None or row.status == Status.PENDING:
            Installation.objects.filter(pk=row.pk).sync_at(clock.now())
