"""The data of the `status` command: apps, credential health, quota, sync and the inbox."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any

from integrations.console import queries
from integrations.core.errors import StoreUnavailable
from integrations.quota.permits import queries as quota
from integrations.sync import queries as sync
from integrations.tenants.models import App, Installation
from integrations.tokens.models import Credential
from integrations.webhooks import queries as webhooks

RESOURCES = 10  # rows shown of credentials in need and of quotas


def collect(now: datetime) -> dict[str, Any]:
    """Lists of rows by subject: JSON types and datetimes. `quota` is None when the quota store cannot be reached."""
    apps = list(App.objects.order_by("id"))
    return {
        "apps": [_app(app) for app in apps],
        "credentials": [_credentials(app) for app in apps],
        "in_need": [_in_need(row) for row in queries.credentials_in_need(now)[:RESOURCES]],
        "quota": _quota(),
        "sync": [{"app": app.name, **asdict(totals)} for app in apps for totals in sync.totals(app)],
        "inbox": _inbox(now),
    }


def _app(app: App) -> dict[str, Any]:
    installed = Installation.objects.installed().filter(app=app)
    return {
        "name": app.name,
        "client_id": app.client_id,
        "halted": app.halted_reason if app.halted_at else "",
        "companies": installed.companies().count(),
        "locations": installed.locations().count(),
        "pending": Installation.objects.pending().filter(app=app).count(),
        "unclaimed": installed.unclaimed().filter(parent__isnull=True).count(),
    }


def _credentials(app: App) -> dict[str, Any]:
    states = Counter(Credential.objects.filter(app=app).values_list("state", flat=True))
    return {"app": app.name, **{state.value: states[state.value] for state in Credential.State}}


def _inbox(now: datetime) -> dict[str, Any]:
    delays = webhooks.delays(now, shown=1)
    return {
        **asdict(webhooks.inbox(now)),
        "delay_median_seconds": round(delays.median),
        "delay_longest_seconds": round(delays.longest),
        "delay_longest_of": delays.slowest[0].tenant if delays.slowest else "",
        "tenants_not_installed": webhooks.not_installed(now),
    }


def _in_need(row: Credential) -> dict[str, Any]:
    return {
        "of": str(row.tenant),
        "state": row.state,
        "reason": row.reason or row.last_error,
        "trace_id": row.last_trace_id,
    }


def _quota() -> list[dict[str, Any]] | None:
    try:
        return [
            {
                "app": row.app.name,
                "of": str(row.tenant),
                **asdict(quota.snapshot(row.quota_app, row.resource_id)),
            }
            for row in queries.busiest(RESOURCES)
        ]
    except StoreUnavailable:
        return None
