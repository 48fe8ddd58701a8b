"""Admin of actions over many rows: how far each is, and the way to stop it."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from integrations.core import cells, clock, masking
from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.core.models import BulkAction
from integrations.core.pages import bulk_actions, list_query

_STATUS = {"running": "info", "complete": "success", "failed": "danger", "cancelled": "default"}


@admin.register(BulkAction)
class BulkActionAdmin(ReadOnlyAdmin):
    """Actions over many rows, newest first, with the action cancel."""

    is_live = True
    personal = {"note": masking.text, "query": list_query.masked}
    list_display = ("label", "what", "status_label", "progress_bar", "operator", "times")
    list_filter = ("status", "model")
    search_fields = ("operator",)
    search_help_text = "An operator"
    ordering = ("-pk",)
    actions = ("cancel",)
    fields = (
        ("label", "what"),
        ("status_label", "progress_bar"),
        ("operator", "query"),
        "note",
        ("created_at", "finished_at"),
    )
    readonly_fields = ("what", "status_label", "progress_bar")

    def applies_to(self, row: BulkAction, action: str) -> bool:
        """What runs can be cancelled."""
        return row.status == BulkAction.Status.RUNNING

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may cancel."""
        return request.user.has_perm("core.change_bulkaction")

    @display(description="rows of")
    def what(self, row: BulkAction) -> str:
        """The kind of rows."""
        return row.model.replace(".", ": ")

    @display(description="status", ordering="status", label=_STATUS)
    def status_label(self, row: BulkAction) -> cells.Label:
        """The status as a label."""
        return cells.Label(row.status, row.get_status_display())

    @display(description="progress")
    def progress_bar(self, row: BulkAction) -> SafeString | str:
        """The progress bar."""
        return cells.progress(row.done, row.total, complete=row.status == BulkAction.Status.COMPLETE)

    @display(description="when", ordering="created_at")
    def times(self, row: BulkAction) -> SafeString:
        """Start and duration."""
        return cells.run_times(row.created_at, row.finished_at, clock.now())

    @action(description="Cancel", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[BulkAction]) -> None:
        """Begin no further batch. What is done stays done."""
        stopped = bulk_actions.cancel(queryset, by=operator(request))
        self.message_user(request, f"{stopped} were cancelled; what is done stays done.", messages.SUCCESS)
