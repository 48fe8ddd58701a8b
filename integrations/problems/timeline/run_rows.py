"""Runs of jobs, syncs and outboxes in a timeline, with the writes of jobs and the entries of outboxes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Model, Q

from integrations.core.runs import current_run
from integrations.core.runs.models import AbstractRun
from integrations.gateway.models import Call
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Write
from integrations.outbox.models import Entry
from integrations.outbox.models import Run as OutboxRun
from integrations.problems.timeline.timeline_moments import Moment, Ref, page_of, ref_of
from integrations.sync.models import Run as SyncRun
from integrations.upserts.models import Upsert

MOST_CALLS = 100  # of the runs that are looked at together
MOST_UPSERTS = 25
_TONES = {"running": "", "complete": "good", "failed": "bad", "cancelled": "", "unknown": "bad"}


def load_job_runs(pks: Collection[int]) -> list[JobRun]:
    """Runs of jobs."""
    return list(JobRun.objects.filter(pk__in=pks).select_related("schedule").defer("page", "checkpoint"))


def load_sync_runs(pks: Collection[int]) -> list[SyncRun]:
    """Sync runs."""
    return list(SyncRun.objects.filter(pk__in=pks).select_related("plan").defer("checkpoint"))


def load_outbox_runs(pks: Collection[int]) -> list[OutboxRun]:
    """Runs of outboxes."""
    return list(OutboxRun.objects.filter(pk__in=pks).select_related("outbox"))


def job_moments(run: JobRun, now: datetime) -> Iterator[Moment]:
    """Its start and its end."""
    title = f"Job {run.schedule.job}, run {run.pk}"
    yield from run_moments(run, Ref("job", run.pk), title, run.schedule.tenant_id, page_of("jobs_run", run.pk))


def sync_moments(run: SyncRun, now: datetime) -> Iterator[Moment]:
    """Its start and its end."""
    title = f"Sync of {run.plan.resource.replace('_', ' ')}, run {run.pk}"
    yield from run_moments(run, Ref("sync", run.pk), title, run.plan.location_id, page_of("sync_run", run.pk))


def outbox_moments(run: OutboxRun, now: datetime) -> Iterator[Moment]:
    """Its start and its end."""
    title, url = f"Outbox, run {run.pk}", page_of("outbox_tenantoutbox", run.outbox_id)
    yield from run_moments(run, Ref("outbox", run.pk), title, run.outbox.tenant_id, url)


def run_moments(run: AbstractRun, ref: Ref, title: str, tenant_id: str, url: str) -> Iterator[Moment]:
    """The start and the end of a run of any room, or when it tries again."""
    more: dict[str, Any] = {"tenant_id": tenant_id, "url": url}
    yield Moment(run.started_at, ref, title, "began", **more)
    if run.finished_at is not None:
        what, tone = run.get_status_display(), _TONES[run.status]
        yield Moment(run.finished_at, ref, title, what, run.error, tone, trace_id=run.trace_id, **more)
    elif run.error_code:
        words = f"failure {run.attempts} in a row: {run.error}"
        yield Moment(run.due_at, ref, title, "tries again", words, "warn", trace_id=run.trace_id, **more)


def up_from_job(runs: Sequence[JobRun]) -> Iterator[Ref]:
    """The events that they saw."""
    yield from (Ref("event", pk) for run in runs for pk in run.events)


def down_from_job(runs: Sequence[JobRun]) -> Iterator[Ref]:
    """Their calls, writes, the outbox entries that they put, and the bulk upserts that they prepared."""
    yield from calls_of(runs)
    yield from entries_of(runs)
    writes = Write.objects.filter(run__in=[run.pk for run in runs]).order_by("pk")
    yield from (Ref("write", pk) for pk in writes.values_list("pk", flat=True)[:MOST_CALLS])
    # Without the second condition the partial index is not used.
    upserts = Upsert.objects.filter(made_in__in=[current_run.name_of(run) for run in runs]).exclude(made_in="")
    yield from (Ref("upsert", pk) for pk in upserts.order_by("pk").values_list("pk", flat=True)[:MOST_UPSERTS])


def calls_of(runs: Sequence[AbstractRun]) -> Iterator[Ref]:
    """The kept calls of these runs, and those with their trace ids."""
    yield from _calls(Q(run__in=[current_run.name_of(run) for run in runs]))
    yield from calls_with({run.trace_id for run in runs} - {""})


def calls_with(trace_ids: Collection[str]) -> Iterator[Ref]:
    """The kept calls with one of these trace ids."""
    if trace_ids:
        yield from _calls(Q(trace_id__in=trace_ids))


def _calls(wanted: Q) -> Iterator[Ref]:
    found = Call.objects.filter(wanted).order_by("-pk").values_list("pk", flat=True)[:MOST_CALLS]
    yield from (Ref("call", pk) for pk in found)


def load_writes(pks: Collection[int]) -> list[Write]:
    """Writes of jobs."""
    return list(Write.objects.filter(pk__in=pks).select_related("schedule", "trigger").defer("request", "answer"))


def write_moments(write: Write, now: datetime) -> Iterator[Moment]:
    """When it was sent, and when it was settled."""
    ref, title = Ref("write", write.pk), f"Write {write.operation}"
    more: dict[str, Any] = {"tenant_id": write.schedule.tenant_id, "url": page_of("jobs_write", write.pk)}
    yield Moment(write.sent_at, ref, title, "was sent", **more)
    if write.settled_at is not None:
        unknown = write.state == Write.State.UNKNOWN
        what = "whether it happened is unknown" if unknown else "was answered"
        yield Moment(write.settled_at, ref, title, what, write.reason, "bad" if unknown else "good", **more)


def up_from_write(writes: Sequence[Write]) -> Iterator[Ref]:
    """Their runs, and the events for which they were sent."""
    for write in writes:
        if write.run_id:
            yield Ref("job", write.run_id)
        if write.trigger is not None and write.trigger.event_id:
            yield Ref("event", write.trigger.event_id)


def load_entries(pks: Collection[int]) -> list[Entry]:
    """Entries of outboxes."""
    return list(Entry.objects.filter(pk__in=pks).select_related("outbox").defer("params", "body", "answer"))


def entry_moments(entry: Entry, now: datetime) -> Iterator[Moment]:
    """When it was put, sent and settled."""
    ref, title = Ref("entry", entry.pk), f"Outbox entry {entry.operation}"
    more: dict[str, Any] = {"tenant_id": entry.outbox.tenant_id, "url": page_of("outbox_entry", entry.pk)}
    yield Moment(entry.created_at, ref, title, "was put", **more)
    if entry.sent_at is not None:
        yield Moment(entry.sent_at, ref, title, "was sent", **more)
    if entry.settled_at is not None:
        tone = "good" if entry.state == Entry.State.DONE else "bad"
        more["trace_id"] = entry.trace_id
        yield Moment(entry.settled_at, ref, title, entry.get_state_display(), entry.error, tone, **more)


def up_from_entry(entries: Sequence[Entry]) -> Iterator[Ref]:
    """The runs and webhooks that put them."""
    yield from (ref for entry in entries if (ref := ref_of(entry.put_in)))


def entries_of(rows: Sequence[Model]) -> Iterator[Ref]:
    """The outbox entries that these runs or webhooks put."""
    # Without the second condition the partial index is not used.
    found = Entry.objects.filter(put_in__in=[current_run.name_of(row) for row in rows]).exclude(put_in="")
    yield from (Ref("entry", pk) for pk in found.order_by("pk").values_list("pk", flat=True)[:MOST_CALLS])


def down_from_entry(entries: Sequence[Entry]) -> Iterator[Ref]:
    """The kept calls with their trace ids."""
    yield from calls_with({entry.trace_id for entry in entries} - {""})
