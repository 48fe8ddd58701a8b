"""The operator's view of the inbox: what came, what became of it, and "process again". Nothing here edits an event."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from integrations.webhooks.models import Event, Mailbox
from integrations.webhooks.replay import replay

NAMED_IN_AUDIT = 100
_COLOURS = {
    Event.Status.PENDING: "info",
    Event.Status.DONE: "success",
    Event.Status.IGNORED: "default",
    Event.Status.POISONED: "danger",
}


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]  # unfold carries no types
    """Rows that machines write. A user needs the view permission to see them."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("type", "tenant", "state", "received_at", "occurred_at", "processed_at", "attempts", "error")
    list_filter = ("status", "app", "type", "received_at")
    list_select_related = ("mailbox",)
    search_fields = ("webhook_id",)
    search_help_text = "Webhook id, location id or company id, whole"
    ordering = ("-received_at",)
    actions = ("process_again",)
    show_full_result_count = False
    fields = (
        ("app", "mailbox"),
        ("type", "webhook_id"),
        ("occurred_at", "received_at"),
        ("status", "attempts", "due_at", "processed_at"),
        ("error_code", "error"),
        "body",
    )
    readonly_fields = ("body",)

    @admin.display(description="tenant")
    def tenant(self, event: Event) -> str:
        return event.mailbox.tenant

    @display(description="status", ordering="status", label=_COLOURS)
    def state(self, event: Event) -> tuple[str, str]:
        return event.status, event.get_status_display()

    @admin.display(description="payload")
    def body(self, event: Event) -> SafeString:
        pretty = json.dumps(event.payload, indent=2, ensure_ascii=False, sort_keys=True)
        return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', pretty)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Whole ids only: an index answers those, and a "contains" over millions of events nothing does."""
        term = search_term.strip()
        if not term:
            return queryset, False
        tenants = (term, f"location:{term}", f"company:{term}")
        return queryset.filter(Q(webhook_id=term) | Q(mailbox__tenant__in=tenants)), False

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_event")

    @admin.action(description="Process again", permissions=["replay"])
    def process_again(self, request: HttpRequest, queryset: QuerySet[Event]) -> None:
        named = list(queryset.values_list("webhook_id", flat=True)[:NAMED_IN_AUDIT])
        done = replay(queryset, actor=request.user.get_username(), ids=named)
        self.message_user(request, f"{done.events} events will be processed again.", messages.SUCCESS)


@admin.register(Mailbox)
class MailboxAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "app", "backlog", "due_at", "lease_until")
    list_filter = ("app",)
    list_select_related = ("app",)
    search_fields = ("tenant__endswith",)
    search_help_text = "The end of a tenant's name, such as a location id"
    ordering = ("due_at", "id")  # what waits longest first, the idle ones last
    show_full_result_count = False
    fields = (("app", "tenant"), ("backlog", "due_at"), ("lease_owner", "lease_until"))
    readonly_fields = ("backlog",)

    @admin.display(description="pending events")
    def backlog(self, mailbox: Mailbox) -> int:
        """One index look-up per shown row; an annotation would count for every mailbox there is."""
        return mailbox.events.filter(status=Event.Status.PENDING).count()
