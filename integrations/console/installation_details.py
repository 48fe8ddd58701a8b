"""Parts of the installation's admin page: permissions with the consent link, facts of the vendor, and the history."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from integrations.console import permissions
from integrations.core import masking
from integrations.core.pages import tenant_links
from integrations.core.tenant import Tenant
from integrations.installs.details import trial_ends_at
from integrations.tenants import versions
from integrations.tenants.models import App, Installation
from integrations.tenants.version_admin import countdown, shown
from integrations.tokens import scope_gaps
from integrations.tokens.models import Credential

_LATEST = 20  # entries of the history on the page
_LINK = '<a class="text-primary-600 dark:text-primary-500" href="{0}">{1}</a>'


class MissingScopes(admin.SimpleListFilter):
    """Installations whose grant lacks a scope that the app asks for."""

    title = "scopes"
    parameter_name = "scopes"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One choice."""
        return [("missing", "missing")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Installation]) -> QuerySet[Installation]:
        """Only those with a gap."""
        if self.value() != "missing":
            return queryset
        ids = [pk for app in App.objects.all() for pk in scope_gaps.with_gaps(app).values_list("pk", flat=True)]
        mine = {"app": OuterRef("app"), "user_type": OuterRef("user_type"), "resource_id": OuterRef("resource_id")}
        return queryset.filter(Exists(Credential.objects.filter(pk__in=ids, **mine)))


class InstallationDetails:
    """Admin mixin with the read-only fields of one installation."""

    @display(description="company")
    def company_link(self, row: Installation) -> SafeString | str:
        """The company, as a link to its page."""
        return tenant_links.link(Tenant.company(row.company.pk), str(row.company)) if row.company else ""

    @display(description="location")
    def location_link(self, row: Installation) -> SafeString | str:
        """The location, as a link to its page."""
        return tenant_links.link(Tenant.location(row.location.pk), str(row.location)) if row.location else ""

    @display(description="granted scopes")
    def scopes_granted(self, row: Installation) -> str:
        """By name, or that the vendor did not name them."""
        return ", ".join(_permissions(row).granted) or "HighLevel did not name them"

    @display(description="missing scopes")
    def scopes_missing(self, row: Installation) -> str:
        """What is missing, what that disables, and what only an update of the app can bring."""
        found = _permissions(row)
        if not found.missing:
            return "none"
        words = [", ".join(found.missing)]
        words += [f"disabled: {', '.join(found.disabled)}"] if found.disabled else []
        words += [f"only after an update of the app: {', '.join(found.after_update)}"] if found.after_update else []
        return "; ".join(words)

    @display(description="link that asks this account again")
    def consent_link(self, row: Installation) -> SafeString | str:
        """A link for this account alone, valid for seven days."""
        link = _permissions(row).link
        return format_html(_LINK, link, link) if link and row.status != row.Status.UNINSTALLED else "nothing is missing"

    @display(description="its answer")
    def consent_answer(self, row: Installation) -> str:
        """The newest answer to such a link."""
        return _permissions(row).answer or "none yet"

    @display(description="app version")
    def version(self, row: Installation) -> SafeString | str:
        """The version, as a link, with its countdown."""
        found = versions.of(row)
        if found is None:
            return row.version_id or "unknown"
        ends = f" (uninstalled {countdown(found)})" if found.deprecated_at else ""
        return format_html(_LINK, reverse("admin:tenants_appversion_change", args=[found.pk]), f"{found}{ends}")

    @display(description="trial ends")
    def trial_ends_at(self, row: Installation) -> str:
        """The end of the trial by the vendor's numbers."""
        ends = trial_ends_at(row)
        return f"{ends:%Y-%m-%d}" if ends else ""

    @display(description="installer")
    def installer_details(self, row: Installation) -> str:
        """What the vendor says of the installer."""
        names = {"companyEmail": "e-mail", "companyOwnerFullName": "owner", "companyPlan": "plan of the agency"}
        return ", ".join(f"{names.get(name, name)} {text}" for name, text in row.installer.items())

    @display(description="latest changes")
    def history(self, row: Installation) -> SafeString:
        """The latest entries of the history, and a link to all."""
        entries = list(row.changes.order_by("-pk")[:_LATEST])
        if masking.is_masked(row):
            for entry in entries:
                masking.columns(entry, entry.PERSONAL)
        lines = format_html_join(
            "",
            '<tr><td class="pr-4 whitespace-nowrap">{}</td><td class="pr-4">{}</td><td>{}</td></tr>',
            ((f"{one.at:%Y-%m-%d %H:%M} UTC", one.get_what_display(), _words(one.old, one.new)) for one in entries),
        )
        link = format_html(
            _LINK, f"{reverse('admin:tenants_installationchange_changelist')}?q={row.resource_id}", "all"
        )
        return format_html("<table>{}</table>{}", lines, link)


def _permissions(row: Any) -> permissions.Permissions:
    """Asked once for the four fields of a page."""
    if not hasattr(row, "_permissions"):
        row._permissions = permissions.of(row)  # noqa: SLF001 - kept with the row of this page
    found: permissions.Permissions = row._permissions  # noqa: SLF001 - as above
    return found


def _words(old: Any, new: Any) -> str:
    return f"{shown(old)} → {shown(new)}" if old is not None and new is not None else shown(new if old is None else old)
