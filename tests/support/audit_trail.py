"""What tests read of the audit trail."""

from __future__ import annotations

from django.db.models import QuerySet

from integrations.core.models import AuditEntry


def entries() -> QuerySet[AuditEntry]:
    """The entries in their order, without the seals of accounts that the test has made (`plugin.sealed_accounts`)."""
    return AuditEntry.objects.exclude(action="user.sealed").order_by("id")
