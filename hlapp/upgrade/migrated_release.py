"""Which release a database was migrated to, as the audit trail has it."""

from __future__ import annotations

from hlapp.upgrade import release_notes
from integrations.core import audit
from integrations.core.models import AuditEntry

ACTION = "release.migrated"


def last() -> str:
    """The version; empty when no `migrate` recorded one."""
    found = AuditEntry.objects.filter(action=ACTION).order_by("-id")
    return found.values_list("subject", flat=True).first() or ""


def record() -> None:
    """Record that the database has this code's migrations, unless that is known."""
    if last() != release_notes.version():
        audit.record(ACTION, actor="command line", subject=release_notes.version())
