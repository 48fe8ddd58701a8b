"""Admin page of the workflows that wait for triggers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.core import cells, masking
from integrations.core.filters import ColumnValueLinksFilter
from integrations.modules.models import TriggerSubscription
from integrations.tenants.names import TenantNames
from integrations.vault.misfit_admin import DiscardsMisfits


@admin.register(TriggerSubscription)
class TriggerSubscriptionAdmin(TenantNames, DiscardsMisfits):
    """Workflows that wait for a trigger of an app, the latest first."""

    list_display = ("key", "tenant_heading", "app", "workflow_id", "subscribed_at")
    list_filter = ("app", ("key", ColumnValueLinksFilter))
    list_select_related = ("app",)
    search_fields = ("=location_id", "=workflow_id", "=trigger_id")
    search_help_text = "A tenant's name or whole id, or the whole id of a workflow or trigger"
    ordering = ("-pk",)
    actions = ("discard",)
    personal = {"filters": masking.body}  # what the author of a workflow compares with may be a person's address
    fields = (
        "app",
        ("tenant_link", "location_id"),
        ("key", "trigger_id", "workflow_id"),
        "subscribed_at",
        "conditions",
    )
    readonly_fields = ("tenant_link", "conditions")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TriggerSubscription]:
        """Those that have not ended."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.exclude(target_url="")

    @display(description="filters")
    def conditions(self, row: TriggerSubscription) -> SafeString | str:
        """The conditions that the workflow's author chose."""
        return cells.json_text(row.filters or None)
