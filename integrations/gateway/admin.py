"""Usage, failed and slow calls, and the way to the call explorer, on the operators' pages."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.core import clock
from integrations.core.admin import FirstTenThousand, ReadOnlyAdmin
from integrations.gateway.explorer import admin_views
from integrations.gateway.models import Call, Usage
from integrations.gateway.stats import filters, usage_page
from integrations.gateway.stats.usage_page import BY_HAND


@admin.register(Usage)
class UsageAdmin(ReadOnlyAdmin):
    """Its list is a page of plots."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = {name: str(value) for name, value in request.GET.items()}
        shown = usage_page.context(asked, clock.now())
        context = {**self.admin_site.each_context(request), "title": "API usage", **shown}
        return TemplateResponse(request, "admin/gateway/usage.html", context)


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    list_display = ("at", "what", "outcome", "cost", "told")
    list_filter = (*filters.ALL, "app")
    list_filter_submit = True  # one form sends them together
    paginator = FirstTenThousand
    show_facets = admin.ShowFacets.NEVER  # they would count every row for every choice
    list_select_related = ("app",)
    list_per_page = 50
    search_fields = ("resource_id",)  # so that there is a field; `get_search_results` is what searches
    search_help_text = "A trace id or tenant (whole), or an operation"
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("at", "seconds"),
                    ("operation", "tenant"),
                    ("status", "code"),
                    ("made_by", "lane"),
                    "trace_id",
                )
            },
        ),
        ("Request", {"fields": ("line", "pretty_body", "again")}),
        ("Answer", {"fields": ("message", "pretty_response")}),
    )
    readonly_fields = ("tenant", "made_by", "seconds", "line", "pretty_body", "pretty_response", "again")

    def get_urls(self) -> list[URLPattern]:
        return [*admin_views.urls(), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Call], search_term: str
    ) -> tuple[QuerySet[Call], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(Q(trace_id=term) | Q(resource_id=term) | Q(operation__icontains=term)), False

    @display(description="operation and tenant", ordering="operation", header=True)
    def what(self, call: Call) -> tuple[str, str]:
        return call.operation, call.resource_id

    @display(description="message and trace id")
    def told(self, call: Call) -> SafeString:
        words = call.message.replace(f" (trace id {call.trace_id})", "")
        cell = '<div class="result-said"><div class="result-brief" title="{0}">{0}</div><code>{1}</code></div>'
        return format_html(cell, words, call.trace_id)

    @display(description="took, for job", ordering="took_ms", header=True)
    def cost(self, call: Call) -> tuple[str, str]:
        return self.seconds(call), self.made_by(call)

    @display(description="job", ordering="job")
    def made_by(self, call: Call) -> str:
        return call.job or BY_HAND

    @display(description="tenant", ordering="resource_id")
    def tenant(self, call: Call) -> str:
        return call.resource_id

    @display(description="outcome", ordering="status", label={"failed": "danger", "slow": "warning"})
    def outcome(self, call: Call) -> tuple[str, str]:
        words = " ".join(filter(None, [str(call.status or ""), call.code.replace("_", " ")]))
        return ("failed", words or "failed") if call.code else ("slow", f"{words} slow")

    @display(description="took", ordering="took_ms")
    def seconds(self, call: Call) -> str:
        return f"{call.took_ms:,}\u00a0ms"

    @display(description="sent")
    def line(self, call: Call) -> SafeString:
        query = "&".join(f"{name}={value}" for name, value in call.query)
        return format_html("<code>{} {}{}</code>", call.method, call.path, f"?{query}" if query else "")

    @display(description="body, redacted")
    def pretty_body(self, call: Call) -> SafeString | str:
        return _pretty(call.body)

    @display(description="answer, redacted")
    def pretty_response(self, call: Call) -> SafeString | str:
        return _pretty(call.response)

    @display(description="try it")
    def again(self, call: Call) -> SafeString:
        chosen = urlencode({"app": call.app_id, "tenant": call.resource_id})
        address = reverse("admin:gateway_explore_operation", args=[call.operation])
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}?{}">Open in the call explorer</a>',
            address,
            chosen,
        )


def _pretty(value: Any) -> SafeString | str:
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', text)
