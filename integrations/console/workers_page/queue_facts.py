"""How much work of each kind is due and under way, and how long the first of it has waited.

The database is the queue: a message goes to the broker only when a worker can begin soon (`core.dispatch`). So what is
due is counted in the rows, by their partial indexes, up to `MOST`; the broker has the few messages between the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Min, Q, QuerySet
from django.urls import NoReverseMatch, reverse

from integrations.core.celery_tasks import DEFAULT, URGENT
from integrations.core.models import BulkAction
from integrations.core.runs.querysets import QUEUED
from integrations.exports.models import Run as ExportRun
from integrations.jobs.define import JOBS
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule
from integrations.outbox.models import Run as OutboxRun
from integrations.quota.models import Parked
from integrations.sync.models import Plan, Run
from integrations.tenants.models import Installation
from integrations.tokens.models import Credential
from integrations.upserts.models import Run as UpsertRun
from integrations.webhooks.models import Mailbox

MOST = 10_000
SLOW, STUCK = 60.0, 300.0  # seconds that the first due row may wait


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One kind of work. `due` waits for a worker, `under_way` is leased by one; None where no row says so."""

    title: str
    queue: str
    due: int
    oldest: datetime | None
    under_way: int | None
    tone: str
    link: str

    @property
    def is_cut(self) -> bool:
        """Whether there are more due rows than are counted."""
        return self.due >= MOST


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the rows of one kind are found."""

    title: str
    queue: str
    column: str
    due: Callable[[datetime], QuerySet[Any]]
    leased: Callable[[datetime], QuerySet[Any]] | None
    link: str

    @property
    def permission(self) -> str:
        """That of the list: runs of outboxes have no list of their own."""
        room, model = self.link.split("_", 1)
        return f"{room}.view_{model}"


def queues(now: datetime, may: Callable[[str], bool]) -> list[QueueRow]:
    """All kinds of work whose lists the operator `may` see, urgent ones first."""
    return [_row(kind, now) for kind in _KINDS if may(kind.permission)]


def _row(kind: _Kind, now: datetime) -> QueueRow:
    due = kind.due(now).filter(**{f"{kind.column}__lte": now}).order_by()
    found = due[:MOST].count()
    oldest = due.aggregate(oldest=Min(kind.column))["oldest"] if found else None
    waits = (now - oldest).total_seconds() if oldest else 0.0
    tone = "bad" if waits > STUCK else "warn" if waits > SLOW else "good"
    leased = kind.leased(now)[:MOST].count() if kind.leased else None
    return QueueRow(kind.title, kind.queue, found, oldest, leased, tone, _list(kind.link))


def _idle(now: datetime) -> Q:
    """Without a lease. A lease of a message counts as none: no worker has begun."""
    return Q(lease_until__isnull=True) | Q(lease_until__lt=now)


def _runs(model: Any) -> tuple[Callable[[datetime], QuerySet[Any]], Callable[[datetime], QuerySet[Any]]]:
    """Runs that wait for a worker, and those that one has."""
    running = Q(status="running")

    def leased(now: datetime) -> QuerySet[Any]:
        held: QuerySet[Any] = model.objects.filter(running, lease_until__gte=now)
        return held.exclude(lease_owner__in=("", QUEUED))

    return lambda now: model.objects.filter(running & _idle(now)), leased


_KINDS = (
    _Kind(
        "Mailboxes with events",
        URGENT,
        "due_at",
        lambda now: Mailbox.objects.filter(_idle(now)),
        lambda now: Mailbox.objects.filter(lease_until__gte=now),
        "webhooks_mailbox",
    ),
    _Kind(
        "Token refreshes",
        URGENT,
        "refresh_due_at",
        lambda now: Credential.objects.filter(_idle(now), app__halted_at__isnull=True),
        lambda now: Credential.objects.filter(lease_until__gte=now),
        "tokens_credential",
    ),
    _Kind(
        "Agencies to compare with HighLevel",
        URGENT,
        "reconcile_due_at",
        lambda now: Installation.objects.all(),
        None,
        "tenants_installation",
    ),
    _Kind("Sync runs", DEFAULT, "due_at", *_runs(Run), "sync_run"),
    _Kind(
        "Syncs to start",
        DEFAULT,
        "due_at",
        lambda now: Plan.objects.filter(enabled=True).without_run(),
        None,
        "sync_plan",
    ),
    _Kind("Job runs", DEFAULT, "due_at", *_runs(JobRun), "jobs_run"),
    _Kind(
        "Jobs to start",
        DEFAULT,
        "due_at",
        lambda now: Schedule.objects.filter(enabled=True, job__in=JOBS).without_run(),
        None,
        "jobs_schedule",
    ),
    _Kind("Outboxes to send", DEFAULT, "due_at", *_runs(OutboxRun), "outbox_tenantoutbox"),
    _Kind("Bulk upserts to send", DEFAULT, "due_at", *_runs(UpsertRun), "upserts_upsert"),
    _Kind("Exports to write", DEFAULT, "due_at", *_runs(ExportRun), "exports_export"),
    _Kind(
        "Tasks that wait for quota",
        DEFAULT,
        "due_at",
        lambda now: Parked.objects.filter(state=Parked.State.WAITING),
        lambda now: Parked.objects.exclude(state=Parked.State.WAITING),
        "quota_parked",
    ),
    _Kind("Actions over many rows", DEFAULT, "due_at", lambda now: BulkAction.objects.all(), None, "core_bulkaction"),
)


def _list(name: str) -> str:
    try:
        return reverse(f"admin:{name}_changelist")
    except NoReverseMatch:
        return ""
