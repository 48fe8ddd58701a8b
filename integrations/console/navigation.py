"""The sidebar of the admin pages: by the question that an operator has, lists and pages of all rooms and own apps.

Only registered models appear, so a room without admin pages leaves no dead link. Each own app is a group: the
models that its `admin.py` registers, and the pages that its `navigation.py` adds (`add_page`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from integrations.core import masking, own_apps
from integrations.core.pages import live


class SidebarPage(NamedTuple):
    """A line of the sidebar. `target` is a model's label, or a URL name that needs all `permissions`."""

    title: str
    icon: str
    target: str
    permissions: tuple[str, ...] = ()


# Groups are closed until one of their pages is open, but for these: what an operator looks at first.
_OPEN = ("Overview", "Tenants", "Problems")
_GROUPS: dict[str, tuple[SidebarPage, ...]] = {
    "Overview": (
        SidebarPage("Dashboard", "monitoring", "admin:index"),
        SidebarPage("Workers and queues", "memory", "core.WorkerProcess"),
    ),
    "Tenants": (
        SidebarPage("Companies", "apartment", "tenants.Company"),
        SidebarPage("Locations", "storefront", "tenants.Location"),
        SidebarPage("Installations", "download_done", "tenants.Installation"),
        SidebarPage("Credentials", "key", "tokens.Credential"),
        SidebarPage("Changes of installations", "history", "tenants.InstallationChange"),
    ),
    "Problems": (
        SidebarPage("Problems", "crisis_alert", "problems.Problem"),
        SidebarPage("Alerts", "notifications", "admin:core_workerprocess_alerts", ("operators.view_metrics",)),
        SidebarPage("Failed and slow calls", "report", "gateway.Call"),
        SidebarPage("Events set aside", "report_problem", "jobs.Trigger"),
        SidebarPage("Writes of jobs", "edit_square", "jobs.Write"),
    ),
    "Activity": (
        SidebarPage("Timeline", "timeline", "admin:problems_timeline", ("problems.view_problem",)),
        SidebarPage("Events", "inbox", "webhooks.Event"),
        SidebarPage("Mailboxes", "all_inbox", "webhooks.Mailbox"),
        SidebarPage("Answers to webhooks", "mark_email_read", "webhooks.Answers"),
        SidebarPage("Triggers", "bolt", "modules.TriggerSubscription"),
        SidebarPage("Sync plans", "event_repeat", "sync.Plan"),
        SidebarPage("Sync runs", "sync", "sync.Run"),
        SidebarPage("Records", "database", "sync.Record"),
        SidebarPage("Jobs", "pause_circle", "jobs.JobState"),
        SidebarPage("Job schedules", "calendar_clock", "jobs.Schedule"),
        SidebarPage("Job runs", "play_circle", "jobs.Run"),
        SidebarPage("Outboxes", "outbox", "outbox.TenantOutbox"),
        SidebarPage("Outbox entries", "outgoing_mail", "outbox.Entry"),
        SidebarPage("Bulk upserts", "upload", "upserts.Upsert"),
        SidebarPage("Rows of upserts", "table_rows", "upserts.UpsertRow"),
        SidebarPage(
            "Write records", "upload_file", "admin:upserts_upsert_new", ("upserts.add_upsert", masking.PERMISSION)
        ),
        SidebarPage("Exports", "download", "exports.Export"),
        SidebarPage("Export records", "file_export", "admin:exports_export_new", ("exports.add_export",)),
        SidebarPage("Purges", "delete_forever", "privacy.Purge"),
        SidebarPage("Actions over many rows", "playlist_add_check", "core.BulkAction"),
    ),
    "Quota & usage": (
        SidebarPage("Quota", "speed", "quota.Usage"),
        SidebarPage("Parked tasks", "hourglass", "quota.Parked"),
        SidebarPage("Usage", "bar_chart", "gateway.Usage"),
    ),
    "Developers": (
        SidebarPage(
            "Call explorer", "travel_explore", "admin:gateway_explore", ("gateway.explore", masking.PERMISSION)
        ),
        SidebarPage("Apps", "widgets", "tenants.App"),
        SidebarPage("App versions", "new_releases", "tenants.AppVersion"),
    ),
    "Settings": (
        SidebarPage("Choose resources", "checklist", "admin:sync_plan_choose", ("sync.view_plan",)),
        SidebarPage("Variables", "tune", "admin:core_workerprocess_variables", ("operators.view_metrics",)),
        SidebarPage(
            "Keys, spool and audit", "encrypted", "admin:core_workerprocess_safekeeping", ("operators.view_metrics",)
        ),
        SidebarPage("Audit trail", "history", "core.AuditEntry"),
        SidebarPage("Users", "person", "auth.User"),
        SidebarPage("Groups", "group", "auth.Group"),
        SidebarPage("Sessions", "devices", "operators.OperatorSession"),
        SidebarPage("Second factor", "passkey", "operators:second-factor"),
    ),
}

