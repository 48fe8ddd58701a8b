"""The page that asks for an export."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from integrations.core import clock, texts
from integrations.core.admin import operator
from integrations.core.errors import BadRequest
from integrations.exports import asking
from integrations.exports.asking import ExportRequest
from integrations.exports.models import Export
from integrations.tenants import chosen_app, names
from integrations.tenants.models import App

MAY_ASK = "exports.add_export"


class NewExportPage:
    """The view: GET shows the form, POST makes the export. `?app=` and `?location=` choose for whom."""

    def __init__(self, site: Any) -> None:
        self._site = site

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Raises PermissionDenied without the permission."""
        if not request.user.has_perm(MAY_ASK):
            raise PermissionDenied
        apps, app = chosen_app.of_request(request)
        if request.method == "POST" and app is not None:
            try:
                export = asking.ask(_of_form(request, app), clock.now(), actor=operator(request))
            except BadRequest as error:
                messages.error(request, f"Nothing was exported: {error}.")
            else:
                messages.success(request, "The workers make it. This page shows how far they are, and then the files.")
                return redirect(reverse("admin:exports_export_change", args=[export.pk]))
        context = {**self._site.each_context(request), "title": "Export records", **_shown(request, apps, app)}
        return TemplateResponse(request, "admin/exports/new.html", context)


def _of_form(request: HttpRequest, app: App) -> ExportRequest:
    fields = request.POST
    day = texts.whole(fields.get("day", "0"))
    return ExportRequest(
        app=app,
        resources=fields.getlist("resource"),
        form=fields.get("form", ""),
        locations=fields.get("locations", "").replace(",", " ").split(),
        repeat=fields.get("repeat", asking.ONCE),
        at=fields.get("at", "06:00"),
        day=-1 if day is None else day,
    )


def _shown(request: HttpRequest, apps: list[App], app: App | None) -> dict[str, Any]:
    given = request.POST if request.method == "POST" else request.GET
    locations = given.get("locations", given.get("location", ""))
    listed = locations.replace(",", " ").split()
    return {
        "apps": apps,
        "app": app,
        "resources": [(name, name.replace("_", " ")) for name in asking.synced(app)] if app else [],
        "chosen": set(given.getlist("resource")),
        "locations": locations,
        "location_name": names.by_id(listed).get(listed[0], "") if len(listed) == 1 else "",
        "forms": Export.Form.choices,
        "form": given.get("form", Export.Form.CSV),
        "repeat": given.get("repeat", asking.ONCE),
        "days": list(enumerate(asking.DAYS)),
        "at": given.get("at", "06:00"),
    }
