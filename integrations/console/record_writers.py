"""Finds the writes of jobs, outboxes and upserts that name a record, for its history: who of ours may have changed it.

The body of a settled row of an upsert is gone, but its record's id stays.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast
from django.urls import reverse

from integrations.jobs.models import Write
from integrations.outbox.models import Entry
from integrations.sync.history import shown
from integrations.sync.history.shown import Writer
from integrations.sync.models import Record
from integrations.upserts.models import UpsertRow

MOST = 100  # writes of each kind


def register() -> None:
    """Let the history of records name them. Called once at start-up."""
    if find not in shown.WRITERS:
        shown.WRITERS.append(find)


def find(record: Record, since: datetime, until: datetime) -> list[Writer]:
    """Writes to the record's tenant that were sent in this time and name the record, the oldest first."""
    ways = (_of_jobs, _of_outboxes, _of_upserts)
    return sorted((one for of in ways for one in of(record, since, until)), key=lambda one: one.at)


def _of_jobs(record: Record, since: datetime, until: datetime) -> list[Writer]:
    mine = Write.objects.filter(
        schedule__app=record.app_id, schedule__level=record.tenant.user_type, schedule__tenant_id=record.tenant.id
    )
    found = _naming(mine.filter(sent_at__range=(since, until)), record, "request", "answer")
    return [
        Writer(
            write.sent_at,
            f"job {write.schedule.job} called {write.operation}",
            reverse("admin:jobs_run_change", args=[write.run_id]) if write.run_id else "",
        )
        for write in found.select_related("schedule").order_by("pk")[:MOST]
    ]


def _of_outboxes(record: Record, since: datetime, until: datetime) -> list[Writer]:
    mine = Entry.objects.filter(
        outbox__app=record.app_id, outbox__level=record.tenant.user_type, outbox__tenant_id=record.tenant.id
    )
    found = _naming(mine.filter(sent_at__range=(since, until)), record, "params", "answer", "entity")
    return [
        Writer(
            entry.sent_at,
            f"the outbox called {entry.operation}",
            reverse("admin:outbox_entry_change", args=[entry.pk]),
        )
        for entry in found.order_by("pk")[:MOST]
        if entry.sent_at is not None
    ]


def _of_upserts(record: Record, since: datetime, until: datetime) -> list[Writer]:
    mine = UpsertRow.objects.filter(
        upsert__app=record.app_id, upsert__level=record.tenant.user_type, upsert__tenant_id=record.tenant.id
    )
    found = mine.filter(record_id=record.record_id, sent_at__range=(since, until)).select_related("upsert")
    return [
        Writer(
            row.sent_at,
            f"row {row.number} of {row.upsert} called {row.upsert.operation}",
            reverse("admin:upserts_upsertrow_change", args=[row.pk]),
        )
        for row in found.order_by("pk")[:MOST]
        if row.sent_at is not None
    ]


def _naming(rows: QuerySet[Any], record: Record, *columns: str) -> QuerySet[Any]:
    """The rows with the record's id in one of the columns, read as text."""
    named: QuerySet[Any] = rows.alias(**{f"{column}_text": Cast(column, CharField()) for column in columns})
    found = Q(pk__in=[])
    for column in columns:
        found |= Q(**{f"{column}_text__contains": record.record_id})
    return named.filter(found)