_OWN_ICON = "table_rows"
# The pages of own apps, by the label of the app.
OWN_PAGES: dict[str, list[SidebarPage]] = {}


def add_page(
    app_label: str, title: str, url_name: str, *, icon: str = "web", permissions: tuple[str, ...] = ()
) -> None:
    """Add a page of an own app to its group. `icon` is one of Material Symbols; the operator needs all permissions."""
    page = SidebarPage(title, icon, url_name, permissions)
    pages = OWN_PAGES.setdefault(app_label, [])
    if page not in pages:
        pages.append(page)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """unfold's SIDEBAR.navigation: groups of items the user may view. An update of an open page needs none."""
    return [] if live.is_update(request) else pages_for(request)


def pages_for(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups with the pages that the user may open, the one that is shown marked as active."""
    groups = [_group(request, title, entries) for title, entries in _GROUPS.items()]
    groups += [_group(request, str(config.verbose_name), _entries_of(config)) for config in own_apps.configs()]
    shown = [group for group in groups if group["items"]]
    _mark_the_shown_page(request, [item for group in shown for item in group["items"]])
    for group in shown:
        group["is_open"] = group["title"] in _OPEN or any(item["active"] for item in group["items"])
    return shown


def trail(groups: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Where the shown page is, each part with its address: its group, which has none, and the page of the sidebar."""
    return next(
        (
            [(group["title"], ""), (item["title"], item["link"])]
            for group in groups
            for item in group["items"]
            if item["active"]
        ),
        [],
    )


def _group(request: HttpRequest, title: str, entries: Sequence[SidebarPage]) -> dict[str, Any]:
    return {"title": title, "items": [item for entry in entries if (item := _item(request, entry))]}


def _entries_of(config: Any) -> list[SidebarPage]:
    models = [model._meta for model in config.get_models()]  # noqa: SLF001 - documented by Django
    lists = [SidebarPage(str(meta.verbose_name_plural).capitalize(), _OWN_ICON, meta.label) for meta in models]
    return [*lists, *OWN_PAGES.get(config.label, ())]


def _item(request: HttpRequest, entry: SidebarPage) -> dict[str, Any] | None:
    if ":" in entry.target:
        name, may = entry.target, request.user.has_perms(entry.permissions)
    else:
        model = apps.get_model(entry.target)
        if not admin.site.is_registered(model):
            return None
        name = f"admin:{entry.target.lower().replace('.', '_')}_changelist"
        may = admin.site.get_model_admin(model).has_view_permission(request)
    return {"title": entry.title, "icon": entry.icon, "link": reverse(name), "active": False} if may else None


def _mark_the_shown_page(request: HttpRequest, items: Sequence[dict[str, Any]]) -> None:
    """The URL of a page may begin with that of a list, so the longest one counts. That of the dashboard begins all."""
    index = reverse("admin:index")
    here = [
        item
        for item in items
        if request.path == item["link"] or (item["link"] != index and request.path.startswith(item["link"]))
    ]
    if here:
        max(here, key=lambda item: len(item["link"]))["active"] = True
