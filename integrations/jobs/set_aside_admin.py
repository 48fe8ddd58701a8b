"""Django admin of the events on which a job failed, and what operators can do with them."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from integrations.core import audit, cells, masking
from integrations.core.admin import ReadOnlyAdmin, operator
from integrations.core.filters import ColumnValueLinksFilter
from integrations.core.pages import timeline_link
from integrations.jobs import events
from integrations.jobs.models import Trigger, TriggerQuerySet
from integrations.tenants.names import TenantNames


@admin.register(Trigger)
class TriggerAdmin(TenantNames, ReadOnlyAdmin):
    """Events on which a job failed, with the actions run again and discard. They concern that job alone."""

    personal = {"error": masking.text}
    tenant_id_path = "schedule__tenant_id"
    list_display = ("job", "tenant_heading", "event_type", "webhook_id", "error_text", "set_aside_at")
    list_filter = ("schedule__job", ("error_code", ColumnValueLinksFilter), "set_aside_at")
    list_select_related = ("event", "change__installation", "schedule__app")
    search_fields = ("=event__webhook_id", "=schedule__tenant_id", "schedule__job")
    search_help_text = "A tenant's name or whole id, a webhook's id, or a job"
    ordering = ("-set_aside_at",)
    actions = ("run_again", "discard")
    asks = ("discard",)
    fields = (
        "job",
        ("tenant_link", "tenant_id"),
        ("event_type", "webhook_id"),
        ("set_aside_at", "error_code"),
        "error_text",
    )
    readonly_fields = ("job", "tenant_link", "tenant_id", "event_type", "webhook_id", "error_text")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trigger]:
        """Only events that were set aside; those that wait are counted with their schedules."""
        triggers: QuerySet[Trigger] = super().get_queryset(request)
        return triggers.filter(set_aside_at__isnull=False)

    @display(description="job", ordering="schedule__job")
    def job(self, trigger: Trigger) -> str:
        """The name of the job."""
        return trigger.schedule.job

    @display(description="tenant's id")
    def tenant_id(self, trigger: Trigger) -> str:
        """The id of the company or location."""
        return trigger.schedule.tenant_id

    @display(description="event")
    def event_type(self, trigger: Trigger) -> str:
        """The type of the event."""
        return trigger.type

    @display(description="webhook id")
    def webhook_id(self, trigger: Trigger) -> SafeString | str:
        """The vendor's id of the webhook, or the number of the change."""
        return timeline_link.of_id(trigger.reference) if trigger.event_id else trigger.reference

    @display(description="error")
    def error_text(self, trigger: Trigger) -> SafeString:
        """Why the job failed."""
        return cells.long_text(trigger.error, trouble=True)

    @action(description="Run again for this job", permissions=["operate"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[Trigger]) -> None:
        """Let the jobs see these events again."""
        self._act(request, queryset, events.retry, "job.events_retried", "seen again")

    @action(description="Discard", permissions=["discard"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Trigger]) -> None:
        """Never let the jobs see these events. The events themselves stay."""
        self._act(request, queryset, events.discard, "job.events_discarded", "discarded")

    def _act(
        self,
        request: HttpRequest,
        queryset: QuerySet[Trigger],
        act: Callable[[TriggerQuerySet], list[int]],
        recorded: str,
        words: str,
    ) -> None:
        chosen = Trigger.objects.filter(pk__in=[trigger.pk for trigger in queryset])
        jobs = sorted(set(chosen.values_list("schedule__job", flat=True)))
        ids = act(chosen)
        audit.record(recorded, actor=operator(request), subject=f"job {', '.join(jobs)}"[:200], events=len(ids))
        self.message_user(request, f"{len(ids)} events are {words}.", messages.SUCCESS)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may use the actions."""
        return request.user.has_perm("jobs.change_trigger")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        """Whether the operator may discard events."""
        return request.user.has_perm("jobs.delete_trigger")
