"""Admin pages of purges: the list with its receipts, the page that asks for one, and cancelling."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.dataclasses import ActionDialog
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from integrations.core import cells, clock
from integrations.core.admin import ReadOnlyAdmin, after_dialog, operator
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant, UserType
from integrations.privacy import purge_requests, purge_scope, purge_stages, receipts
from integrations.privacy.models import Purge
from integrations.tenants import names
from integrations.tenants.names import TenantNames

_STATUS = {
    Purge.Status.WAITING: "warning",
    Purge.Status.RUNNING: "info",
    Purge.Status.COMPLETE: "success",
    Purge.Status.CANCELLED: "default",
}
_CANCEL = ActionDialog(
    title="Cancel this purge",
    description="Nothing was deleted yet. The data stays until an operator asks for a purge again.",
    form_class=None,
    form_submit_text="Cancel the purge",
)


@admin.register(Purge)
class PurgeAdmin(TenantNames, ReadOnlyAdmin):
    """Purges, the newest first. `ask` shows what would go and takes the request."""

    tenant_id_path = "tenant_id"
    list_display_links = ("what",)
    list_display = ("tenant_heading", "what", "status_label", "deleted", "requested_by", "requested_at", "begins_at")
    list_filter = ("status", "of_contact")
    search_fields = ("=tenant_id",)
    search_help_text = "A company's or location's name or whole id"
    ordering = ("-pk",)
    actions_detail = ("cancel",)
    fieldsets = (
        (None, {"fields": (("tenant_link", "tenant_id"), ("what", "status"), "next_step")}),
        ("Times", {"fields": (("requested_at", "requested_by"), ("begins_at", "begun_at"), ("finished_at", "passes"))}),
        ("Receipt", {"fields": ("receipt", "deleted_by_kind")}),
    )
    readonly_fields = ("tenant_link", "what", "next_step", "deleted_by_kind")

    def has_operate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the operator may cancel the purge, which is offered while it waits."""
        waits = object_id is None or Purge.objects.filter(pk=object_id, status=Purge.Status.WAITING).exists()
        return waits and request.user.has_perm("privacy.change_purge")

    def get_urls(self) -> list[URLPattern]:
        """Adds the page that asks for a purge."""
        ask = path("ask/<str:kind>/<str:tenant_id>/", self.admin_site.admin_view(self.ask), name="privacy_purge_ask")
        return [ask, *super().get_urls()]

    def ask(self, request: HttpRequest, kind: str, tenant_id: str) -> HttpResponse:
        """Show what the purge of a tenant, or of its contact `?contact=`, would delete. POST asks for the purge."""
        if not request.user.has_perm("privacy.add_purge"):
            raise PermissionDenied
        if kind not in UserType.values:
            raise Http404
        tenant = Tenant(UserType(kind), tenant_id)
        contact = (request.POST if request.method == "POST" else request.GET).get("contact", "").strip()
        if request.method == "POST":
            purge, refused = _requested(request, tenant, contact)
            if purge is not None:
                self.message_user(request, receipts.state(purge, clock.now()), messages.SUCCESS)
                return redirect(reverse("admin:privacy_purge_change", args=[purge.pk]))
        else:
            refused = ""
        context = {**self.admin_site.each_context(request), **_shown(tenant, contact, refused), "title": "Purge"}
        return render(request, "admin/privacy/ask.html", context)

    @display(description="what")
    def what(self, purge: Purge) -> str:
        """A tenant, with its locations, or a contact."""
        if purge.of_contact:
            return "one contact"
        return f"agency, {len(purge.locations):,} locations" if purge.user_type == UserType.COMPANY else "location"

    @display(description="status", ordering="status", label=_STATUS)
    def status_label(self, purge: Purge) -> tuple[str, str]:
        """Status as a coloured label."""
        return purge.status, purge.get_status_display()

    @display(description="deleted")
    def deleted(self, purge: Purge) -> str:
        """How many rows and keys were deleted."""
        return f"{sum(purge.counts.values()):,}"

    @display(description="next")
    def next_step(self, purge: Purge) -> str:
        """What happens next."""
        return receipts.state(purge, clock.now())

    @display(description="deleted, by kind")
    def deleted_by_kind(self, purge: Purge) -> SafeString | str:
        """The counts."""
        titles = purge_stages.titles(purge.of_contact)
        return cells.json_text({titles.get(name, name): number for name, number in purge.counts.items()})

    @action(
        description="Cancel the purge",
        permissions=["operate"],
        dialog=_CANCEL,
        variant=ActionVariant.DANGER,
        icon="undo",
    )
    def cancel(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Cancel a purge whose grace period is not over."""
        try:
            purge_requests.cancel(Purge.objects.get(pk=object_id), actor=operator(request))
            self.message_user(request, "The purge is cancelled: nothing was deleted.", messages.SUCCESS)
        except BadRequest as error:
            self.message_user(request, str(error), messages.ERROR)
        return after_dialog(request, reverse("admin:privacy_purge_change", args=[object_id]))


def _requested(request: HttpRequest, tenant: Tenant, contact: str) -> tuple[Purge | None, str]:
    """The purge that was asked for, or why it was refused."""
    if request.POST.get("confirm", "").strip() != (contact or tenant.id):
        return None, "Nothing was changed: the id that you entered is another one."
    try:
        return purge_requests.request(tenant, actor=operator(request), contact=contact), ""
    except BadRequest as error:
        return None, str(error)


def _shown(tenant: Tenant, contact: str, refused: str) -> dict[str, Any]:
    scope = purge_scope.of(tenant, contact=contact)
    titles = purge_stages.titles(bool(contact))
    rows, obstacle = [], ""
    try:
        purge_requests.check(scope)
        rows = [(titles[name], number) for name, number in purge_stages.counts(scope).items() if number != 0]
    except BadRequest as error:
        obstacle = str(error)
    return {
        "tenant": tenant,
        "tenant_title": names.by_id([tenant.id]).get(tenant.id, tenant.id),
        "is_location": tenant.user_type == UserType.LOCATION,
        "contact": contact,
        "confirmed_by": contact or tenant.id,
        "locations_below": len(scope.locations) if scope.companies else 0,
        "kinds": rows,
        "obstacle": obstacle,
        "refused": refused if refused != obstacle else "",
        "begins_at": clock.now() + purge_requests.grace(),
    }
