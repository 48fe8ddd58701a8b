"""Admin pages of app versions (installs, laggards, countdown, export) and of the history of installations."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, Count, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from integrations.core import audit, cells, clock, masking
from integrations.core.admin import operator
from integrations.core.lists import spreadsheet
from integrations.core.lists.list_export import ListExport
from integrations.core.pages.chosen_keys import ChecksChosenKeys
from integrations.tenants import lifecycle_hooks, version_export, versions
from integrations.tenants.app_version import AppVersion
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Installation
from integrations.tenants.names import TenantNames
from integrations.vault.misfit_admin import DiscardsMisfits

_LINK = '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>'
_STATE = {"newest": "success", "lags": "warning", "deprecated": "danger", "unused": "default"}


@admin.register(AppVersion)
class AppVersionAdmin(ChecksChosenKeys, ListExport, ModelAdmin):  # type: ignore[misc]
    """Versions of the apps with their installations. Operators enter what only the developer portal shows."""

    class Media:
        css = {"all": ("site/lists.css",)}

    list_display = ("version", "app", "state", "companies", "locations", "countdown", "scope_count", "export")
    list_filter = ("app", ("deprecated_at", admin.EmptyFieldListFilter))
    list_select_related = ("app",)
    search_fields = ("version_id", "number")
    ordering = ("-entered_at",)
    fields = (
        "version_id",
        ("app", "number"),
        "scopes",
        "scopes_missing",
        ("deprecated_at", "countdown"),
        "reason",
        ("companies", "locations", "export"),
        ("entered_at", "created_at"),
    )
    readonly_fields = (
        "app",
        "version_id",
        "scopes_missing",
        "countdown",
        "companies",
        "locations",
        "export",
        "entered_at",
        "created_at",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Always False: the first installation of a version adds its row."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Always False: the row has what only the portal shows, and installations name it."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AppVersion]:
        """Annotates each version with its installations, and whether it is the newest of its app."""
        newest = [use.version.pk for app in App.objects.all() for use in versions.uses(app) if use.is_newest]
        rows: QuerySet[AppVersion] = super().get_queryset(request)
        return rows.annotate(
            on_companies=_count(Q(user_type="Company")),
            on_locations=_count(Q(user_type="Location")),
            is_newest=ExpressionWrapper(Q(pk__in=newest), output_field=BooleanField()),
        )

    def save_model(self, request: HttpRequest, obj: AppVersion, form: Any, change: bool) -> None:
        """Save what the operator entered, with an audit entry."""
        obj.save(update_fields=["number", "scopes", "deprecated_at", "reason"])
        entered = {name: form.cleaned_data[name] for name in form.changed_data}
        named = {"version": obj.version_id, "changed": audit.changes(form.initial, entered)}
        audit.record("version.changed", actor=operator(request), subject=f"app:{obj.app.highlevel_id}", **named)

    def get_urls(self) -> list[URLPattern]:
        """Adds the export."""
        export = path("<int:pk>/installations.csv", self.admin_site.admin_view(self.csv), name="tenants_appversion_csv")
        return [export, *super().get_urls()]

    def csv(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """The installations of a version as CSV. It needs the permission to view installations too."""
        if not request.user.has_perm("tenants.view_installation") or not self.has_view_permission(request):
            raise PermissionDenied
        version = get_object_or_404(AppVersion.objects.select_related("app"), pk=pk)
        subject = f"app:{version.app.highlevel_id}"
        audit.record("version.exported", actor=operator(request), subject=subject, version=version.version_id)
        name = f"installations-{version.version_id}.csv"
        headers = {"Content-Disposition": spreadsheet.attachment(name), "Cache-Control": "no-store"}
        lines = version_export.lines(version, masked=masking.applies(request))
        return StreamingHttpResponse(lines, content_type="text/csv", headers=headers)

    @display(description="version", ordering="entered_at", header=True)
    def version(self, row: AppVersion) -> tuple[str, str]:
        """Number and id."""
        return row.number or "no number yet", row.version_id

    @display(description="state", label=_STATE)
    def state(self, row: Any) -> str:
        """Newest, lagging, deprecated or unused."""
        if row.deprecated_at is not None:
            return "deprecated"
        if row.is_newest:
            return "newest"
        return "lags" if row.on_companies + row.on_locations else "unused"

    @display(description="agencies", ordering="on_companies")
    def companies(self, row: Any) -> SafeString:
        """Agencies on the version, as a link to them."""
        return _installed(row, row.on_companies, "Company")

    @display(description="locations", ordering="on_locations")
    def locations(self, row: Any) -> SafeString:
        """Locations on the version, as a link to them."""
        return _installed(row, row.on_locations, "Location")

    @display(description="uninstalled", ordering="deprecated_at")
    def countdown(self, row: AppVersion) -> str:
        """How long until the vendor uninstalls everybody on it."""
        return countdown(row) or "not deprecated"

    @display(description="scopes")
    def scope_count(self, row: AppVersion) -> str:
        """How many scopes the version asks for, and how many of the app's it lacks."""
        if not row.scopes:
            return "not entered"
        lacks = len(row.app.scope_set - row.scope_set)
        return f"{len(row.scope_set)}" + (f", lacks {lacks}" if lacks else "")

    @display(description="scopes that the app asks for and this version lacks")
    def scopes_missing(self, row: AppVersion) -> str:
        """By name."""
        return ", ".join(sorted(row.app.scope_set - row.scope_set)) if row.scopes else "unknown until they are entered"

    @display(description="list")
    def export(self, row: AppVersion) -> SafeString:
        """The link to the CSV."""
        address = reverse("admin:tenants_appversion_csv", args=[row.pk])
        return format_html(_LINK, address, "CSV")


