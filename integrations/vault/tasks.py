"""Celery task of the vault."""

from __future__ import annotations

from integrations.core.celery_tasks import task
from integrations.vault import signed_tables


@task("vault.sign_rows")
def sign_rows(**_: object) -> None:
    """Beat sends this every hour: sign what the release before has written, while the transition lasts."""
    signed_tables.sign_in_transition()
