"""Admin pages of exports: the list, the form that asks for one, one export with its runs, and the download."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from integrations.core import cells, clock
from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.core.ages import relative
from integrations.core.runs import run_progress
from integrations.exports import asking, file_views, new_page, queries, steering
from integrations.exports.models import Export, Run
from integrations.tenants import names


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """Exports, the newest first. A page asks for one; nothing else is edited."""

    list_display = ("title", "what", "where", "form", "when", "latest", "made_by")
    list_display_links = ("title",)
    list_filter = ("form", "enabled", "app")
    list_select_related = ("app",)
    is_live = True
    ordering = ("-pk",)
    sortable_by = ()
    actions = ("run_now", "pause", "go_on", "cancel_run", "begin_again", "remove")
    asks = ("remove", "begin_again")
    fieldsets = (
        (
            None,
            {"fields": (("what", "where"), ("form", "when"), ("app", "made_by"), ("enabled", "due_at"), "runs_of_it")},
        ),
    )
    readonly_fields = ("what", "where", "when", "runs_of_it")

    class Media:
        css = {"all": ("site/exports.css",)}

    def get_urls(self) -> list[URLPattern]:
        """Adds the form, and the files."""
        new = self.admin_site.admin_view(new_page.NewExportPage(self.admin_site))
        file = self.admin_site.admin_view(file_views.download)
        return [
            path("new/", new, name="exports_export_new"),
            path("file/<int:run_id>/<str:resource>/", file, name="exports_export_file"),
            path("file/<int:run_id>/<str:resource>/<int:number>/", file, name="exports_export_part"),
            *super().get_urls(),
        ]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, each export with its latest run."""
        listed = super().get_changelist_instance(request)
        latest = Export.objects.filter(pk__in=[row.pk for row in listed.result_list]).latest_runs()
        for row in listed.result_list:
            row.latest_run = latest.get(row.pk)
        return listed

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may run, pause and remove exports."""
        return request.user.has_perm("exports.change_export")

    def applies_to(self, row: Export, action: str) -> bool:
        """A paused one can go on; only a schedule is paused, and has a position to give up."""
        fits = {"go_on": not row.enabled, "pause": row.enabled and bool(row.times), "run_now": row.enabled}
        return fits.get(action, action != "begin_again" or bool(row.times))

    @display(description="export")
    def title(self, export: Export) -> str:
        """Its number."""
        return f"Export {export.pk}"

    @display(description="what")
    def what(self, export: Export) -> str:
        """The resources."""
        shown = [name.replace("_", " ") for name in export.resources[:4]]
        more = len(export.resources) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")

    @display(description="where")
    def where(self, export: Export) -> str:
        """The locations."""
        if not export.locations:
            return "all locations"
        if len(export.locations) > 1:
            return f"{len(export.locations):,} locations"
        return names.by_id(export.locations).get(export.locations[0], export.locations[0])

    @display(description="when")
    def when(self, export: Export) -> str:
        """Once or the schedule."""
        return asking.words(export) + ("" if export.enabled else ", paused")

    @display(description="latest run")
    def latest(self, export: Export) -> SafeString | str:
        """Its progress."""
        run: Run | None = getattr(export, "latest_run", None)
        if run is None:
            return "not yet"
        now = clock.now()
        pace = run_progress.words(run, run.rows, run.total, now)
        bar = cells.progress(run.rows, run.total, complete=run.status == Run.Status.COMPLETE, note=pace)
        age = relative(run.finished_at or run.started_at, now)
        return format_html("{} <span class='result-when'>{} {}</span>", bar, run.status, age)

    @display(description="runs and files")
    def runs_of_it(self, export: Export) -> SafeString:
        """The latest runs with their files."""
        shown = {"runs": queries.latest_runs(export, clock.now()), "export": export}
        return render_to_string("admin/exports/runs.html", shown)

    @action(description="Run now", permissions=["operate"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        """Make them due now."""
        ids = steering.run_now(queryset, clock.now(), actor=operator(request))
        messages.success(request, f"{len(ids)} exports are due now.")

    @action(description="Pause the schedule", permissions=["operate"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        """Start no run until an operator goes on. What changes meanwhile is in the first run afterwards."""
        ids = steering.pause(queryset, actor=operator(request))
        messages.success(request, f"{len(ids)} schedules are paused.")

    @action(description="Go on", permissions=["operate"])
    def go_on(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        """Run them again, the first time now."""
        ids = steering.go_on(queryset, clock.now(), actor=operator(request))
        messages.success(request, f"{len(ids)} exports go on.")

    @action(description="Cancel its run", permissions=["operate"])
    def cancel_run(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        """End the runs under way. Their files stay."""
        stopped = steering.cancel_run(queryset, clock.now(), actor=operator(request))
        messages.success(request, f"{len(stopped)} runs were cancelled.")

    @action(description="Begin again with all records", permissions=["operate"])
    def begin_again(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        """Let the next run of a schedule have all records, not only what changed."""
        ids = steering.begin_again(queryset, actor=operator(request))
        messages.success(request, f"The next run of {len(ids)} schedules has all records.")

    @action(description="Remove it with its files", permissions=["operate"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        """Delete exports, their runs and files, and their positions in the change feeds."""
        ids = steering.remove(queryset, actor=operator(request))
        messages.success(request, f"{len(ids)} exports were removed.")
