"""Django admin of sync plans, runs and records. Actions call this room's functions; records are read-only."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from integrations.core import audit, cells, clock, masking
from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.core.ages import relative
from integrations.core.errors import BadRequest, SealBroken
from integrations.core.filters import ColumnValueLinksFilter
from integrations.core.runs import run_progress
from integrations.gateway.support.panel import SupportedRuns
from integrations.gateway.support.refused_call import RefusedCall
from integrations.sync import deletions, plans, queries, runs
from integrations.sync.choose import choice_address, choose_page
from integrations.sync.choose.adaptive_page import AdaptivePage
from integrations.sync.choose.variant_page import VariantPage
from integrations.sync.history import shown
from integrations.sync.models import Plan, Record, Run
from integrations.sync.resources import RESOURCES
from integrations.sync.sealed_fields import FieldOpener
from integrations.tenants.names import TenantNames
from integrations.vault.misfit_admin import DiscardsMisfits

# What matters first.
_PLAN = (("resource", "variant", "tenant_link"), ("enabled", "latest_run"), ("synced_at", "due_at", "full_due_at"))
_PLAN_WORK = (("app", "location_id", "created_at"), ("cursor_at", "repair_asked_at"), ("counted_at", "surplus"))
_RECORD = (
    ("resource", "record_id", "tenant_link"),
    ("updated_at", "deleted_at", "deleted_by"),
    "pretty",
    "history_of_it",
)


@admin.register(Plan)
class PlanAdmin(TenantNames, DiscardsMisfits):
    """Sync plans, which operators run, pause and let go on. The application writes their columns."""

    list_display = ("resource", "tenant_heading", "enabled", "synced_at", "due_at", "variant", "app", "full_due_at")
    list_filter = ("resource", "enabled", "app")
    list_select_related = ("app",)
    search_fields = ("=location_id", "resource")
    search_help_text = "A tenant's name or whole id, or a resource"
    fieldsets = (
        (None, {"fields": _PLAN}),
        ("Choice", {"fields": ("filters", ("calls_per_day", "every"), ("is_own_choice", "is_left_out"))}),
        ("Work", {"fields": _PLAN_WORK}),
    )
    readonly_fields = ("tenant_link", "latest_run")
    actions = ("run_now", "run_in_full", "repair", "pause", "go_on", "discard")

    def get_urls(self) -> list[URLPattern]:
        """Adds the pages that choose resources and variants, and let intervals adapt."""
        view = self.admin_site.admin_view(choose_page.ChoosePage(self.admin_site))
        adaptive = self.admin_site.admin_view(AdaptivePage(self.admin_site))
        variant = self.admin_site.admin_view(VariantPage(self.admin_site))
        return [
            path("choose/", view, name="sync_plan_choose"),
            path("adaptive/", adaptive, name="sync_plan_adaptive"),
            path("variant/", variant, name="sync_plan_variant"),
            *super().get_urls(),
        ]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may use the actions. There is no form: it would write what only the choice page may."""
        return request.user.has_perm("sync.change_plan")

    @display(description="latest run")
    def latest_run(self, plan: Plan) -> SafeString | str:
        """Its status, as a link, and when it ended."""
        run = plan.runs.order_by("-pk").first()
        if run is None:
            return "none yet"
        url, words = reverse("admin:sync_run_change", args=[run.pk]), f"{run.kind}, {run.status}"
        at = relative(run.finished_at or run.started_at, clock.now())
        return format_html('<a class="tenant-link" href="{}">{}</a> {}', url, words, at)

    @action(description="Run now", permissions=["operate"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Plan]) -> None:
        """Make the plans due now."""
        self._ask(request, queryset, full=False)

    @action(description="Run in full now", permissions=["operate"])
    def run_in_full(self, request: HttpRequest, queryset: QuerySet[Plan]) -> None:
        """Make the plans due now, with a full run."""
        self._ask(request, queryset, full=True)

    @action(description="Repair now", permissions=["operate"])
    def repair(self, request: HttpRequest, queryset: QuerySet[Plan]) -> None:
        """Make the plans due now, with a full run that does not trust the copy's dates and checkpoints."""
        self._ask(request, queryset, full=True, repair=True)

    @action(description="Pause", permissions=["operate"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Plan]) -> None:
        """Start no run of the plans until an operator goes on with them. A run under way continues."""
        self._switch(request, queryset, enabled=False)

    @action(description="Go on", permissions=["operate"])
    def go_on(self, request: HttpRequest, queryset: QuerySet[Plan]) -> None:
        """Start runs of paused plans again, the first one now."""
        self._switch(request, queryset, enabled=True)

    def applies_to(self, row: Plan, action: str) -> bool:
        """A paused plan can only go on, and one that is not paused cannot. What another program wrote is discarded."""
        if action == "discard" or not row.enabled:
            return action in ("go_on", "discard") and super().applies_to(row, action)
        return action != "go_on"

    def _switch(self, request: HttpRequest, queryset: QuerySet[Plan], *, enabled: bool) -> None:
        switched = plans.switch(queryset, clock.now(), enabled=enabled)
        action = "sync.continued" if enabled else "sync.paused"
        audit.record(action, actor=operator(request), subject="plans", plans=switched)
        messages.success(request, f"{len(switched)} plans {'go on' if enabled else 'are paused'}.")

    def _ask(self, request: HttpRequest, queryset: QuerySet[Plan], *, full: bool, repair: bool = False) -> None:
        asked = plans.request_runs(queryset, clock.now(), full=full, repair=repair)
        audit.record("sync.asked", actor=operator(request), subject="plans", plans=asked, full=full, repair=repair)
        messages.success(request, f"{len(asked)} plans are due now.")


