"""Django admin of jobs, their runs and schedules: progress, failures, and what operators can do.

Every action leaves an audit entry with the name of the operator.
"""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from integrations.core import audit, cells, clock, masking
from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.core.filters import ColumnValueLinksFilter
from integrations.core.runs import run_progress
from integrations.gateway.support.panel import SupportedRuns
from integrations.gateway.support.refused_call import RefusedCall
from integrations.jobs import macs, pausing, queries, runs, schedules
from integrations.jobs import set_aside_admin as set_aside_admin  # Django finds the events set aside here
from integrations.jobs.define import JOBS
from integrations.jobs.models import JobState, Run, Schedule, Trigger
from integrations.jobs.write_admin import DecidesWritesOfRuns
from integrations.tenants.names import TenantNames
from integrations.vault.misfit_admin import DiscardsMisfits

_STATUS = {"running": "info", "complete": "success", "failed": "danger", "cancelled": "default", "again": "warning"}
_STATUS["unknown"] = "danger"
_NAMED_IN_AUDIT = 100


@admin.register(Run)
class RunAdmin(TenantNames, DecidesWritesOfRuns, DiscardsMisfits, SupportedRuns):
    """Job runs, newest first: run again, resume, cancel, the two decisions over a write, discard what is not ours."""

    personal = {**Run.PERSONAL, "note": masking.text}
    is_live = True
    tenant_id_path = "schedule__tenant_id"
    list_display = ("job", "tenant_heading", "status_label", "progress_bar", "result", "run_times")
    list_filter = ("status", "schedule__job", "schedule__app", ("error_code", ColumnValueLinksFilter), "started_at")
    sortable_by = ()  # no index serves another order of millions of rows
    list_select_related = ("schedule__app",)
    search_fields = ("=schedule__tenant_id", "=trace_id", "schedule__job")
    search_help_text = "A tenant's name or whole id, a trace id, or a job"
    ordering = ("-pk",)
    actions = ("run_again", "resume", "cancel", "it_happened", "it_did_not_happen", "discard")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "job",
                    ("tenant_link", "tenant_id"),
                    ("status", "progress_bar"),
                    "result",
                    ("started_at", "finished_at"),
                )
            },
        ),
        ("Error", {"fields": (("error_code", "attempts"), "unknown_write", "trace_id", "answer", "what_to_do")}),
        ("Work", {"fields": (("turns", "due_at"), ("lease_owner", "lease_until"), "checkpoint_json")}),
    )
    readonly_fields = (
        *("job", "tenant_link", "tenant_id", "progress_bar", "result"),
        *("unknown_write", "answer", "what_to_do", "checkpoint_json"),
    )

    def applies_to(self, row: Run, action: str) -> bool:
        """A run under way can be cancelled, one that stopped over a write is decided, one that ended can be resumed."""
        running, unknown = row.status == Run.Status.RUNNING, row.status == Run.Status.UNKNOWN
        if action == "discard":
            return super().applies_to(row, action)
        if action in ("it_happened", "it_did_not_happen"):
            return unknown
        stopped = not running and not unknown
        return {"cancel": not stopped, "resume": stopped and row.status != Run.Status.COMPLETE}.get(action, stopped)

    def refused_call(self, run: Run) -> RefusedCall:
        """The call that failed the run."""
        return queries.refused_call(run)

    @display(description="HighLevel's answer, redacted")
    def answer(self, run: Run) -> SafeString | str:
        """What the vendor answered, as indented JSON."""
        return cells.json_text(run.vendor_answer)

    @display(description="job", ordering="schedule__job")
    def job(self, run: Run) -> str:
        """The name of the job."""
        return run.schedule.job

    @display(description="tenant's id")
    def tenant_id(self, run: Run) -> str:
        """The id of the company or location."""
        return run.schedule.tenant_id

    @display(description="status", ordering="status", label=_STATUS)
    def status_label(self, run: Run) -> tuple[str, str]:
        """The status as a label, which shows a running run that had failures."""
        if run.status == Run.Status.RUNNING and run.error_code:
            return "again", f"{run.attempts}. failure, tries again"
        return run.status, run.get_status_display()

    @display(description="progress")
    def progress_bar(self, run: Run) -> SafeString | str:
        """The progress bar."""
        note = run_progress.words(run, run.done, run.total, clock.now())
        return cells.progress(run.done, run.total, complete=run.status == Run.Status.COMPLETE, note=note)

    @display(description="result")
    def result(self, run: Run) -> SafeString | str:
        """The outcome and the error of the run."""
        words = "; ".join(filter(None, [queries.outcome(run), run.error]))
        return cells.long_text(words, trouble=bool(run.error) and run.status != Run.Status.CANCELLED)

    @display(description="when", ordering="started_at")
    def run_times(self, run: Run) -> SafeString:
        """Start and duration."""
        return cells.run_times(run.started_at, run.finished_at, clock.now())

    @display(description="checkpoint")
    def checkpoint_json(self, run: Run) -> SafeString:
        """The checkpoint as JSON."""
        return format_html("<pre>{}</pre>", json.dumps(run.checkpoint, indent=2, ensure_ascii=False))

    @action(description="Run again, from the start", permissions=["operate"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Make the schedules of these runs due now; each run starts from the beginning."""
        wanted = Schedule.objects.filter(pk__in=queryset.values("schedule"), job__in=JOBS)
        _run_now(self, request, wanted)

    @action(description="Resume where it stopped", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Continue failed and cancelled runs at their checkpoints."""
        now = clock.now()
        resumed = [run.pk for run in queryset if schedules.resume(run, now)]
        audit.record("job.resumed", actor=operator(request), subject="job runs", runs=resumed[:_NAMED_IN_AUDIT])
        self.message_user(request, f"{len(resumed)} runs continue at their checkpoints.", messages.SUCCESS)
        if len(resumed) < queryset.count():
            self.message_user(
                request,
                "Complete runs, those that wait for a decision, and those with a successor were not resumed.",
                messages.WARNING,
            )

    @action(description="Cancel", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Cancel the runs that have not ended."""
        stopped = runs.cancel(queryset, clock.now(), reason=f"by {operator(request)}")
        audit.record("job.cancelled", actor=operator(request), subject="job runs", runs=stopped[:_NAMED_IN_AUDIT])
        self.message_user(request, f"{len(stopped)} runs were cancelled.", messages.SUCCESS)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may use the actions."""
        return request.user.has_perm("jobs.change_run")


@admin.register(Schedule)
class ScheduleAdmin(TenantNames, DiscardsMisfits):
    """Schedules by job and tenant, with the actions run now, switch on and switch off."""

    tenant_id_path = "tenant_id"
    list_display = ("job", "tenant_heading", "app", "enabled_label", "due_at", "since", "waiting")
    list_filter = ("job", "enabled", "app", "level")
    list_select_related = ("app",)
    search_fields = ("=tenant_id", "job")
    search_help_text = "A tenant's name or whole id, or a job"
    ordering = ("job", "tenant_id")
    actions = ("run_at_once", "switch_on", "switch_off", "discard")
    fields = (
        ("job", "app"),
        ("tenant_link", "level", "tenant_id"),
        ("enabled", "due_at"),
        ("since", "created_at"),
        "waiting",
    )
    readonly_fields = ("tenant_link", "waiting")

    def applies_to(self, row: Schedule, action: str) -> bool:
        """A schedule is switched on or off, whichever it is not, and discarded if another program wrote it."""
        if action == "discard" or (action == "switch_on" and not row.enabled):
            return super().applies_to(row, action)
        return {"switch_on": False, "switch_off": row.enabled}.get(action, row.job in JOBS)

    @display(description="on", boolean=True, ordering="enabled")
    def enabled_label(self, schedule: Schedule) -> bool:
        """Whether the schedule is enabled."""
        return schedule.enabled

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        """Adds the number of waiting events. A subquery counts them for the rows of one page; a join would read every
        trigger.
        """
        queryset: QuerySet[Schedule] = super().get_queryset(request)
        mine = Trigger.objects.waiting().filter(schedule=OuterRef("pk")).order_by()
        found = mine.values("schedule").annotate(found=Count("pk")).values("found")
        return queryset.annotate(found=Coalesce(Subquery(found), 0))

    @display(description="events waiting")
    def waiting(self, schedule: Any) -> int:
        """The number of events that the job has not seen."""
        return int(schedule.found)

    @action(description="Run now", permissions=["operate"])
    def run_at_once(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        """Make the schedules due now."""
        _run_now(self, request, queryset.filter(job__in=JOBS))

    @action(description="Switch on", permissions=["operate"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        """Enable the schedules."""
        self._switch(request, queryset, enabled=True)

    @action(description="Switch off", permissions=["operate"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        """Disable the schedules; runs under way continue."""
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Schedule], *, enabled: bool) -> None:
        ids = schedules.switch(queryset, enabled=enabled)
        word = "on" if enabled else "off"
        audit.record(
            f"job.switched_{word}", actor=operator(request), subject="job schedules", schedules=ids[:_NAMED_IN_AUDIT]
        )
        self.message_user(request, f"{len(ids)} schedules are switched {word}.", messages.SUCCESS)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may use the actions."""
        return request.user.has_perm("jobs.change_schedule")


@admin.register(JobState)
class JobStateAdmin(ReadOnlyAdmin):
    """The jobs, with the actions pause and resume."""

    personal = {"reason": masking.text}
    list_display = ("job", "title", "status_label", "crashes", "reason", "paused_at", "paused_by")
    search_fields = ("job",)
    search_help_text = "A job"
    ordering = ("-paused_at", "job")
    actions = ("pause", "resume")
    fields = ("job", "title", ("status_label", "crashes"), ("paused_at", "paused_by"), "reason")
    readonly_fields = ("title", "status_label")

    def applies_to(self, row: JobState, action: str) -> bool:
        """A job is paused or resumed, whichever it is not."""
        return (action == "resume") == (row.paused_at is not None or not macs.state_fits(row))

    @display(description="what it does")
    def title(self, state: JobState) -> str:
        """The first line of the job's docstring."""
        return JOBS[state.job].title if state.job in JOBS else "not defined in this release"

    @display(description="status", label={"paused": "danger", "active": "success"})
    def status_label(self, state: JobState) -> cells.Label:
        """Whether it is paused, as a label."""
        status = "paused" if state.paused_at or not macs.state_fits(state) else "active"
        return cells.Label(status, status)

    @action(description="Pause", permissions=["operate"])
    def pause(self, request: HttpRequest, queryset: QuerySet[JobState]) -> None:
        """Start no turn of these jobs until they are resumed."""
        now = clock.now()
        done = [state.job for state in queryset if pausing.pause(state.job, now, by=operator(request))]
        self.message_user(request, f"{len(done)} jobs are paused.", messages.SUCCESS)

    @action(description="Resume", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[JobState]) -> None:
        """Resume paused jobs."""
        done = [state.job for state in queryset if pausing.resume(state.job, by=operator(request))]
        self.message_user(request, f"{len(done)} jobs were resumed.", messages.SUCCESS)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may use the actions."""
        return request.user.has_perm("jobs.change_jobstate")


def _run_now(page: ModelAdmin, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
    ids = schedules.run_now(queryset, clock.now())
    audit.record("job.asked", actor=operator(request), subject="job schedules", schedules=ids[:_NAMED_IN_AUDIT])
    page.message_user(request, f"{len(ids)} jobs run as soon as a worker is free.", messages.SUCCESS)
