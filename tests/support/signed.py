"""Gives rows the MACs that the application would give them, for a test that sets a scene by an UPDATE."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from integrations.core import clock
from integrations.core.secret import Secret
from integrations.jobs import macs, run_mac
from integrations.jobs.models import JobState, Run, Schedule, Trigger, Write
from integrations.modules import subscription_mac
from integrations.modules.models import TriggerSubscription
from integrations.outbox import outbox_pauses
from integrations.outbox.models import TenantOutbox
from integrations.privacy import purge_mac
from integrations.privacy.models import Purge
from integrations.sync import models as sync
from integrations.sync.signed import choice_macs, plan_macs
from integrations.sync.tables import sync_run_mac
from integrations.tenants import change_mac
from integrations.tenants.installation_change import InstallationChange
from integrations.vault import row_macs
from integrations.vault.models import RowMacKey
from integrations.vault.seal import seal
from integrations.webhooks import event_mac
from integrations.webhooks.models import Event


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


def plan_columns(row: sync.Plan) -> dict[str, Any]:
    plan_macs.signed(row)
    return {"mac": row.mac, "due_mac": row.due_mac}


def sync_run_columns(row: sync.Run) -> dict[str, Any]:
    digest = sync_run_mac.digest(row.checkpoint)
    return {"mac": row_macs.mac(sync_run_mac.of(row.plan_id, row.started_at, row.kind, row.status, digest))}


def choice_columns(row: sync.ResourceChoice) -> dict[str, Any]:
    return {"mac": choice_macs.signed(row).mac}


def variant_columns(row: sync.ChosenVariant) -> dict[str, Any]:
    return {"mac": choice_macs.variant_mac(row)}


def adaptive_columns(row: sync.AdaptiveChoice) -> dict[str, Any]:
    return {"mac": choice_macs.adaptive_mac(row.app_id, {name: getattr(row, name) for name in choice_macs.BOUNDS})}


def event_columns(row: Event) -> dict[str, Any]:
    event_mac.sign([row])
    return {"mac": Event.objects.values_list("mac", flat=True).get(pk=row.pk)}


def change_columns(row: InstallationChange) -> dict[str, Any]:
    return {"mac": change_mac.of(row)}


def state_columns(row: JobState) -> dict[str, Any]:
    return {"mac": macs.signed_state(row).mac}


def outbox_columns(row: TenantOutbox) -> dict[str, Any]:
    return {"mac": outbox_pauses.signed(row).mac}


def subscription_columns(row: TriggerSubscription) -> dict[str, Any]:
    return {"mac": subscription_mac.signed(row).mac}


def purge_columns(row: Purge) -> dict[str, Any]:
    return {"mac": purge_mac.of(row)}


MACS: dict[Any, Callable[[Any], dict[str, Any]]] = {
    Schedule: schedule_macs,
    Run: run_macs,
    Trigger: trigger_macs,
    Write: write_macs,
    Event: event_columns,
    InstallationChange: change_columns,
    JobState: state_columns,
    TenantOutbox: outbox_columns,
    Purge: purge_columns,
    TriggerSubscription: subscription_columns,
    sync.Plan: plan_columns,
    sync.Run: sync_run_columns,
    sync.ResourceChoice: choice_columns,
    sync.AdaptiveChoice: adaptive_columns,
    sync.ChosenVariant: variant_columns,
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
