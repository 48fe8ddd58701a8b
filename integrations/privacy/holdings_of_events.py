"""The part of the inventory about what HighLevel sends: webhooks, calls of modules, and what they subscribe to."""

from __future__ import annotations

from integrations.privacy import tenant_rows as rows
from integrations.privacy.holding import Holding

ALL: tuple[Holding, ...] = (
    Holding(
        model="modules.TriggerSubscription",
        title="subscriptions to triggers",
        rows=rows.trigger_subscriptions,
        tenant=("location_id",),
        other=("trigger_id", "workflow_id", "key", "filters", "target_url", "mac"),
    ),
    Holding(
        model="webhooks.FailedAttempt",
        title="failed attempts of webhooks",
        rows=rows.failed_attempts,
        personal=("error", "vendor_answer"),
        other=("error_code", "trace_id"),
    ),
    Holding(
        model="webhooks.Event",
        title="webhooks",
        rows=rows.events,
        personal=("payload", "error"),
        other=("webhook_id", "type", "error_code", "trace_parent", "mac"),
    ),
    Holding(
        model="webhooks.Mailbox",
        title="mailboxes",
        rows=rows.mailboxes,
        counted=rows.all_mailboxes,
        tenant=("tenant",),
        other=("lease_owner",),
    ),
)
