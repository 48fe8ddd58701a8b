"""Celery task of the console: exports the head of the audit trail. Beat starts it every minute."""

from __future__ import annotations

from integrations.console import audit_export
from integrations.core import clock
from integrations.core.celery_tasks import task


@task("console.export_audit_head")
def export_audit_head(**_: object) -> None:
    """Export the head if there are new entries (`console.audit_export`)."""
    audit_export.export(clock.now())
