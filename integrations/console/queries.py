"""Counts and short lists over all rooms, for the dashboard, `status` and the metrics.

They are queried often (every scrape, every open page), so none may scan a big table. Events are counted through their
partial index. More than a million records are not counted: the planner's estimate is returned and marked as one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, F, Model, QuerySet

from integrations.core.runs.models import NOT_COMPLETE
from integrations.core.tenant import UserType
from integrations.gateway.models import Call
from integrations.jobs import queries as jobs
from integrations.quota.pages import spending
from integrations.sync.models import Record, Run
from integrations.tenants.models import Installation
from integrations.tokens.admin_pages.attention_filter import needs_attention
from integrations.tokens.models import Credential
from integrations.webhooks.models import Event

_COUNT_EXACTLY_BELOW = 1_000_000
_HISTORY = timedelta(days=7)
# The kinds of failures, each with the permission to see them.
FAILURES = {
    "credentials": "tokens.view_credential",
    "syncs": "sync.view_run",
    "jobs": "jobs.view_run",
    "events": "webhooks.view_event",
}
MOST_CALLS = 1_000  # failed calls are counted up to this number


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed credential, run, job or event: `row` is the failed row, `tenant_id` its company or location.

    `trace_id` is what the vendor's support asks for.
    """

    at: datetime
    row: Model
    what: str
    tenant_id: str
    code: str
    why: str
    trace_id: str = ""


def installations() -> list[dict[str, Any]]:
    """Installations counted by app and status: rows of app_name (client id), user_type, status, found."""
    rows = Installation.objects.values("user_type", "status", app_name=F("app__client_id"))
    return [dict(row) for row in rows.annotate(found=Count("id")).order_by("app_name", "user_type", "status")]


def installed(user_type: UserType) -> int:
    """How many companies or locations have an app installed."""
    return Installation.objects.installed().filter(user_type=user_type).count()


def unclaimed() -> int:
    """How many installations are unclaimed; locations of a bulk install are not counted."""
    return Installation.objects.installed().unclaimed().filter(parent__isnull=True).count()


def pending() -> int:
    """How many installations have no token yet."""
    return Installation.objects.pending().count()


def braked() -> int:
    """How many companies have locations that vanished from the vendor's list, about which an operator decides."""
    return Installation.objects.braked().count()


def credentials() -> list[dict[str, Any]]:
    """Credentials counted by app and state: rows of app_name (client id), user_type, state, found."""
    rows = Credential.objects.values("user_type", "state", app_name=F("app__client_id"))
    return [dict(row) for row in rows.annotate(found=Count("id")).order_by("app_name", "user_type", "state")]


def credentials_in_need(now: datetime) -> QuerySet[Credential]:
    """Credentials that are suspended, expired or need a reconnect."""
    return Credential.objects.filter(needs_attention(now)).order_by("state", "resource_id")


def runs() -> list[dict[str, Any]]:
    """Sync runs counted by resource and status: rows of resource, status, found. Complete runs are not counted."""
    rows = Run.objects.filter(status__in=NOT_COMPLETE).values("status", resource=F("plan__resource"))
    return [dict(row) for row in rows.annotate(found=Count("id")).order_by("resource", "status")]


def running(limit: int) -> list[Run]:
    """Sync runs under way, oldest first, with their plans and apps."""
    found = Run.objects.filter(status=Run.Status.RUNNING).select_related("plan", "plan__app")
    return list(found.order_by("started_at")[:limit])


def running_count() -> int:
    """How many sync runs are under way."""
    return Run.objects.filter(status=Run.Status.RUNNING).count()


