"""Where failures are recorded, and how each is read: the sources of problems.

A source gives the rows that failed since a position, in order, and the failure of each. `moment` is the column with the
time of the failure, which an index serves; a source without one is read by the keys of its rows, which are never
changed. Both are bounded: a look reads a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Q, QuerySet

from integrations.core.pages import tenant_links
from integrations.exports.models import Run as ExportRun
from integrations.gateway.models import Call
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Trigger, Write
from integrations.outbox.models import Entry
from integrations.outbox.models import Run as OutboxRun
from integrations.problems.cause import RecordedFailure
from integrations.problems.models import FailureKind, ReadPosition
from integrations.sync.models import Run as SyncRun
from integrations.tokens.models import Credential
from integrations.upserts.models import Run as UpsertRun
from integrations.upserts.models import UpsertRow
from integrations.webhooks.models import Event, FailedAttempt

FURTHER = 3  # the number of an attempt that is no longer the beginning
SETTLE = timedelta(seconds=30)  # by then the transaction of a row has ended: those of workers and pages are shorter


@dataclass(frozen=True, slots=True)
class FailureSource:
    """One table with failures. `rows` are all of them, with what `failure` reads."""

    name: str
    rows: Callable[[], QuerySet[Any]]
    failure: Callable[[Any], RecordedFailure]
    moment: str = ""

    def since(self, position: ReadPosition, now: datetime, limit: int) -> list[Any]:
        """The next rows after the position whose transactions have ended."""
        if not self.moment:
            return list(self.rows().filter(pk__gt=position.row, pk__lte=position.until).order_by("pk")[:limit])
        column = self.moment
        later = Q(**{f"{column}__gt": position.at}) | Q(**{column: position.at, "pk__gt": position.row})
        bounds = {f"{column}__gte": position.at, f"{column}__lte": now - SETTLE}  # what the index is searched by
        return list(self.rows().filter(later, **bounds).order_by(column, "pk")[:limit])

    def move(self, position: ReadPosition, row: Any) -> None:
        """Note that everything up to this row was read."""
        position.row = row.pk
        if self.moment:
            position.at = getattr(row, self.moment)

    def look_ahead(self, position: ReadPosition, now: datetime) -> None:
        """Note the newest key there is, and trust the one that was noted long enough ago."""
        if not self.moment and now - position.ahead_at >= SETTLE:
            newest = self.rows().model._default_manager.order_by().aggregate(newest=Max("pk"))["newest"]  # noqa: SLF001
            position.until, position.ahead, position.ahead_at = position.ahead, newest or 0, now


def _call(call: Call) -> RecordedFailure:
    kind, moment = FailureKind.CALL, call.at
    words = call.message.removesuffix(f" (trace id {call.trace_id})")
    return RecordedFailure(
        kind,
        call.operation,
        call.code,
        words,
        call.resource_id,
        moment,
        call.pk,
        call.status,
        call.trace_id,
        call.app_id,
    )


def of_event(event: Event) -> RecordedFailure:
    """The last failure of an event."""
    at = event.processed_at or event.due_at
    return _of_event(event, event.error_code, event.error, at)


def _attempt(attempt: FailedAttempt) -> RecordedFailure:
    return _of_event(attempt.event, attempt.error_code, attempt.error, attempt.at, attempt.trace_id)


def _of_event(event: Event, code: str, words: str, at: datetime, trace_id: str = "") -> RecordedFailure:
    tenant_id, app_id = _tenant_of(event), event.app_id
    return RecordedFailure(
        FailureKind.EVENT, event.type, code, words, tenant_id, at, event.pk, trace_id=trace_id, app_id=app_id
    )


def _tenant_of(event: Event) -> str:
    tenant = tenant_links.named(event.mailbox.tenant)
    return tenant.id if tenant else ""


def _run(kind: FailureKind, subject: str, tenant_id: str, run: Any, app_id: int) -> RecordedFailure:
    at, trace_id = run.finished_at or run.started_at, run.trace_id
    return RecordedFailure(
        kind, subject, run.error_code, run.error, tenant_id, at, run.pk, trace_id=trace_id, app_id=app_id
    )


def of_sync_run(run: SyncRun) -> RecordedFailure:
    """The failure of a sync run."""
    return _run(FailureKind.SYNC, run.plan.resource, run.plan.location_id, run, run.plan.app_id)


def of_job_run(run: JobRun) -> RecordedFailure:
    """The failure of a job's run."""
    return _run(FailureKind.JOB, run.schedule.job, run.schedule.tenant_id, run, run.schedule.app_id)


def _outbox_run(run: OutboxRun) -> RecordedFailure:
    return _run(FailureKind.OUTBOX, "sending", run.outbox.tenant_id, run, run.outbox.app_id)


def of_trigger(trigger: Trigger) -> RecordedFailure:
    """Why an event was set aside for a job."""
    schedule, at = trigger.schedule, trigger.set_aside_at
    assert at is not None, "a row of this source was set aside"
    code, words, tenant_id, app_id = trigger.error_code, trigger.error, schedule.tenant_id, schedule.app_id
    return RecordedFailure(FailureKind.JOB_EVENT, schedule.job, code, words, tenant_id, at, trigger.pk, app_id=app_id)


