"""Django admin of outboxes and their entries: what waits, what holds an entity, and what operators can do about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from integrations.core import cells, clock, masking
from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.core.errors import BadRequest
from integrations.core.filters import ColumnValueLinksFilter
from integrations.core.pages import run_link
from integrations.gateway.support import panel
from integrations.gateway.support.advice_on_refusal import help_with
from integrations.outbox import entry_states, outbox_pauses, queries, replays
from integrations.outbox.models import Entry, TenantOutbox
from integrations.tenants.names import TenantNames
from integrations.vault import signed_tables

_LABELS = {"waiting": "info", "sent": "info", "done": "success", "unknown": "danger", "rejected": "danger"}
_LABELS |= {"conflict": "warning", "discarded": "default"}


@admin.register(TenantOutbox)
class OutboxAdmin(TenantNames, ReadOnlyAdmin):
    """Outboxes by tenant, with the actions pause and resume."""

    tenant_id_path = "tenant_id"
    list_display = ("tenant_heading", "app", "sends", "open_entries", "trouble", "due_at")
    list_display_links = ("open_entries",)  # the first column leads to the tenant
    list_filter = ("enabled", "app", "level")
    list_select_related = ("app",)
    search_fields = ("=tenant_id",)
    search_help_text = "A tenant's name or whole id"
    ordering = ("-pk",)
    actions = ("pause", "resume")
    fields = ("app", ("tenant_link", "level", "tenant_id"), ("sends", "due_at"), "open_entries", "trouble")
    readonly_fields = ("tenant_link", "sends", "open_entries", "trouble")

    def applies_to(self, row: TenantOutbox, action: str) -> bool:
        """An outbox is paused or resumed, whichever it is not."""
        return (action == "pause") == outbox_pauses.sends(row)

    @display(description="sends", boolean=True, ordering="enabled")
    def sends(self, box: TenantOutbox) -> bool:
        """Whether it is not paused."""
        return outbox_pauses.sends(box)

    @display(description="entries")
    def open_entries(self, box: TenantOutbox) -> str:
        """The numbers of entries that are not done, by state."""
        found = queries.counts([box.pk]).get(box.pk, {})
        return ", ".join(f"{number:,} {state}" for state, number in found.items()) or "all done"

    @display(description="trouble")
    def trouble(self, box: TenantOutbox) -> SafeString:
        """The error of the latest run."""
        text = queries.trouble(box)
        return cells.long_text(masking.text(text) if masking.is_masked(box) else text, trouble=True)

    @action(description="Pause", permissions=["operate"])
    def pause(self, request: HttpRequest, queryset: QuerySet[TenantOutbox]) -> None:
        """Send nothing more until they are resumed."""
        done = outbox_pauses.pause(queryset, by=operator(request))
        self.message_user(request, f"Outboxes paused: {len(done)}.", messages.SUCCESS)

    @action(description="Resume", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[TenantOutbox]) -> None:
        """Send on."""
        done = outbox_pauses.resume(queryset, by=operator(request))
        self.message_user(request, f"Outboxes resumed: {len(done)}.", messages.SUCCESS)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may pause."""
        return request.user.has_perm("outbox.change_tenantoutbox")


