"""Admin page of marketplace apps, which are edited here.

The admin of installations, companies and locations is in the room `console`, because its pages show the rooms above.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.forms import model_to_dict
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from integrations.core import audit
from integrations.core.admin import operator
from integrations.core.lists.list_export import ListExport
from integrations.core.pages.chosen_keys import ChecksChosenKeys
from integrations.core.sensitive import sensitive
from integrations.tenants import marketplace
from integrations.tenants import version_admin as version_admin  # Django finds the pages of versions here
from integrations.tenants.forms import AppForm
from integrations.tenants.models import App, Installation

_INSTALLED = Q(installations__status=Installation.Status.INSTALLED)


@admin.register(App)
class AppAdmin(ChecksChosenKeys, ListExport, ModelAdmin):  # type: ignore[misc]
    """List and form of marketplace apps. Secrets are write-only fields; the sealed columns are not shown."""

    form = AppForm
    list_display = ("name", "client_id", "dialect", "installed", "state")
    search_fields = ("name", "client_id", "highlevel_id")
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "client_id", ("highlevel_id", "version_id"), "scopes")}),
        ("Secrets", {"fields": ("client_secret", "shared_secret", "secrets_source")}),
        (
            "URLs",
            {"fields": ("redirect_uri", "dialect", "api_url", "marketplace_url", "install_url", "white_label_urls")},
        ),
        ("State", {"fields": (("halted_at", "halted_reason"), ("secret_generation", "created_at"))}),
    )
    readonly_fields = (
        "redirect_uri",
        "secrets_source",
        "halted_at",
        "halted_reason",
        "secret_generation",
        "created_at",
    )

    @sensitive()
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The form of an app. What is entered has secrets, which no report of an error shows."""
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[App]:
        """Adds the number of installations."""
        queryset: QuerySet[App] = super().get_queryset(request)
        return queryset.annotate(installed_count=Count("installations", filter=_INSTALLED))

    def get_readonly_fields(self, request: HttpRequest, obj: App | None = None) -> tuple[str, ...]:
        """The client id is read-only once saved: the secrets are sealed with it."""
        return self.readonly_fields if obj is None else ("client_id", *self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: App, form: AppForm, change: bool) -> None:
        """Save the edited columns only, and write an audit entry with old and new values, without the secrets."""
        obj.save(update_fields=form.columns_written if change else None)
        before = form.initial if change else {}
        changed = audit.changes(before, model_to_dict(obj, fields=AppForm.Meta.fields))
        marketplace.record_change(
            obj, changed, secrets_changed=form.secrets_changed, actor=operator(request), is_new=not change
        )

    @display(description="redirect URI to register")
    def redirect_uri(self, obj: App) -> str:
        """The redirect URI to register in the developer portal."""
        return marketplace.redirect_uri(obj) if obj.pk else "shown once the app is saved"

    @display(description="installed", ordering="installed_count")
    def installed(self, app: Any) -> int:
        """How many tenants have the app installed."""
        return int(app.installed_count)

    @display(description="state", label={"running": "success", "halted": "danger"})
    def state(self, app: App) -> str:
        """Running or halted, as a coloured label."""
        return "halted" if app.halted_at else "running"

    @display(description="set by")
    def secrets_source(self, app: App) -> str:
        """Where the app's secrets come from: the environment or this page."""
        if app.client_id and app.client_id == settings.HIGHLEVEL_CLIENT_ID:
            return "The environment sets this app's secrets, scopes and URLs again at every start."
        return "This page."
