"""Operators' pages that need more than one room: installations with the health of their credentials, and the users.

Every action leaves an audit entry with the operator's name. What changes something is a POST from the list, or a
dialog; never a link.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.dataclasses import ActionDialog
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, BaseDialogForm, UserChangeForm, UserCreationForm

from integrations.core import audit, clock
from integrations.core.admin import ReadOnlyAdmin, after_dialog, operator
from integrations.core.jobs import enqueue
from integrations.installs import uninstall
from integrations.installs.claim import claim
from integrations.tenants.models import Installation, UserType
from integrations.tokens.models import Credential

_STATUS = {
    Installation.Status.INSTALLED: "success",
    Installation.Status.PENDING: "info",
    Installation.Status.UNINSTALLED: "default",
}
_HEALTH = {
    "active": "success",
    "suspended": "warning",
    "needs reconnect": "danger",
    "revoked": "default",
    "none": "default",
}
_CLEAN_UP = ActionDialog(
    title="Remove this installation here",
    description="Wipes its tokens, its sync plans and its records, and for an agency those of all its locations. "
    "The vendor is not asked to uninstall; this is for an uninstall whose event never came.",
    form_class=None,
    form_submit_text="Remove",
)


@admin.register(Installation)
class InstallationAdmin(ReadOnlyAdmin):
    list_display = ("place", "user_type", "status_label", "health", "origin", "claimed", "status_at", "app")
    list_filter = ("status", "user_type", "origin", ("claimed_at", admin.EmptyFieldListFilter), "app")
    list_select_related = ("app", "company", "location")
    search_fields = ("resource_id", "company__id", "company__name", "location__name", "installer_id")
    search_help_text = "Name or id of a company or location"
    ordering = ("-status_at",)
    actions = ("claim_here", "reconcile_now")
    actions_detail = ("clean_up",)
    fieldsets = (
        (None, {"fields": ("app", ("user_type", "resource_id"), ("company", "location"), "parent")}),
        ("State", {"fields": (("status", "status_at"), ("health", "generation"), "origin", ("plan_id", "version_id"))}),
        ("Owner", {"fields": (("claimed_at", "claimed_by"), "installer_id")}),
        ("Bulk", {"fields": (("is_bulk", "install_to_future"), ("reconciled_at", "reconcile_due_at"))}),
    )
    readonly_fields = ("health",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Installation]:
        held = Credential.objects.filter(
            app=OuterRef("app"), user_type=OuterRef("user_type"), resource_id=OuterRef("resource_id"), api=2
        )
        queryset: QuerySet[Installation] = super().get_queryset(request)
        return queryset.annotate(credential_state=Subquery(held.values("state")[:1]))

    def has_operate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("tenants.change_installation")

    @display(description="place", ordering="resource_id", header=True)
    def place(self, row: Installation) -> tuple[str, str]:
        named = row.location if row.user_type == UserType.LOCATION else row.company
        return str(named or row.resource_id), row.resource_id

    @display(description="status", ordering="status", label=_STATUS)
    def status_label(self, row: Installation) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @display(description="credential", ordering="credential_state", label=_HEALTH)
    def health(self, row: Any) -> str:
        return (row.credential_state or "none").replace("_", " ")

    @display(description="claimed", boolean=True, ordering="claimed_at")
    def claimed(self, row: Installation) -> bool:
        return row.claimed_at is not None

    @action(description="Claim for its users", permissions=["operate"])
    def claim_here(self, request: HttpRequest, queryset: QuerySet[Installation]) -> None:
        now = clock.now()
        rows = queryset.exclude(status=Installation.Status.UNINSTALLED)
        claimed = sum(claim(row, by=operator(request), now=now) for row in rows)
        self.message_user(request, f"{claimed} installations claimed.", messages.SUCCESS)

    @action(description="Reconcile now", permissions=["operate"])
    def reconcile_now(self, request: HttpRequest, queryset: QuerySet[Installation]) -> None:
        rows = list(queryset.exclude(status=Installation.Status.UNINSTALLED))
        Installation.objects.filter(pk__in=[row.pk for row in rows]).update(reconcile_due_at=clock.now())
        for row in rows:
            enqueue("installs.reconcile", installation_id=row.pk)
            audit.record("install.reconcile_requested", actor=operator(request), subject=_subject(row))
        self.message_user(request, f"{len(rows)} installations are on their way to a worker.", messages.SUCCESS)

    @action(
        description="Remove here",
        permissions=["operate"],
        dialog=_CLEAN_UP,
        variant=ActionVariant.DANGER,
        icon="delete_sweep",
    )
    def clean_up(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        row = Installation.objects.select_related("app", "company", "location").get(pk=object_id)
        remove = uninstall.company if row.user_type == UserType.COMPANY else uninstall.location
        audit.record("install.removal_requested", actor=operator(request), subject=_subject(row))
        actor = operator(request)
        if remove(row, at=clock.now(), why=f"removed by {actor}", actor=actor):
            self.message_user(request, f"{row} is removed here.", messages.SUCCESS)
        else:
            self.message_user(request, "Nothing to remove: it is uninstalled already.", messages.WARNING)
        return after_dialog(request, reverse("admin:tenants_installation_change", args=[object_id]))


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]
    pass


def _subject(row: Installation) -> str:
    return f"{row.user_type}:{row.resource_id}"