def of_credential(row: Credential) -> RecordedFailure:
    """The last failure of a credential's refresh."""
    at = row.last_error_at or row.created_at
    subject, code = f"{row.get_kind_display()} of a {row.user_type.lower()}", row.last_error_code
    trace_id, app_id = row.last_trace_id[:64], row.app_id
    return RecordedFailure(
        FailureKind.CREDENTIAL, subject, code, row.last_error, row.resource_id, at, row.pk, None, trace_id, app_id
    )


def of_entry(entry: Entry) -> RecordedFailure:
    """Why an entry of an outbox is not sent."""
    conflict = entry.state == Entry.State.CONFLICT and entry.found is None
    at = entry.created_at if conflict else entry.settled_at or entry.created_at
    code = "conflict" if conflict else entry.error_code
    words = "another entry with this key asks for something else" if conflict else entry.error
    tenant_id, app_id = entry.outbox.tenant_id, entry.outbox.app_id
    return RecordedFailure(
        FailureKind.ENTRY, entry.operation, code, words, tenant_id, at, entry.pk, None, entry.trace_id, app_id
    )


def _write(write: Write) -> RecordedFailure:
    at = write.settled_at or write.sent_at
    tenant_id, app_id, code = write.schedule.tenant_id, write.schedule.app_id, "fate_unknown"
    return RecordedFailure(
        FailureKind.WRITE, write.operation, code, write.reason, tenant_id, at, write.pk, app_id=app_id
    )


def _export_run(run: ExportRun) -> RecordedFailure:
    """The row is the export: a run has no page."""
    failed = _run(FailureKind.EXPORT, run.export.form, "", run, run.export.app_id)
    return replace(failed, row=run.export_id)


def _upsert_run(run: UpsertRun) -> RecordedFailure:
    """The row is the upsert: a run has no page."""
    failed = _run(FailureKind.UPSERT, run.upsert.operation, run.upsert.tenant_id, run, run.upsert.app_id)
    return replace(failed, row=run.upsert_id)


def _upsert_row(row: UpsertRow) -> RecordedFailure:
    at, upsert = row.settled_at or row.sent_at, row.upsert
    assert at is not None, "a row of this source was sent"
    words, tenant_id = row.error, upsert.tenant_id
    kind, code = FailureKind.UPSERT_ROW, "fate_unknown"
    return RecordedFailure(
        kind, upsert.operation, code, words, tenant_id, at, row.pk, None, row.trace_id, upsert.app_id
    )


def set_aside() -> QuerySet[Trigger]:
    """Events on which a job failed."""
    return Trigger.objects.set_aside().select_related("schedule")


def failed_attempts() -> QuerySet[FailedAttempt]:
    """The last attempts of events that stepped aside, and further attempts that failed: many a first one has to wait
    for what its event came before.
    """
    told = FailedAttempt.objects.filter(Q(next_at=None) | Q(number__gte=FURTHER))
    return told.select_related("event__mailbox").defer("event__payload")


def failed_sync_runs() -> QuerySet[SyncRun]:
    """Sync runs that failed."""
    return SyncRun.objects.filter(status=SyncRun.Status.FAILED).select_related("plan")


def failed_job_runs() -> QuerySet[JobRun]:
    """Runs of jobs that failed."""
    return JobRun.objects.filter(status=JobRun.Status.FAILED).select_related("schedule")


def held_entries() -> QuerySet[Entry]:
    """Entries that an operator has to decide about."""
    decided = Q(state__in=(Entry.State.REJECTED, Entry.State.UNKNOWN))
    changed = Q(state=Entry.State.CONFLICT, found__isnull=False)
    return Entry.objects.filter(decided | changed).select_related("outbox")


def conflicts() -> QuerySet[Entry]:
    """Entries whose key another entry has."""
    return Entry.objects.filter(state=Entry.State.CONFLICT, found__isnull=True).select_related("outbox")


SOURCES: tuple[FailureSource, ...] = (
    FailureSource("calls", lambda: Call.objects.exclude(code="").defer("body", "response", "query"), _call),
    FailureSource(
        "attempts of events",
        failed_attempts,
        _attempt,
    ),
    FailureSource("sync runs", failed_sync_runs, of_sync_run, "finished_at"),
    FailureSource("job runs", failed_job_runs, of_job_run, "finished_at"),
    FailureSource(
        "outbox runs",
        lambda: OutboxRun.objects.filter(status=OutboxRun.Status.FAILED).select_related("outbox"),
        _outbox_run,
        "finished_at",
    ),
    FailureSource("events set aside", set_aside, of_trigger, "set_aside_at"),
    FailureSource(
        "credentials", lambda: Credential.objects.exclude(last_error_code=""), of_credential, "last_error_at"
    ),
    FailureSource("outbox entries", held_entries, of_entry, "settled_at"),
    FailureSource("outbox conflicts", conflicts, of_entry),
    FailureSource("unknown writes", lambda: Write.objects.unknown().select_related("schedule"), _write, "settled_at"),
    FailureSource(
        "export runs",
        lambda: ExportRun.objects.filter(status=ExportRun.Status.FAILED).select_related("export"),
        _export_run,
        "finished_at",
    ),
    FailureSource(
        "upsert runs",
        lambda: UpsertRun.objects.filter(status=UpsertRun.Status.FAILED).select_related("upsert"),
        _upsert_run,
        "finished_at",
    ),
    FailureSource(
        "unknown upsert rows",
        lambda: UpsertRow.objects.filter(state=UpsertRow.State.UNKNOWN).select_related("upsert"),
        _upsert_row,
        "settled_at",
    ),
)
