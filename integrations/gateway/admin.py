"""Django admin of usage and of failed and slow calls, with the URLs of the call explorer."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.core import cells, clock, masking
from integrations.core.admin import ReadOnlyAdmin
from integrations.core.pages import run_link, tenant_links, timeline_link
from integrations.core.pages.tenant_links import TenantColumn
from integrations.gateway.explorer import admin_views
from integrations.gateway.models import Call, Usage
from integrations.gateway.stats import filters, usage_page
from integrations.gateway.stats.usage_page import BY_HAND
from integrations.gateway.support import panel, refused_call
from integrations.gateway.support.advice_on_refusal import help_with


@admin.register(Usage)
class UsageAdmin(ReadOnlyAdmin):
    """Usage statistics; the changelist is a page of plots."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Render the usage page. Raises PermissionDenied without the view permission."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        query = {name: str(value) for name, value in request.GET.items()}
        shown = usage_page.context(query, clock.now())
        context = {**self.admin_site.each_context(request), "title": "API usage", **shown}
        return TemplateResponse(request, "admin/gateway/usage.html", context)


@admin.register(Call)
class CallAdmin(TenantColumn, ReadOnlyAdmin):
    """List and detail pages of failed and slow calls, read-only."""

    personal = {
        "message": masking.text,
        "path": masking.text,
        "query": masking.pairs,
        "body": masking.body,
        "response": masking.body,
    }
    list_display = ("at", "what", "outcome", "cost", "message_and_trace_id")
    list_filter = (*filters.ALL, "app")
    list_filter_submit = True  # one form submits all filters together
    show_facets = admin.ShowFacets.NEVER  # facets would count every row for every choice
    list_select_related = ("app",)
    sortable_by = ("at",)  # no index serves another order of millions of rows
    search_fields = ("resource_id",)  # makes Django show the search field; `get_search_results` does the search
    search_help_text = "A trace id or tenant (whole), or an operation"
    ordering = ("-pk",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("at", "seconds"),
                    "operation",
                    ("tenant_link", "tenant_id"),
                    ("status", "code"),
                    ("made_by", "run_link", "lane"),
                    "trace_id",
                )
            },
        ),
        ("Request", {"fields": ("request_line", "pretty_body", "explorer_link")}),
        ("Answer", {"fields": ("message", "pretty_response")}),
        ("Help", {"fields": ("what_to_do",)}),
    )
    readonly_fields = (
        "tenant_link",
        "tenant_id",
        "made_by",
        "run_link",
        "seconds",
        "request_line",
        "pretty_body",
        "pretty_response",
        "explorer_link",
        "what_to_do",
    )

    class Media:
        css = {"all": panel.STYLES}
        js = panel.SCRIPTS

    def get_urls(self) -> list[URLPattern]:
        """The URLs of the call explorer, then those of the model."""
        return [*admin_views.urls(), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Call], search_term: str
    ) -> tuple[QuerySet[Call], bool]:
        """Search by whole trace id, whole tenant id, or part of an operation's key."""
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(Q(trace_id=term) | Q(resource_id=term) | Q(operation__icontains=term)), False

    @display(description="operation and tenant", ordering="operation", header=True)
    def what(self, call: Call) -> tuple[str, SafeString | str]:
        """Column: operation and tenant."""
        return call.operation, tenant_links.link_by_id(call.resource_id, getattr(call, "known_tenants", None))

    @display(description="message and trace id")
    def message_and_trace_id(self, call: Call) -> SafeString:
        """Column: the error's message and the vendor's trace id."""
        words = call.message.replace(f" (trace id {call.trace_id})", "")
        cell = '<div class="result-text"><div class="result-brief" title="{0}">{0}</div>{1}</div>'
        return format_html(cell, words, timeline_link.of_id(call.trace_id))

    @display(description="took, for job", ordering="took_ms", header=True)
    def cost(self, call: Call) -> tuple[str, str]:
        """Column: duration and the job that made the call."""
        return self.seconds(call), self.made_by(call)

    @display(description="job", ordering="job")
    def made_by(self, call: Call) -> str:
        """The job that made the call, or `BY_HAND`."""
        return call.job or BY_HAND

    @display(description="run")
    def run_link(self, call: Call) -> SafeString | str:
        """The run that made the call, as a link where runs of its kind have pages."""
        return run_link.html(call.run)

    @display(description="tenant id")
    def tenant_id(self, call: Call) -> str:
        """The id of the tenant, to copy."""
        return call.resource_id

    def tenant_id_of(self, row: Call) -> str:
        """The id of the location or company."""
        return row.resource_id

    @display(description="outcome", ordering="status", label={"failed": "danger", "slow": "warning"})
    def outcome(self, call: Call) -> tuple[str, str]:
        """Column: `failed` or `slow` with the HTTP status and the error code."""
        words = " ".join(filter(None, [str(call.status or ""), call.code.replace("_", " ")]))
        return ("failed", words or "failed") if call.code else ("slow", f"{words} slow")

    @display(description="took", ordering="took_ms")
    def seconds(self, call: Call) -> str:
        """The duration, shown in milliseconds."""
        return f"{call.took_ms:,}\u00a0ms"

    @display(description="sent")
    def request_line(self, call: Call) -> SafeString:
        """Method, path and query of the request."""
        query = "&".join(f"{name}={value}" for name, value in call.query)
        return format_html("<code>{} {}{}</code>", call.method, call.path, f"?{query}" if query else "")

    @display(description="body, redacted")
    def pretty_body(self, call: Call) -> SafeString | str:
        """The redacted request body as indented JSON."""
        return cells.json_text(call.body)

    @display(description="answer, redacted")
    def pretty_response(self, call: Call) -> SafeString | str:
        """The redacted response body as indented JSON."""
        return cells.json_text(call.response)

    @display(description="what to do")
    def what_to_do(self, call: Call) -> SafeString | str:
        """Steps, channels of the vendor's support, and the report to send."""
        return panel.html(help_with(refused_call.of_kept(call, call.app)) if call.code else None)

    @display(description="try it")
    def explorer_link(self, call: Call) -> SafeString:
        """Link that opens the operation for the same tenant in the call explorer."""
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}">Open in the call explorer</a>',
            admin_views.url_of(call),
        )
