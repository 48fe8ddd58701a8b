"""Admin pages of bulk upserts: the list, the form, an upsert with price and progress, its rows, and the result file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from integrations.core import cells, clock
from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.core.ages import relative, span
from integrations.core.errors import BadRequest, SealBroken
from integrations.core.pages import run_link
from integrations.gateway.support import panel
from integrations.gateway.support.advice_on_refusal import help_with
from integrations.tenants.names import TenantNames
from integrations.upserts import bulk_upsert, pricing, queries, upsert_form
from integrations.upserts.models import Upsert, UpsertRow

_LABELS = {"draft": "default", "running": "info", "waiting": "info", "complete": "success", "failed": "danger"}
_ROW_LABELS = {
    "done": "success",
    "unchanged": "default",
    "invalid": "warning",
    "refused": "danger",
    "unknown": "danger",
}


@admin.register(Upsert)
class UpsertAdmin(TenantNames, ReadOnlyAdmin):
    """Bulk upserts, the newest first. A page prepares one; nothing else is edited."""

    personal = Upsert.PERSONAL
    tenant_id_path = "tenant_id"
    is_live = True
    list_display = ("title", "operation", "tenant_heading", "state", "rows_done", "name", "when")
    list_display_links = ("title",)
    list_filter = ("phase", "app", "operation")
    list_select_related = ("app",)
    search_fields = ("=tenant_id",)
    search_help_text = "A tenant's name or whole id"
    ordering = ("-pk",)
    sortable_by = ()
    actions = ("start", "cancel", "resume", "price_again", "remove")
    asks = ("start", "cancel", "remove")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("operation", "tenant_link"),
                    ("app", "name"),
                    ("made_by", "run_link"),
                    "written_fields",
                    "price_and_progress",
                )
            },
        ),
    )
    readonly_fields = ("tenant_link", "run_link", "written_fields", "price_and_progress")

    class Media:
        css = {"all": ("site/upserts.css",)}

    def get_urls(self) -> list[URLPattern]:
        """Adds the form, and the result file."""
        new = self.admin_site.admin_view(upsert_form.NewUpsertPage(self.admin_site))
        file = self.admin_site.admin_view(upsert_form.download)
        return [
            path("new/", new, name="upserts_upsert_new"),
            path("results/<int:upsert_id>/", file, name="upserts_upsert_results"),
            *super().get_urls(),
        ]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, each upsert with its progress."""
        listed = super().get_changelist_instance(request)
        paces = queries.paces(listed.result_list, clock.now())
        for row, found in zip(listed.result_list, queries.progress_of(listed.result_list), strict=True):
            row.found_progress, row.found_pace = found, paces.get(row.pk, "")
        return listed

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may start, stop and remove upserts."""
        return request.user.has_perm("upserts.change_upsert")

    def applies_to(self, row: Upsert, action: str) -> bool:
        """A draft is started; what runs is cancelled; what has stopped before its end goes on."""
        found = queries.progress(row)
        fits = {
            "start": found.status == "draft" and found.waiting > 0,
            "price_again": found.status == "draft",
            "cancel": found.status in ("running", "waiting"),
            "resume": found.status in ("failed", "stopped"),
            "remove": found.status not in ("running", "waiting"),
        }
        return fits[action]

    @display(description="upsert")
    def title(self, upsert: Upsert) -> str:
        """Its number."""
        return f"Upsert {upsert.pk}"

    @display(description="state", label=_LABELS)
    def state(self, upsert: Upsert) -> tuple[str, str]:
        """Its status as a label."""
        found = _progress(upsert)
        return found.status, found.status

    @display(description="rows")
    def rows_done(self, upsert: Upsert) -> SafeString | str:
        """Rows about which nothing is left to do, of all."""
        found = _progress(upsert)
        unknown = f"{found.unknown:,} unknown" if found.unknown else ""
        note = "; ".join(filter(None, (unknown, getattr(upsert, "found_pace", ""))))
        return cells.progress(found.settled, found.rows, complete=found.status == "complete", note=note)

    @display(description="when")
    def when(self, upsert: Upsert) -> str:
        """Its start, or when it was prepared."""
        return relative(upsert.started_at or upsert.created_at, clock.now())

    @display(description="prepared in run")
    def run_link(self, upsert: Upsert) -> SafeString | str:
        """The run of the job that prepared it, if one did."""
        return run_link.html(upsert.made_in)

    @display(description="fields")
    def written_fields(self, upsert: Upsert) -> str:
        """The fields that the rows set."""
        return ", ".join(upsert.fields)

    @display(description="price and progress")
    def price_and_progress(self, upsert: Upsert) -> SafeString:
        """What it costs, how far it is, and its result file."""
        price = pricing.stored(upsert)
        shown = {
            "upsert": upsert,
            "price": price,
            "share": f"{price.share:.2%}" if price else "",
            "time": span(round(price.seconds)) if price else "",
            "progress": queries.progress(upsert),
            "states": UpsertRow.State.choices,
            "pace": queries.paces([upsert], clock.now()).get(upsert.pk, ""),
        }
        return render_to_string("admin/upserts/price_and_progress.html", shown)

    @action(description="Start it", permissions=["operate"])
    def start(self, request: HttpRequest, queryset: QuerySet[Upsert]) -> None:
        """Let the workers send the rows of priced drafts."""
        self._each(request, queryset, lambda pk: bulk_upsert.start(pk, by=operator(request)), "Started")

    @action(description="Cancel it", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Upsert]) -> None:
        """Send nothing more. What was sent stays."""
        self._each(request, queryset, lambda pk: bulk_upsert.cancel(pk, by=operator(request)), "Cancelled")

    @action(description="Go on", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Upsert]) -> None:
        """Send the rows that still wait."""
        self._each(request, queryset, lambda pk: bulk_upsert.resume(pk, by=operator(request)), "Going on")

    @action(description="Price it again", permissions=["operate"])
    def price_again(self, request: HttpRequest, queryset: QuerySet[Upsert]) -> None:
        """Compare drafts with the copy as it is now."""
        self._each(request, queryset, bulk_upsert.price, "Priced")

    @action(description="Remove it with its results", permissions=["operate"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Upsert]) -> None:
        """Delete upserts with their rows and results."""
        self._each(request, queryset, lambda pk: bulk_upsert.remove(pk, by=operator(request)), "Removed")

    def _each(self, request: HttpRequest, queryset: QuerySet[Upsert], act: Callable[[int], object], words: str) -> None:
        _on_each(self, request, list(queryset.order_by("pk").values_list("pk", flat=True)), act, words)


@admin.register(UpsertRow)
class UpsertRowAdmin(ReadOnlyAdmin):
    """Rows of upserts with what became of them, and the decision about those whose answer was lost."""

    personal = UpsertRow.PERSONAL
    is_live = True
    list_display = ("title", "upsert", "state_label", "record_id", "why", "said", "trace_id", "sent_at")
    list_filter = ("state",)
    list_select_related = ("upsert__app",)
    search_fields = ("=upsert__pk", "=trace_id", "=record_id")
    search_help_text = "The number of an upsert, a whole trace id, or the id of a record"
    ordering = ("-upsert", "number")
    sortable_by = ()
    actions = ("it_happened", "it_did_not_happen")
    fields = (
        ("upsert", "number", "state"),
        ("record_id", "created", "status", "times_sent"),
        ("why", "said"),
        ("trace_id", "error_code"),
        ("sent_at", "looked_up_at", "settled_at"),
        "answer",
        "what_to_do",
    )
    readonly_fields = ("why", "said", "answer", "what_to_do")

    class Media:
        css = {"all": panel.STYLES}
        js = panel.SCRIPTS

    def applies_to(self, row: UpsertRow, action: str) -> bool:
        """Only a row of unknown fate is decided about."""
        return row.state == UpsertRow.State.UNKNOWN

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may decide."""
        return request.user.has_perm("upserts.change_upsert")

    @display(description="row")
    def title(self, row: UpsertRow) -> str:
        """Its number in the file."""
        return f"Row {row.number:,}"

    @display(description="state", label=_ROW_LABELS)
    def state_label(self, row: UpsertRow) -> tuple[str, str]:
        """The state as a label."""
        return row.state, row.get_state_display()

    @display(description="why")
    def why(self, row: UpsertRow) -> SafeString:
        """Why it was not written."""
        return cells.long_text(row.error, trouble=row.state != UpsertRow.State.DONE)

    @display(description="HighLevel said")
    def said(self, row: UpsertRow) -> SafeString:
        """The vendor's own words."""
        return cells.long_text(row.vendor_message)

    @display(description="HighLevel's answer, redacted")
    def answer(self, row: UpsertRow) -> SafeString | str:
        """What HighLevel answered, as indented JSON."""
        return cells.json_text(row.vendor_answer)

    @display(description="what to do")
    def what_to_do(self, row: UpsertRow) -> SafeString | str:
        """Steps, channels of the vendor's support, and the report to send."""
        return panel.html(help_with(queries.refused_call(row))) if row.vendor_answer else "–"

    @action(description="It happened", permissions=["decide"])
    def it_happened(self, request: HttpRequest, queryset: QuerySet[UpsertRow]) -> None:
        """Take rows of unknown fate as written."""
        self._decide(request, queryset, happened=True)

    @action(description="It did not happen: send it", permissions=["decide"])
    def it_did_not_happen(self, request: HttpRequest, queryset: QuerySet[UpsertRow]) -> None:
        """Send rows of unknown fate again."""
        self._decide(request, queryset, happened=False)

    def _decide(self, request: HttpRequest, queryset: QuerySet[UpsertRow], *, happened: bool) -> None:
        rows = {row.pk: row for row in queryset.order_by("pk")}

        def decide(pk: int) -> None:
            bulk_upsert.decide(rows[pk].upsert_id, rows[pk].number, happened=happened, by=operator(request))

        _on_each(self, request, list(rows), decide, "Decided")


def _progress(upsert: Upsert) -> queries.UpsertProgress:
    found: queries.UpsertProgress | None = getattr(upsert, "found_progress", None)
    return found or queries.progress(upsert)


def _on_each(page: Any, request: HttpRequest, ids: list[int], act: Callable[[int], object], words: str) -> None:
    done = 0
    for pk in ids:
        try:
            act(pk)
            done += 1
        except (BadRequest, SealBroken) as error:  # another program wrote its row, or its key is lost
            page.message_user(request, str(error), messages.ERROR)
    if done:
        page.message_user(request, f"{words}: {done}.", messages.SUCCESS)
