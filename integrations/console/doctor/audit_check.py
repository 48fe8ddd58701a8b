"""The `doctor` check of the audit trail: is its head ours, and does it leave the database?

`audit verify` reads every entry; this check does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from integrations.console.doctor.findings import Finding, Level
from integrations.core import clock
from integrations.core.audit import exported_heads
from integrations.core.audit_seals import Standing
from integrations.core.models import AuditHeadExport

_LATE = timedelta(minutes=5)  # beat asks for an export every minute


def audit_trail() -> Iterator[Finding]:
    """The sealed head, and the last export."""
    name = "audit trail"
    head = exported_heads.current()
    if head is None:
        yield Finding(name, Level.OK, "has no entry yet")
        return
    if head.standing is not Standing.GENUINE:
        fix = "run manage.py audit verify, and find out who wrote to the database"
        yield Finding(name, Level.FAILED, f"its head is not proven: {head.standing.value}", fix)
        return
    last = AuditHeadExport.objects.first()
    if last is not None and last.trouble:
        fix = "correct AUDIT_HEAD_FILE or AUDIT_HEAD_URL, or what is there"
        yield Finding(name, Level.WARNING, f"its head was not exported everywhere: {last.trouble}", fix)
    elif (last is None or last.number != head.number) and head.at and head.at < clock.now() - _LATE:
        yield Finding(
            name, Level.WARNING, f"its head, entry {head.number}, was not exported", "start beat and a worker"
        )
    else:
        yield Finding(name, Level.OK, f"{head.number:,} entries, sealed by {head.key_id!r}")
