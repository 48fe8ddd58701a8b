"""Django admin of the quota room: parked tasks, and the pages that show the quota of each resource."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.decorators import action, display

from integrations.core import audit, clock, masking
from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.core.ages import relative
from integrations.core.filters import ColumnValueLinksFilter
from integrations.core.pages.tenant_links import TenantColumn
from integrations.quota.models import Parked, Usage
from integrations.quota.pages import admin_views
from integrations.quota.parking import queue


@admin.register(Parked)
class ParkedAdmin(TenantColumn, ReadOnlyAdmin):
    """Parked tasks in the order in which they wait, with the actions start next and drop."""

    personal = {"kwargs": masking.body}
    is_live = True
    list_display = ("task", "ids", "tenant_heading", "lane_label", "state_label", "age", "reason", "turn")
    list_filter = ("state", "lane", ("reason", ColumnValueLinksFilter), "task")
    search_fields = ("key", "task")
    search_help_text = "A location's or company's id, or a task's name"
    ordering = ("place_at", "id")
    actions = ("start_next", "drop")
    asks = ("drop",)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may use the actions."""
        return request.user.has_perm("quota.change_parked")

    def has_drop_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may drop tasks."""
        return request.user.has_perm("quota.delete_parked")

    def tenant_id_of(self, row: Parked) -> str:
        """The id in the key of the resource."""
        return row.key.partition(":")[2]

    @display(description="arguments")
    def ids(self, row: Parked) -> str:
        """The arguments of the task, shortened."""
        return json.dumps(row.kwargs)[1:-1][:60]

    @display(description="lane", ordering="lane", label={"interactive": "success", "events": "info", "bulk": "default"})
    def lane_label(self, row: Parked) -> str:
        """The lane as a colored label."""
        return row.lane

    @display(
        description="state",
        ordering="state",
        label={"waiting": "warning", "handed": "info", "running": "success"},
    )
    def state_label(self, row: Parked) -> tuple[str, str]:
        """The state as a colored label."""
        return row.state, row.get_state_display()

    @display(description="parked", ordering="parked_at")
    def age(self, row: Parked) -> str:
        """How long ago the task was parked."""
        return relative(row.parked_at, clock.now())

    @action(description="Start next", permissions=["operate"])
    def start_next(self, request: HttpRequest, queryset: QuerySet[Parked]) -> None:
        """Move the tasks to the front of their lanes."""
        moved = queue.move_to_front(queryset)
        audit.record("quota.moved_to_front", actor=operator(request), subject="parked tasks", rows=moved)
        messages.success(request, f"{len(moved)} tasks get the next permits of their resources.")

    @action(description="Drop", permissions=["drop"])
    def drop(self, request: HttpRequest, queryset: QuerySet[Parked]) -> None:
        """Delete the tasks that wait."""
        gone = queue.drop(queryset)
        audit.record("quota.dropped", actor=operator(request), subject="parked tasks", rows=gone)
        messages.success(request, f"{len(gone)} tasks were dropped. What still needs doing is found by its sweep.")


@admin.register(Usage)
class UsageAdmin(ReadOnlyAdmin):
    """Usage by resource. The list page is the overview, because single five-minute rows tell an operator little."""

    def get_urls(self) -> list[URLPattern]:
        """Adds the page of one resource."""
        mine = path("resource/<str:key>/", self.admin_site.admin_view(self.resource_view), name="quota_resource")
        urls: list[URLPattern] = super().get_urls()
        return [mine, *urls]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The overview of all resources."""
        search = request.GET.get("q", "")[:160]
        return self._page(
            request, "overview", {"title": "Quota", "search": search, **admin_views.overview(clock.now(), search)}
        )

    def resource_view(self, request: HttpRequest, key: str) -> HttpResponse:
        """The page of the resource `<client id>:<location or company id>`."""
        if ":" not in key:
            raise Http404
        return self._page(
            request, "resource", {"parked_link": admin_views.parked_link(key), **admin_views.one(key, clock.now())}
        )

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        known = {**self.admin_site.each_context(request), "opts": self.opts, "checked_at": clock.now()}
        return TemplateResponse(request, f"admin/quota/{name}.html", {**known, **context})