def records() -> tuple[int, bool]:
    """The number of synced records, and whether it is exact."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [_table(Record)])
        row = cursor.fetchone()
    estimate = int(row[0]) if row else -1
    if estimate >= _COUNT_EXACTLY_BELOW:
        return estimate, False
    return Record.objects.filter(deleted_at__isnull=True).count(), True


def busiest(limit: int) -> list[Installation]:
    """The installations that likely use the API most at the moment, with their apps.

    First tenants with tasks that wait for quota, because it may be used up, then locations with runs, then companies.
    """
    found = {row.pk: row for row in _with_parked_tasks(limit)}
    runs = Run.objects.order_by("-pk").values_list("plan__app_id", "plan__location_id")[: limit * 8]
    tenants = list(dict.fromkeys(runs))
    rows = Installation.objects.select_related("app").filter(resource_id__in=[location for _, location in tenants])
    known = {(row.app_id, row.resource_id): row for row in rows}
    found |= {known[key].pk: known[key] for key in tenants if key in known}
    others = Installation.objects.installed().select_related("app").order_by("user_type", "-status_at")
    for row in others[:limit]:
        found.setdefault(row.pk, row)
    return list(found.values())[:limit]


def _with_parked_tasks(limit: int) -> list[Installation]:
    keys = spending.resources_waiting(limit)
    rows = Installation.objects.filter(resource_id__in=[key.partition(":")[2] for key in keys]).select_related("app")
    known = {row.tenant.quota_key(row.quota_app): row for row in rows}
    return [known[key] for key in keys if key in known]


def failures(limit: int, now: datetime, kinds: Collection[str] = tuple(FAILURES)) -> list[Failure]:
    """The latest failures of the last seven days, newest first, of these kinds: all, unless given."""
    found: list[Failure] = []
    found += _failed_credentials(limit) if "credentials" in kinds else []
    found += _failed_runs(limit, now) if "syncs" in kinds else []
    found += _failed_jobs(limit, now) if "jobs" in kinds else []
    found += _poisoned_events(limit, now) if "events" in kinds else []
    return sorted(found, key=lambda failure: failure.at, reverse=True)[:limit]


def failed_calls(now: datetime) -> int:
    """How many of the stored API calls of the last seven days failed; counting stops at `MOST_CALLS`."""
    return Call.objects.filter(at__gt=now - _HISTORY).exclude(code="")[:MOST_CALLS].count()


def _failed_credentials(limit: int) -> list[Failure]:
    rows = Credential.objects.exclude(last_error_code="").filter(failures__gt=0)
    return [
        Failure(
            at=row.intent_at or row.refreshed_at or row.created_at,
            row=row,
            what="credential",
            tenant_id=row.resource_id,
            code=row.last_error_code,
            why=row.last_error,
            trace_id=row.last_trace_id,
        )
        for row in rows.order_by(F("intent_at").desc(nulls_last=True))[:limit]
    ]


def _failed_runs(limit: int, now: datetime) -> list[Failure]:
    rows = Run.objects.filter(status=Run.Status.FAILED, finished_at__gt=now - _HISTORY).select_related("plan")
    return [
        Failure(
            at=row.finished_at or row.started_at,
            row=row,
            what=f"sync of {row.plan.resource.replace('_', ' ')}",
            tenant_id=row.plan.location_id,
            code=row.error_code,
            why=row.error,
            trace_id=row.trace_id,
        )
        for row in rows.order_by("-finished_at")[:limit]
    ]


def _failed_jobs(limit: int, now: datetime) -> list[Failure]:
    return [
        Failure(
            at=row.finished_at or row.started_at,
            row=row,
            what=f"job {row.schedule.job}",
            tenant_id=row.schedule.tenant_id,
            code=row.error_code,
            why=row.error,
            trace_id=row.trace_id,
        )
        for row in jobs.failed(limit, now, within=_HISTORY)
    ]


def _poisoned_events(limit: int, now: datetime) -> list[Failure]:
    rows = Event.objects.filter(status=Event.Status.POISONED, received_at__gt=now - _HISTORY)
    return [
        Failure(
            at=row.processed_at or row.received_at,
            row=row,
            what=f"event {row.type}",
            tenant_id=row.mailbox.tenant.rpartition(":")[2],
            code=row.error_code,
            why=row.error,
        )
        for row in rows.select_related("mailbox").order_by("-received_at")[:limit]
    ]


def _table(model: type[Record]) -> str:
    return str(model._meta.db_table)  # noqa: SLF001 - Django's public way to a table's name
