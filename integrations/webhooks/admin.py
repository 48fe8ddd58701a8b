"""Admin pages of events, mailboxes and answers to webhooks.

Nothing edits an event: "Process again" replays it, and one that this application did not receive is discarded.
"""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.core import cells, clock, masking
from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.core.ages import span
from integrations.core.filters import distinct_values
from integrations.core.pages import tenant_links
from integrations.core.pages.tenant_links import TenantColumn
from integrations.core.tenant import Tenant
from integrations.gateway.support import panel
from integrations.gateway.support.advice_on_refusal import help_with
from integrations.tenants.models import App
from integrations.vault.misfit_admin import DiscardsMisfits
from integrations.webhooks import queries
from integrations.webhooks.models import Answers, Event, EventQuerySet, FailedAttempt, Mailbox
from integrations.webhooks.replay import replay
from integrations.webhooks.response_counts import ACCEPTED, UNVERIFIED, ResponseOutcome

NAMED_IN_AUDIT, SHOWN_ATTEMPTS = 100, 30
_COLOURS = {
    Event.Status.PENDING: "info",
    Event.Status.DONE: "success",
    Event.Status.IGNORED: "default",
    Event.Status.POISONED: "danger",
}


class TypeFilter(admin.SimpleListFilter):
    """List filter by event type. Django's own filter would read every event to list the types."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The event types that are stored, read from the index."""
        return [(name, name or "(none)") for name in distinct_values(Event, "type")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        """Events of the chosen type."""
        return queryset if self.value() is None else queryset.filter(type=self.value())


class InstalledFilter(admin.SimpleListFilter):
    """List filter by whether the app is installed on the mailbox's tenant."""

    title = "installed here"
    parameter_name = "installed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Yes and no."""
        return [("yes", "yes"), ("no", "no")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Mailbox]) -> QuerySet[Mailbox]:
        """Mailboxes of tenants that are installed here, or of the others."""
        match self.value():
            case "yes":
                return queryset.filter(queries.installed_here())
            case "no":
                return queryset.exclude(tenant="app").filter(~queries.installed_here())
        return queryset


_ERROR = (("error_code", "error"), "what_to_do", "answer")


