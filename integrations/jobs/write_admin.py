"""Admin of writes of unknown fate: what a person sees of one, and the two decisions, on runs and on writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from integrations.core import cells, clock, masking
from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.core.errors import BadRequest
from integrations.core.filters import ColumnValueLinksFilter
from integrations.jobs import queries, writes
from integrations.jobs.models import Run, Write
from integrations.tenants.names import TenantNames


class DecidesWrites(ModelAdmin):  # type: ignore[misc]
    """Adds the actions "it happened" and "it did not happen". `writes_of` finds the writes of the chosen rows."""

    def writes_of(self, queryset: QuerySet[Any]) -> Iterable[Write]:
        """The unknown writes of these rows."""
        raise NotImplementedError

    @action(description="It happened: go on", permissions=["decide"])
    def it_happened(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Take the unknown writes as done, without an answer, and let their runs go on."""
        self._decide(request, queryset, happened=True)

    @action(description="It did not happen: send it and go on", permissions=["decide"])
    def it_did_not_happen(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Forget the unknown writes and let their runs go on, which send them again."""
        self._decide(request, queryset, happened=False)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may decide."""
        return request.user.has_perm("jobs.change_write")

    def _decide(self, request: HttpRequest, queryset: QuerySet[Any], *, happened: bool) -> None:
        decided = 0
        for write in self.writes_of(queryset):
            try:
                writes.decide(write.pk, clock.now(), happened=happened, by=operator(request))
                decided += 1
            except BadRequest as error:
                self.message_user(request, f"write {write.pk}: {error}", messages.ERROR)
        if decided:
            self.message_user(request, f"{decided} writes were decided; their runs go on.", messages.SUCCESS)
        elif not queryset.exists() or not list(self.writes_of(queryset)):
            self.message_user(request, "None of these waits for a decision.", messages.WARNING)


class DecidesWritesOfRuns(DecidesWrites):
    """For the page of runs: shows the write over which a run stopped."""

    def writes_of(self, queryset: QuerySet[Run]) -> Iterable[Write]:
        """The writes over which these runs stopped."""
        return [write for run in queryset.filter(status=Run.Status.UNKNOWN) for write in queries.unknown_writes(run)]

    @display(description="did it happen?")
    def unknown_write(self, run: Run) -> SafeString | str:
        """The calls of unknown fate, with their parameters and bodies."""
        found = queries.unknown_writes(run) if run.status == Run.Status.UNKNOWN else []
        if masking.is_masked(run):
            for one in found:
                masking.columns(one, Write.PERSONAL)
        parts = [format_html("{} ({})<br>{}", one.operation, one.reason, _request(one)) for one in found]
        return SafeString("".join(parts)) or "–"


@admin.register(Write)
class WriteAdmin(TenantNames, DecidesWrites, ReadOnlyAdmin):
    """Writes of jobs: those with a key, those of unknown fate, and those of runs under way."""

    personal = Write.PERSONAL
    tenant_id_path = "schedule__tenant_id"
    list_display = ("operation", "key", "state_label", "job", "tenant_heading", "reason", "sent_at")
    list_filter = ("state", "schedule__job", ("operation", ColumnValueLinksFilter))
    list_select_related = ("schedule__app",)
    search_fields = ("=schedule__tenant_id", "=key")
    search_help_text = "A tenant's name or whole id, or a whole key"
    ordering = ("-pk",)
    actions = ("it_happened", "it_did_not_happen")
    fields = (
        ("operation", "key", "state_label"),
        ("job", "tenant_link", "tenant_id"),
        ("sent_at", "settled_at"),
        "reason",
        "request_json",
        "answer_json",
    )
    readonly_fields = ("state_label", "job", "tenant_link", "tenant_id", "request_json", "answer_json")

    def applies_to(self, row: Write, action: str) -> bool:
        """Only a write of unknown fate waits for a decision."""
        return row.state == Write.State.UNKNOWN

    def writes_of(self, queryset: QuerySet[Write]) -> Iterable[Write]:
        """The unknown ones."""
        return queryset.filter(state=Write.State.UNKNOWN)

    @display(description="state", ordering="state", label={"unknown": "danger", "sent": "info", "confirmed": "success"})
    def state_label(self, write: Write) -> cells.Label:
        """The state as a label."""
        return cells.Label(write.state, write.get_state_display())

    @display(description="job", ordering="schedule__job")
    def job(self, write: Write) -> str:
        """The name of the job."""
        return write.schedule.job

    @display(description="tenant's id")
    def tenant_id(self, write: Write) -> str:
        """The id of the company or location."""
        return write.schedule.tenant_id

    @display(description="parameters and body")
    def request_json(self, write: Write) -> SafeString | str:
        """The request; empty once it is answered."""
        return cells.json_text(write.request or None)

    @display(description="answer")
    def answer_json(self, write: Write) -> SafeString | str:
        """The answer, which the job gets again."""
        return cells.json_text(write.answer)


def _request(write: Write) -> SafeString | str:
    return cells.json_text(write.request)
