"""The sidebar of the admin pages: groups of lists from all rooms and own apps.

Only registered models appear, so a room without admin pages leaves no dead link. Each own app is a group: the
models that its `admin.py` registers, and the pages that its `navigation.py` adds (`add_page`).
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from integrations.core import masking, own_apps
from integrations.core.pages import live

_FIRST = ("Problems", "crisis_alert", "problems.Problem")  # below the dashboard, above all groups
_TIMELINE = ("Timeline", "timeline", "admin:problems_timeline", ("problems.view_problem",))
_GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Tenants",
        (
            ("Installations", "download_done", "tenants.Installation"),
            ("Credentials", "key", "tokens.Credential"),
            ("Companies", "apartment", "tenants.Company"),
            ("Locations", "storefront", "tenants.Location"),
            ("Apps", "widgets", "tenants.App"),
            ("App versions", "new_releases", "tenants.AppVersion"),
            ("History", "history", "tenants.InstallationChange"),
        ),
    ),
    (
        "Data",
        (
            ("Plans", "event_repeat", "sync.Plan"),
            ("Runs", "sync", "sync.Run"),
            ("Records", "database", "sync.Record"),
            ("Exports", "download", "exports.Export"),
            ("Bulk upserts", "upload", "upserts.Upsert"),
            ("Rows of upserts", "table_rows", "upserts.UpsertRow"),
            ("Purges", "delete_forever", "privacy.Purge"),
        ),
    ),
    (
        "Jobs",
        (
            ("Job runs", "play_circle", "jobs.Run"),
            ("Job schedules", "calendar_clock", "jobs.Schedule"),
            ("Jobs", "pause_circle", "jobs.JobState"),
            ("Events set aside", "report_problem", "jobs.Trigger"),
            ("Writes", "edit_square", "jobs.Write"),
            ("Outboxes", "outbox", "outbox.TenantOutbox"),
            ("Outbox entries", "outgoing_mail", "outbox.Entry"),
        ),
    ),
    (
        "API",
        (
            ("Usage", "bar_chart", "gateway.Usage"),
            ("Failed and slow calls", "report", "gateway.Call"),
        ),
    ),
    (
        "Events",
        (
            ("Events", "inbox", "webhooks.Event"),
            ("Mailboxes", "all_inbox", "webhooks.Mailbox"),
            ("Answers", "mark_email_read", "webhooks.Answers"),
        ),
    ),
    (
        "Quota",
        (
            ("Quota", "speed", "quota.Usage"),
            ("Parked tasks", "hourglass", "quota.Parked"),
        ),
    ),
    (
        "Operators",
        (
            ("Workers and queues", "memory", "core.WorkerProcess"),
            ("Audit trail", "history", "core.AuditEntry"),
            ("Actions over many rows", "playlist_add_check", "core.BulkAction"),
            ("Users", "person", "auth.User"),
            ("Groups", "group", "auth.Group"),
            ("Sessions", "devices", "operators.OperatorSession"),
        ),
    ),
)

# Pages that are not the list of a model: title, icon, URL name, permissions.
_PAGES: dict[str, tuple[tuple[str, str, str, tuple[str, ...]], ...]] = {
    "Data": (
        ("Choose resources", "checklist", "admin:sync_plan_choose", ("sync.view_plan",)),
        ("Export records", "file_export", "admin:exports_export_new", ("exports.add_export",)),
        ("Write records", "upload_file", "admin:upserts_upsert_new", ("upserts.add_upsert", masking.PERMISSION)),
    ),
    "API": (("Call explorer", "travel_explore", "admin:gateway_explore", ("gateway.explore", masking.PERMISSION)),),
    "Operators": (("Second factor", "passkey", "operators:second-factor", ()),),
}

_OWN_ICON = "table_rows"
# The pages of own apps, by the label of the app.
OWN_PAGES: dict[str, list[tuple[str, str, str, tuple[str, ...]]]] = {}


def add_page(
    app_label: str, title: str, url_name: str, *, icon: str = "web", permissions: tuple[str, ...] = ()
) -> None:
    """Add a page of an own app to its group. `icon` is one of Material Symbols; the operator needs all permissions."""
    page = (title, icon, url_name, permissions)
    pages = OWN_PAGES.setdefault(app_label, [])
    if page not in pages:
        pages.append(page)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """unfold's SIDEBAR.navigation: groups of items the user may view. An update of an open page needs none."""
    if live.is_update(request):
        return []
    dashboard = {"title": "Dashboard", "icon": "monitoring", "link": reverse("admin:index")}
    items = [dashboard, *filter(None, [_item(request, *_FIRST)])]
    items += [_page(*_TIMELINE)] if request.user.has_perms(_TIMELINE[-1]) else []
    groups: list[dict[str, Any]] = [{"title": "", "items": _without_doubles(request, items)}]
    for title, entries in _GROUPS:
        items = [item for entry in entries if (item := _item(request, *entry))]
        pages = [_page(*page) for page in _PAGES.get(title, ()) if request.user.has_perms(page[-1])]
        if items := _without_doubles(request, items + pages):
            groups.append({"title": title, "separator": True, "items": items})
    return groups + _own_groups(request)


def _without_doubles(request: HttpRequest, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items, of which one is active: the URL of a page may begin with that of a list."""
    here = [item["link"] for item in items if request.path.startswith(item["link"])]
    return [
        {**item, "active": False} if item["link"] in here and item["link"] != max(here, key=len) else item
        for item in items
    ]


def _own_groups(request: HttpRequest) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = []
    for config in own_apps.configs():
        models = [model._meta for model in config.get_models()]  # noqa: SLF001 - documented by Django
        lists = [_item(request, str(meta.verbose_name_plural).capitalize(), _OWN_ICON, meta.label) for meta in models]
        pages = [_page(*page) for page in OWN_PAGES.get(config.label, ()) if request.user.has_perms(page[-1])]
        if items := [*filter(None, lists), *pages]:
            groups.append({"title": str(config.verbose_name), "separator": True, "items": items})
    return groups


def _item(request: HttpRequest, title: str, icon: str, label: str) -> dict[str, Any] | None:
    model = apps.get_model(label)
    if not admin.site.is_registered(model):
        return None
    app_label, name = label.lower().split(".")
    if not admin.site.get_model_admin(model).has_view_permission(request):
        return None
    return {"title": title, "icon": icon, "link": reverse(f"admin:{app_label}_{name}_changelist")}


def _page(title: str, icon: str, name: str, _permissions: tuple[str, ...]) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(name)}