@admin.register(InstallationChange)
class InstallationChangeAdmin(TenantNames, DiscardsMisfits):
    """The history of installations, newest first, and whether lifecycle hooks were called for it."""

    personal = InstallationChange.PERSONAL
    tenant_id_path = "installation__resource_id"
    list_display = ("at", "what", "tenant_heading", "before", "after", "event_id", "hooks")
    list_filter = ("what", ("due_at", admin.EmptyFieldListFilter), ("error", admin.EmptyFieldListFilter))
    list_select_related = ("installation__app",)
    search_fields = ("=installation__resource_id", "=event_id")
    search_help_text = "The whole id of a company or location, or of a webhook"
    ordering = ("-id",)
    actions = ("call_again", "discard")
    fields = (
        "tenant_link",
        ("installation", "generation"),
        ("what", "at"),
        "before",
        "after",
        "event_id",
        ("recorded_at", "hooks"),
    )
    readonly_fields = ("tenant_link", "before", "after", "hooks")

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the action is offered."""
        return request.user.has_perm("tenants.change_installation")

    @display(description="before")
    def before(self, row: InstallationChange) -> SafeString:
        """The value before."""
        return cells.long_text(shown(row.old))

    @display(description="after")
    def after(self, row: InstallationChange) -> SafeString:
        """The value after."""
        return cells.long_text(shown(row.new))

    @display(description="hooks")
    def hooks(self, row: InstallationChange) -> str:
        """How far the calls of lifecycle hooks are."""
        if row.error:
            return f"{row.error}, {'called again later' if row.due_at else 'given up'}"
        return "due" if row.due_at else f"{len(row.delivered)} called"

    @action(description="Call its hooks again", permissions=["operate"])
    def call_again(self, request: HttpRequest, queryset: QuerySet[InstallationChange]) -> None:
        """Call the hooks again that failed."""
        ids = lifecycle_hooks.call_again(queryset)
        audit.record("hooks.called_again", actor=operator(request), subject="hooks", changes=len(ids))
        self.message_user(request, f"{len(ids)} changes are delivered again.", messages.SUCCESS)


def shown(value: Any) -> str:
    """A value of the history as text."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {item}" for name, item in value.items() if item not in (None, ""))
    return " ".join(map(str, value)) if isinstance(value, list) else json.dumps(value).strip('"')


def countdown(version: AppVersion) -> str:
    """Days until a version's installations are uninstalled; empty without a deprecation."""
    if version.deprecated_at is None:
        return ""
    if version.is_deprecated(now := clock.now()):
        return f"since {version.deprecated_at:%Y-%m-%d}"
    days = (version.deprecated_at - now).days
    return f"{version.deprecated_at:%Y-%m-%d}, in {days} day{'' if days == 1 else 's'}"


def _count(chosen: Q) -> Coalesce:
    rows = Installation.objects.not_uninstalled().filter(chosen, app=OuterRef("app"), version_id=OuterRef("version_id"))
    counted = rows.order_by().values("version_id").annotate(found=Count("pk")).values("found")
    return Coalesce(Subquery(counted), 0)


def _installed(row: AppVersion, count: int, user_type: str) -> SafeString:
    address = reverse("admin:tenants_installation_changelist")
    query = f"?app__id__exact={row.app_id}&version_id={row.version_id}&user_type__exact={user_type}"
    return format_html(_LINK, address + query, f"{count:,}")
