"""The sidebar of the admin pages: groups of lists from all rooms.

Only registered models appear, so a room without admin pages leaves no dead link.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from integrations.core import masking

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
            ("Audit trail", "history", "core.AuditEntry"),
            ("Users", "person", "auth.User"),
            ("Groups", "group", "auth.Group"),
            ("Sessions", "devices", "operators.OperatorSession"),
        ),
    ),
)

# Pages that are not the list of a model: title, icon, URL name, permissions.
_PAGES: dict[str, tuple[tuple[str, str, str, tuple[str, ...]], ...]] = {
    "API": (("Call explorer", "travel_explore", "admin:gateway_explore", ("gateway.explore", masking.PERMISSION)),),
    "Operators": (("Second factor", "passkey", "operators:second-factor", ()),),
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """unfold's SIDEBAR.navigation: groups of items the user may view."""
    dashboard = {"title": "Dashboard", "icon": "monitoring", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"title": "", "items": [dashboard]}]
    for title, entries in _GROUPS:
        items = [item for entry in entries if (item := _item(request, *entry))]
        pages = [_page(*page) for page in _PAGES.get(title, ()) if request.user.has_perms(page[-1])]
        if any(request.path.startswith(page["link"]) for page in pages):
            items = [{**item, "active": False} for item in items]  # the page's URL begins with that of a list
        items += pages
        if items:
            groups.append({"title": title, "separator": True, "items": items})
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
