"""Admin pages that need several rooms: installations with the state of their credentials.

Every action records an audit entry with the operator's name. Actions that change something are POST requests, from the
list or from a dialog, never links.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.dataclasses import ActionDialog
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from integrations.console import bulk_admin as bulk_admin  # Django finds the actions over many rows here
from integrations.console.installation_details import InstallationDetails, MissingScopes
from integrations.console.tenant_page import tenant_admin as tenant_admin  # Django finds companies and locations here
from integrations.console.workers_page import worker_admin as worker_admin  # Django finds the workers here
from integrations.core import audit, clock
from integrations.core.admin import ReadOnlyAdmin, after_dialog, operator
from integrations.core.filters import ColumnValueLinksFilter
from integrations.core.pages import tenant_links
from integrations.core.tenant import UserType
from integrations.installs import brake, uninstall
from integrations.installs.claim import claim
from integrations.tenants.models import Installation, Location
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
    description="Deletes its tokens, sync plans and records, and for an agency those of all its locations. "
    "This does not uninstall the app at HighLevel, nor end a private token or an API key there. Use it when an "
    "UNINSTALL event never arrived, or to disconnect a token that was entered by hand.",
    form_class=None,
    form_submit_text="Remove",
)
_RELEASE = ActionDialog(
    title="Uninstall the missing locations",
    description="Many locations are missing from HighLevel's list of this agency, while their own tokens still work. "
    "They are kept until an operator decides. HighLevel is asked for each once more, and those that its list does "
    "not have are removed with their records.",
    form_class=None,
    form_submit_text="Let them go",
)


@admin.register(Installation)
class InstallationAdmin(InstallationDetails, ReadOnlyAdmin):
    """Installations, with actions to claim them, to reconcile them and to remove them here."""

    personal = Installation.PERSONAL
    exported = ("credential_state", "connected", "expected")
    list_display_links = ("status_label",)  # the first column leads to the tenant
    list_display = (
        "tenant",
        "user_type",
        "status_label",
        "kind",
        "health",
        "locations",
        "origin",
        "claimed",
        "status_at",
        "app",
    )
    list_filter = (
        "status",
        "user_type",
        "kind",
        "origin",
        ("claimed_at", admin.EmptyFieldListFilter),
        ("braked_at", admin.EmptyFieldListFilter),
        MissingScopes,
        ("version_id", ColumnValueLinksFilter),
        "app",
    )
    list_select_related = ("app", "company", "location")
    search_fields = ("resource_id", "company__id", "company__name", "location__name", "installer_id")
    search_help_text = "Name or id of a company or location"
    ordering = ("-status_at",)
    actions = ("claim_here", "reconcile_now")
    actions_detail = ("release", "clean_up", "purge")
    fieldsets = (
        (None, {"fields": ("app", ("user_type", "resource_id"), ("company_link", "location_link"), "parent")}),
        (
            "State",
            {"fields": (("status", "status_at"), ("kind", "health"), ("origin", "generation"), "first_synced_at")},
        ),
        ("Permissions", {"fields": ("scopes_granted", "scopes_missing", "consent_link", "consent_answer")}),
        (
            "What HighLevel says",
            {
                "fields": (
                    "version",
                    ("plan_id", "payment_status"),
                    ("on_trial", "trial_ends_at"),
                    ("white_label", "white_label_domain"),
                    ("external_auth", "external_auth_at"),
                )
            },
        ),
        ("Owner", {"fields": (("claimed_at", "claimed_by"), ("installer_id", "installer_details"))}),
        (
            "Vendor's list",
            {
                "fields": (
                    ("is_bulk", "install_to_future"),
                    "locations",
                    ("missing", "braked_at"),
                    ("confirmed_at", "doubt"),
                    ("reconciled_at", "reconcile_due_at"),
                )
            },
        ),
        ("History", {"fields": ("history",)}),
    )
    readonly_fields = (
        "company_link",
        "location_link",
        "health",
        "locations",
        "scopes_granted",
        "scopes_missing",
        "consent_link",
        "consent_answer",
        "version",
        "trial_ends_at",
        "installer_details",
        "history",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Installation]:
        """Annotates each row with the state of the credential that it works with."""
        credentials = Credential.objects.filter(
            app=OuterRef("app"),
            user_type=OuterRef("user_type"),
            resource_id=OuterRef("resource_id"),
            kind=OuterRef("kind"),
        )
        below = Installation.objects.locations().filter(app=OuterRef("app"), company_id=OuterRef("resource_id"))
        queryset: QuerySet[Installation] = super().get_queryset(request)
        return queryset.annotate(
            credential_state=Subquery(credentials.values("state")[:1]),
            connected=_count(below.installed()),
            expected=_count(below.not_uninstalled()),
            known=_count(Location.objects.filter(company_id=OuterRef("resource_id")), by="company_id"),
        )

    def applies_to(self, row: Installation, action: str) -> bool:
        """What is uninstalled is neither claimed nor reconciled, and what is claimed is not claimed again."""
        here = row.status != Installation.Status.UNINSTALLED
        return here and (action != "claim_here" or row.claimed_at is None)

    def has_operate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the actions are offered."""
        return request.user.has_perm("tenants.change_installation")

    def has_remove_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the operator may end installations here."""
        return request.user.has_perm("tenants.delete_installation")

    def has_release_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the operator may end the brake; a location has none."""
        if object_id is not None and not Installation.objects.filter(pk=object_id, user_type=UserType.COMPANY).exists():
            return False
        return self.has_remove_permission(request)

    @display(description="tenant", ordering="resource_id", header=True)
    def tenant(self, row: Installation) -> tuple[SafeString, str]:
        """Name and id of the company or location."""
        named = row.location if row.user_type == UserType.LOCATION else row.company
        return tenant_links.link(row.tenant, str(named or row.resource_id)), row.resource_id

    @display(description="status", ordering="status", label=_STATUS)
    def status_label(self, row: Installation) -> tuple[str, str]:
        """Status as a coloured label."""
        return row.status, row.get_status_display()

    @display(description="credential", ordering="credential_state", label=_HEALTH)
    def health(self, row: Any) -> str:
        """State of the credential; "none" without one."""
        return (row.credential_state or "none").replace("_", " ")

    @display(description="locations")
    def locations(self, row: Any) -> str:
        """Progress of an agency's installation: connected locations of all, and how many are missing. An entered token
        lists locations and connects none."""
        if row.user_type != UserType.COMPANY:
            return ""
        if not row.abilities.reported:
            return f"{row.known:,} known, {row.connected:,} connected: each needs a token of its own"
        missing = f", {row.missing:,} missing" if row.braked_at else ""
        return f"{row.connected:,} of {row.expected:,} connected{missing}"

    @display(description="claimed", boolean=True, ordering="claimed_at")
    def claimed(self, row: Installation) -> bool:
        """Whether web users may see it."""
        return row.claimed_at is not None

    @action(description="Claim for its users", permissions=["operate"])
    def claim_here(self, request: HttpRequest, queryset: QuerySet[Installation]) -> None:
        """Claim the selected installations in the operator's name."""
        now = clock.now()
        claimed = sum(claim(row, by=operator(request), now=now) for row in queryset)
        self.message_user(request, f"{claimed} installations claimed.", messages.SUCCESS)

    @action(description="Reconcile now", permissions=["operate"])
    def reconcile_now(self, request: HttpRequest, queryset: QuerySet[Installation]) -> None:
        """Send a reconcile task for each of the selected installations."""
        rows = list(queryset.exclude(status=Installation.Status.UNINSTALLED))
        Installation.objects.filter(pk__in=[row.pk for row in rows]).reconcile_at(clock.now())
        for row in rows:
            audit.record("install.reconcile_requested", actor=operator(request), subject=_subject(row))
        self.message_user(request, f"{len(rows)} installations were sent to a worker.", messages.SUCCESS)

    @action(
        description="Uninstall missing locations",
        permissions=["release"],
        dialog=_RELEASE,
        variant=ActionVariant.DANGER,
        icon="lock_open",
    )
    def release(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """End the brake of a company: the locations that are missing from the vendor's list are uninstalled."""
        row = Installation.objects.select_related("app", "company").get(pk=object_id)
        released = brake.release(row, actor=operator(request))
        if released:
            self.message_user(
                request, f"{released:,} locations will be checked and uninstalled by a worker.", messages.SUCCESS
            )
        else:
            self.message_user(request, "None of its locations wait for a decision.", messages.WARNING)
        return after_dialog(request, reverse("admin:tenants_installation_change", args=[object_id]))

    @action(
        description="Remove here",
        permissions=["remove"],
        dialog=_CLEAN_UP,
        variant=ActionVariant.DANGER,
        icon="delete_sweep",
    )
    def clean_up(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        """Uninstall here without a call to the vendor, when the UNINSTALL event never arrived."""
        row = Installation.objects.select_related("app", "company", "location").get(pk=object_id)
        audit.record("install.removal_requested", actor=operator(request), subject=_subject(row))
        actor = operator(request)
        if uninstall.removed(row, at=clock.now(), actor=actor):
            self.message_user(request, f"{row} is removed here.", messages.SUCCESS)
        else:
            self.message_user(request, "Nothing to remove: it is uninstalled already.", messages.WARNING)
        return after_dialog(request, reverse("admin:tenants_installation_change", args=[object_id]))

    @action(description="Purge its data …", permissions=["purge"], icon="delete_forever")
    def purge(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Open the page that shows what a purge would delete, and asks for it."""
        row = get_object_or_404(Installation, pk=object_id)
        return redirect(reverse("admin:privacy_purge_ask", args=[row.user_type, row.resource_id]))

    def has_purge_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the operator may ask for purges."""
        return request.user.has_perm("privacy.add_purge")


def _count(rows: QuerySet[Any], *, by: str = "app") -> Coalesce:
    """The number of rows of a subquery, which refers to the outer row."""
    counted = rows.order_by().values(by).annotate(found=Count("pk")).values("found")
    return Coalesce(Subquery(counted), 0)


def _subject(row: Installation) -> str:
    return row.tenant.audit_subject