@admin.register(Entry)
class EntryAdmin(TenantNames, ReadOnlyAdmin):
    """Entries of outboxes, with the decisions about those that hold others."""

    personal = Entry.PERSONAL
    is_live = True
    tenant_id_path = "outbox__tenant_id"
    list_display = ("operation", "key", "entity", "state_label", "tenant_heading", "error_text", "created_at")
    list_filter = ("state", ("operation", ColumnValueLinksFilter))
    list_select_related = ("outbox__app",)
    search_fields = ("=outbox__tenant_id", "=key", "=entity")
    search_help_text = "A tenant's name or whole id, a whole key, or an entity"
    ordering = ("-pk",)
    actions = ("it_happened", "it_did_not_happen", "send_again", "put_again", "replay", "discard")
    fields = (
        ("operation", "state"),
        ("tenant_link", "tenant_id"),
        ("entity", "key", "lane"),
        "put_by",
        ("created_at", "sent_at", "settled_at"),
        ("error_text", "trace_id"),
        "vendor_answer_json",
        "changed_values",
        "params_json",
        "body_json",
        "answer_json",
        "what_to_do",
    )
    readonly_fields = (
        "what_to_do",
        "vendor_answer_json",
        "changed_values",
        "tenant_link",
        "tenant_id",
        "put_by",
        "error_text",
        "params_json",
        "body_json",
        "answer_json",
    )

    class Media:
        css = {"all": ("site/history.css", *panel.STYLES)}
        js = panel.SCRIPTS

    @display(description="state", ordering="state", label=_LABELS)
    def state_label(self, entry: Entry) -> cells.Label:
        """The state as a label."""
        return cells.Label(entry.state, entry.get_state_display())

    def applies_to(self, row: Entry, action: str) -> bool:
        """Only an entry of unknown fate is decided about; one that is done is replayed while it keeps its call.

        One that this application did not put is discarded, whatever its row says of its fate.
        """
        state = Entry.State
        if action == "discard" and row.state in (state.SENT, state.UNKNOWN):
            return not signed_tables.is_ours(row)
        if action == "replay":
            return row.state == state.DONE and row.sealed is not None
        fits = {
            "put_again": (state.CONFLICT,) if row.found is not None else (),
            "send_again": (state.REJECTED, state.CONFLICT, state.DISCARDED),
            "discard": (state.WAITING, state.REJECTED, state.CONFLICT),
        }
        return row.state in fits.get(action, (state.UNKNOWN,))

    @display(description="tenant's id")
    def tenant_id(self, entry: Entry) -> str:
        """The id of the company or location."""
        return entry.outbox.tenant_id

    @display(description="put by")
    def put_by(self, entry: Entry) -> SafeString | str:
        """The run or the webhook that put it; a dash for code that is in neither."""
        return run_link.html(entry.put_in)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        """The entries, each with the one that holds it."""
        rows: QuerySet[Entry] = super().get_queryset(request)
        return rows.annotate(held_by=queries.held_by())

    @display(description="trouble")
    def error_text(self, entry: Any) -> SafeString:
        """Why it holds the later entries of its entity, or which earlier one it waits for."""
        if entry.held_by is None:
            return cells.long_text(entry.error, trouble=True)
        page = reverse("admin:outbox_entry_change", args=[entry.held_by])
        link = '<a class="tenant-link" href="{}">an earlier entry of its entity</a>'
        return format_html("<span>is held by " + link + ": decide about that one</span>", page)

    @display(description="expected, and found")
    def changed_values(self, entry: Entry) -> SafeString | str:
        """Both values of each field that differs from what the app expected."""
        if entry.found is None:
            return cells.json_text(entry.expected)
        expected = entry.expected or {}
        rows = [(name, _shown(expected.get(name)), _shown(value)) for name, value in entry.found.items()]
        return render_to_string("admin/outbox/changed_values.html", {"rows": rows})

    @display(description="parameters")
    def params_json(self, entry: Entry) -> SafeString | str:
        """The parameters, until it is done."""
        return cells.json_text(entry.params or None)

    @display(description="body")
    def body_json(self, entry: Entry) -> SafeString | str:
        """The body, until it is done."""
        return cells.json_text(entry.body)

    @display(description="answer")
    def answer_json(self, entry: Entry) -> SafeString | str:
        """What HighLevel answered to an entry that is done."""
        return cells.json_text(entry.answer)

    @display(description="HighLevel's answer, redacted")
    def vendor_answer_json(self, entry: Entry) -> SafeString | str:
        """What HighLevel answered when it refused the call."""
        return cells.json_text(entry.vendor_answer)

    @display(description="what to do")
    def what_to_do(self, entry: Entry) -> SafeString | str:
        """Steps, channels of the vendor's support, and the report to send, if HighLevel refused it or failed."""
        if entry.state != Entry.State.REJECTED and not entry.vendor_answer:
            return "–"
        return panel.html(help_with(queries.refused_call(entry)))

    @action(description="It happened: go on", permissions=["decide"])
    def it_happened(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """Take entries of unknown fate as done."""
        by, now = operator(request), clock.now()
        self._each(request, queryset, lambda pk: entry_states.decide(pk, now, happened=True, by=by))

    @action(description="It did not happen: send it", permissions=["decide"])
    def it_did_not_happen(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """Send entries of unknown fate again."""
        by, now = operator(request), clock.now()
        self._each(request, queryset, lambda pk: entry_states.decide(pk, now, happened=False, by=by))

    @action(description="Send if the record is still as found", permissions=["decide"])
    def put_again(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """Send entries whose record has changed, if it still holds what was found. If not, they are conflicts again."""
        by = operator(request)
        self._each(request, queryset, lambda pk: entry_states.put_again(pk, by=by))

    @action(description="Send again", permissions=["decide"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """Send rejected entries again, and conflicts: in spite of the entry that has their key, or over what the record
        holds now.
        """
        by = operator(request)
        self._each(request, queryset, lambda pk: entry_states.send_again(pk, by=by))

    @action(description="Make the call again", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """Put the calls of done entries again, as other entries behind all of their entity."""
        by = operator(request)
        self._each(request, queryset, lambda pk: replays.replay(pk, by=by))

    @action(description="Discard", permissions=["discard"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        """Never send these entries."""
        by = operator(request)
        self._each(request, queryset, lambda pk: entry_states.discard(pk, by=by))

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may decide and send again."""
        return request.user.has_perm("outbox.change_entry")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may discard."""
        return request.user.has_perm("outbox.delete_entry")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may have done calls made again: who may pause an outbox."""
        return request.user.has_perm("outbox.change_tenantoutbox")

    def _each(self, request: HttpRequest, queryset: QuerySet[Entry], act: Callable[[int], Entry]) -> None:
        done = 0
        for pk in queryset.order_by("pk").values_list("pk", flat=True):
            try:
                act(pk)
                done += 1
            except BadRequest as error:
                self.message_user(request, str(error), messages.ERROR)
        if done:
            self.message_user(request, f"Done for {done} {'entry' if done == 1 else 'entries'}.", messages.SUCCESS)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