@admin.register(Run)
class RunAdmin(TenantNames, DiscardsMisfits, SupportedRuns):
    """Sync runs, newest first: run again, cancel, delete what the brake held back, discard what is not ours."""

    personal = Run.PERSONAL
    is_live = True
    tenant_id_path = "plan__location_id"
    list_display = ("resource", "tenant_heading", "kind", "status_label", "progress_bar", "result", "run_times")
    list_filter = ("status", "kind", "plan__resource", ("error_code", ColumnValueLinksFilter))
    sortable_by = ()  # no index serves another order of millions of rows
    list_select_related = ("plan__app",)
    search_fields = ("=plan__location_id",)
    search_help_text = "A tenant's name or whole id"
    ordering = ("-pk",)
    actions = ("run_again", "cancel", "delete_held_back", "discard")
    asks = ("delete_held_back", "discard")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("plan", "tenant_link"),
                    ("kind", "status"),
                    ("progress_bar", "result"),
                    ("started_at", "finished_at"),
                )
            },
        ),
        ("Error", {"fields": (("error_code", "attempts"), "trace_id", "answer", "what_to_do")}),
        ("Counts", {"fields": (("seen", "total"), ("pages", "skipped"), ("changed", "deleted"), "asked")}),
        ("Work", {"fields": (("due_at", "checkpoint"), ("lease_owner", "lease_until"))}),
    )
    readonly_fields = ("tenant_link", "progress_bar", "result", "answer", "what_to_do")

    def applies_to(self, row: Run, action: str) -> bool:
        """A running run can be cancelled, an ended one run again, one that the brake stopped can delete after all."""
        if action == "delete_held_back":
            return row.status == Run.Status.COMPLETE and row.error_code == deletions.BRAKE
        if action == "discard":
            return super().applies_to(row, action)
        return (action == "cancel") == (row.status == Run.Status.RUNNING)

    def refused_call(self, run: Run) -> RefusedCall:
        """The call that failed the run."""
        return queries.refused_call(run)

    @display(description="HighLevel's answer, redacted")
    def answer(self, run: Run) -> SafeString | str:
        """What the vendor answered, as indented JSON."""
        return cells.json_text(run.vendor_answer)

    @display(description="resource", ordering="plan__resource")
    def resource(self, run: Run) -> str:
        """The resource of the plan."""
        return run.plan.resource

    @display(
        description="status",
        ordering="status",
        label={"running": "info", "complete": "success", "failed": "danger", "warning": "warning"},
    )
    def status_label(self, run: Run) -> tuple[str, str]:
        """The status as a label; a complete run shows its warning."""
        warned = run.status == Run.Status.COMPLETE and run.error_code
        return ("warning", run.error_code.replace("_", " ")) if warned else (run.status, run.status)

    @display(description="progress")
    def progress_bar(self, run: Run) -> SafeString | str:
        """The progress bar."""
        note = run_progress.words(run, run.seen, run.total, clock.now())
        return cells.progress(run.seen, run.total, complete=run.status == Run.Status.COMPLETE, note=note)

    @display(description="result")
    def result(self, run: Run) -> SafeString:
        """The number of deletions and the error."""
        words = "; ".join(filter(None, [f"{run.deleted:,} deleted" if run.deleted else "", run.error]))
        return cells.long_text(words, trouble=run.status == Run.Status.FAILED)

    @display(description="when", ordering="started_at")
    def run_times(self, run: Run) -> SafeString:
        """Start and duration."""
        return cells.run_times(run.started_at, run.finished_at, clock.now())

    @action(description="Run its plan again now", permissions=["operate"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Make the plans of these runs due now."""
        asked = plans.request_runs(Plan.objects.filter(runs__in=queryset).distinct(), clock.now(), full=False)
        audit.record("sync.asked", actor=operator(request), subject="plans", plans=asked, full=False, repair=False)
        messages.success(request, f"{len(asked)} plans are due now.")

    @action(description="Cancel", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Cancel the runs that have not ended."""
        stopped = runs.cancel(queryset, clock.now(), reason="by an operator")
        audit.record("sync.cancelled", actor=operator(request), subject="runs", runs=stopped)
        messages.success(request, f"{len(stopped)} runs were cancelled.")

    @action(description="Apply the deletions that the brake stopped", permissions=["release"])
    def delete_held_back(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Mark the records as deleted that the brake kept."""
        for run in queryset.select_related("plan"):
            try:
                count = deletions.release(run, clock.now())
            except BadRequest as error:
                messages.error(request, f"Run {run.pk}: {error}")
            else:
                audit.record(
                    "sync.released",
                    actor=operator(request),
                    subject=f"run {run.pk}",
                    deleted=count,
                )
                messages.success(request, f"Run {run.pk}: {count} records were marked as deleted.")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may use the actions."""
        return request.user.has_perm("sync.change_run")

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may let records be deleted."""
        return request.user.has_perm("sync.delete_record")


class ResourceFilter(admin.SimpleListFilter):
    """Filter by resource. Django's own filter would read every record to list the resources."""

    title = parameter_name = "resource"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The registered resources."""
        return [(name, name) for name in sorted(RESOURCES)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Record]) -> QuerySet[Record]:
        """Records of the chosen resource."""
        return queryset.filter(resource=self.value()) if self.value() else queryset


@admin.register(Record)
class RecordAdmin(TenantNames, ReadOnlyAdmin):
    """Records of the synced copy, for reading only."""

    personal = {"payload": masking.body}
    list_display = ("record_id", "resource", "tenant_heading", "app", "version_at", "updated_at", "deleted_at")
    list_filter = (ResourceFilter, "app", ("deleted_at", admin.EmptyFieldListFilter))
    sortable_by = ()  # no index serves another order of millions of rows
    list_select_related = ("app",)
    search_fields = ("record_id",)  # only shows the search box; `get_search_results` does the search
    search_help_text = "A record, a location or a company (whole id)"
    fieldsets = (
        (None, {"fields": _RECORD}),
        ("Listings", {"fields": (("app", "location_id"), ("version_at", "alive_at"), ("seen_run", "missing_at"))}),
    )
    readonly_fields = ("tenant_link", "pretty", "history_of_it")

    class Media:
        css = {"all": ("site/history.css",)}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Record], search_term: str
    ) -> tuple[QuerySet[Record], bool]:
        """Records of the tenant, or with the record id, that was typed (`queries.matching`)."""
        term = search_term.strip()
        return (queries.matching(queryset, term) if term else queryset), False

    @display(description="payload")
    def pretty(self, record: Record) -> SafeString:
        """The payload as indented JSON. Encrypted fields are open for operators who see personal data."""
        return format_html("<pre>{}</pre>", json.dumps(_shown(record), indent=2, ensure_ascii=False))

    @display(description="history")
    def history_of_it(self, record: Record) -> SafeString:
        """Its latest changes, each as a difference."""
        changes = shown.of(record, clock.now(), masked=masking.is_masked(record))
        mine = {"app": record.app_id, "location_id": record.location_id, "resource": record.resource}
        keeps = Plan.objects.filter(**mine, keeps_history=True).exists()
        choose = choice_address.address(record.app_id)
        return render_to_string("admin/sync/history.html", {"changes": changes, "keeps": keeps, "choose": choose})


def _shown(record: Record) -> dict[str, Any]:
    """The payload for a page: as it is stored where it is masked, or does not open."""
    stored: dict[str, Any] = record.payload
    if getattr(record, "is_masked", False):
        return stored
    try:
        return FieldOpener().payload(record)
    except SealBroken as error:
        return {**stored, "~": str(error)}
