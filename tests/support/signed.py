"""Gives rows the MACs that the application would give them, for a test that sets a scene by an UPDATE."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from integrations.core import clock
from integrations.core.secret import Secret
from integrations.jobs import macs, run_mac
from integrations.jobs.models import Run, Schedule, Trigger, Write
from integrations.vault import row_macs
from integrations.vault.models import RowMacKey
from integrations.vault.seal import seal


def schedule_macs(row: Schedule) -> dict[str, Any]:
    macs.signed_schedule(row)
    return {"mac": row.mac, "due_mac": row.due_mac}


def run_macs(row: Run) -> dict[str, Any]:
    page = run_mac.page_digest(row.page)
    content = run_mac.content(row.schedule_id, row.started_at, row.status, row.checkpoint, page)
    return {"mac": row_macs.mac(content)}


def trigger_macs(row: Trigger) -> dict[str, Any]:
    return {"mac": macs.trigger_mac(row, set_aside=row.set_aside_at is not None)}


def write_macs(row: Write) -> dict[str, Any]:
    return {"mac": None if row.answer is None else macs.write_mac(row, row.answer)}


MACS: dict[Any, Callable[[Any], dict[str, Any]]] = {
    Schedule: schedule_macs,
    Run: run_macs,
    Trigger: trigger_macs,
    Write: write_macs,
}


def sign(*models: Any) -> None:
    """Sign every row of these models as it is now."""
    for model in models:
        for row in model.objects.all():
            model.objects.filter(pk=row.pk).update(**MACS[model](row))


def transition(until: datetime | None) -> None:
    """Another key, whose transition ends then: nothing that is stored fits any more."""
    text = secrets.token_urlsafe(32) + "|" + (until.isoformat() if until else "")
    sealed = seal(Secret(text), row_macs.BINDING)
    RowMacKey.objects.update_or_create(pk=1, defaults={"sealed": sealed, "created_at": clock.now()})
    row_macs.reset()