@admin.register(Event)
class EventAdmin(TenantColumn, DiscardsMisfits):
    """Stored webhooks, the newest first."""

    personal = {"payload": masking.body, "error": masking.text}
    is_live = True
    list_display = (
        "type",
        "tenant_heading",
        "status_label",
        "received_at",
        "error_text",
        "attempts",
        "occurred_at",
        "processed_at",
    )
    list_filter = ("status", "app", TypeFilter, "received_at")
    sortable_by = ("received_at",)  # no index serves another order of millions of rows
    list_select_related = ("mailbox",)
    search_fields = ("webhook_id",)
    search_help_text = "Webhook id, location id or company id, whole"
    ordering = ("-received_at",)
    actions = ("process_again", "discard")
    fields = (
        ("type", "tenant_link"),
        ("status", "received_at", "processed_at"),
        *_ERROR,
        "failed_attempts",
        ("attempts", "due_at", "occurred_at"),
        ("webhook_id", "app", "mailbox"),
        "payload_json",
    )
    readonly_fields = ("tenant_link", "failed_attempts", "answer", "what_to_do", "payload_json")

    class Media:
        css = {"all": panel.STYLES}
        js = panel.SCRIPTS

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nothing about an error where there is none."""
        fields = super().get_fields(request, obj)
        return [one for one in fields if one not in _ERROR] if obj is not None and not obj.error_code else fields

    def tenant_id_of(self, row: Event) -> str:
        """The id of the mailbox's tenant."""
        return _tenant_id(row.mailbox)

    @display(description="status", ordering="status", label=_COLOURS)
    def status_label(self, event: Event) -> tuple[str, str]:
        """The status as a coloured label."""
        return event.status, event.get_status_display()

    @display(description="error")
    def error_text(self, event: Event) -> SafeString | str:
        """The last error. It comes before the times, which may be out of sight on a narrow screen."""
        return cells.long_text(event.error, trouble=True) if event.error else "–"

    @admin.display(description="failed attempts")
    def failed_attempts(self, event: Event) -> SafeString | str:
        """The latest attempts that failed, with the error and the next try of each."""
        hide = masking.text if masking.is_masked(event) else str
        lines = (
            (f"{one.number}.", f"{one.at:%Y-%m-%d %H:%M:%S} UTC", hide(one.error) or one.error_code, _next_try(one))
            for one in event.failed_attempts.order_by("-pk")[:SHOWN_ATTEMPTS]
        )
        return format_html_join("", "<div>{} {}: {}; {}</div>", lines) or "–"

    @admin.display(description="HighLevel's answer, redacted")
    def answer(self, event: Event) -> SafeString | str:
        """What HighLevel answered to the call of a handler that made the latest attempt fail."""
        last = queries.last_refusal(event)
        kept = last.vendor_answer if last else None
        return cells.json_text(masking.body(kept) if masking.is_masked(event) else kept)

    @admin.display(description="what to do")
    def what_to_do(self, event: Event) -> SafeString | str:
        """Steps, channels of the vendor's support, and the report to send, if HighLevel refused a handler's call."""
        last = queries.last_refusal(event)
        return panel.html(help_with(queries.refused_call(last))) if last else "–"

    @admin.display(description="payload")
    def payload_json(self, event: Event) -> SafeString:
        """The signed JSON, indented."""
        pretty = json.dumps(event.payload, indent=2, ensure_ascii=False, sort_keys=True)
        return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', pretty)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Search by whole ids only: an index finds those, and no index serves a "contains" over millions of events."""
        term = search_term.strip()
        if not term:
            return queryset, False
        # Apps and mailboxes by their ids, so that each half of the OR uses an index of its own.
        apps = list(App.objects.values_list("pk", flat=True))
        tenants = (term, Tenant.location(term).mailbox_key, Tenant.company(term).mailbox_key)
        boxes = list(Mailbox.objects.filter(app__in=apps, tenant__in=tenants).values_list("pk", flat=True))
        return queryset.filter(Q(app__in=apps, webhook_id=term) | Q(mailbox__in=boxes)), False

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Operators who may change events may replay them."""
        return request.user.has_perm("webhooks.change_event")

    @admin.action(description="Process again", permissions=["replay"])
    def process_again(self, request: HttpRequest, queryset: EventQuerySet) -> None:
        """Replay the selected events; the audit trail keeps their webhook ids."""
        named = list(queryset.values_list("webhook_id", flat=True)[:NAMED_IN_AUDIT])
        done = replay(queryset, actor=operator(request), ids=named)
        self.message_user(request, f"{done.events} events will be processed again.", messages.SUCCESS)


@admin.register(Mailbox)
class MailboxAdmin(TenantColumn, ReadOnlyAdmin):
    """The tenants' queues of events, the longest waiting first."""

    is_live = True
    list_display_links = ("backlog",)  # the first column leads to the tenant
    list_display = ("tenant_heading", "app", "backlog", "delay", "due_at", "lease_until")
    list_filter = ("app", InstalledFilter)
    list_select_related = ("app",)
    search_fields = ("tenant__endswith",)
    search_help_text = "The end of a tenant's name, such as a location id"
    ordering = ("due_at", "id")  # the longest waiting first, the idle ones last
    fields = (
        ("app", "tenant_link", "tenant"),
        ("backlog", "delay", "due_at"),
        ("lease_owner", "lease_until"),
        ("alone", "in_hand", "deaths"),
    )
    readonly_fields = ("tenant_link", "backlog", "delay")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Mailbox]:
        """Adds the backlog by a subquery, which runs for the rows of a page only; a join would read every event."""
        queryset: QuerySet[Mailbox] = super().get_queryset(request)
        pending = Event.objects.filter(mailbox=OuterRef("pk"), status=Event.Status.PENDING).order_by()
        found = pending.values("mailbox").annotate(found=Count("pk")).values("found")
        return queryset.annotate(found=Coalesce(Subquery(found), 0), since=queries.waiting_since())

    def tenant_id_of(self, row: Mailbox) -> str:
        """The id in the mailbox's key."""
        return _tenant_id(row)

    @admin.display(description="pending events")
    def backlog(self, mailbox: Any) -> int:
        """How many pending events the mailbox has."""
        return int(mailbox.found)

    @admin.display(description="delay")
    def delay(self, mailbox: Any) -> str:
        """How long its next event has waited since it was received."""
        return span(round((clock.now() - mailbox.since).total_seconds())) if mailbox.since else "–"


@admin.register(Answers)
class AnswersAdmin(ReadOnlyAdmin):
    """Counts of webhook responses, a row per app and day. The vendor pauses a URL below 90 % of 2xx."""

    list_display = ("day", "posted_to", "success", *(outcome.value for outcome in ResponseOutcome))
    list_filter = ("app", "day")
    list_select_related = ("app",)
    ordering = ("-day", "app")
    fields = (("day", "app"), "success", *(outcome.value for outcome in ResponseOutcome))
    readonly_fields = ("success",)

    @admin.display(description="app", ordering="app")
    def posted_to(self, row: Answers) -> str:
        """The app to which the webhooks were posted."""
        return str(row.app or "none of ours")

    @display(description="2xx", label={"good": "success", "warn": "warning", "bad": "danger"})
    def success(self, row: Answers) -> cells.Label:
        """The share of 2xx responses to verified webhooks, coloured as the vendor would judge it."""
        numbers = {outcome: getattr(row, outcome.value) for outcome in ResponseOutcome if outcome not in UNVERIFIED}
        if not any(numbers.values()):
            return cells.Label("", "–")
        share = sum(numbers[outcome] for outcome in ACCEPTED) / sum(numbers.values())
        tone = "good" if share >= queries.GOOD else "warn" if share >= queries.PAUSED_BELOW else "bad"
        return cells.Label(tone, f"{share:.1%}")


def _next_try(attempt: FailedAttempt) -> str:
    return f"next try {attempt.next_at:%Y-%m-%d %H:%M:%S} UTC" if attempt.next_at else "it stepped aside"


def _tenant_id(mailbox: Mailbox) -> str:
    """The id of the company or location; the key itself for the mailbox of the app."""
    tenant = tenant_links.named(mailbox.tenant)
    return tenant.id if tenant else mailbox.tenant
