"""The page on which operators choose resources, for an app or one location: the table, its preview, and the change."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from integrations.core import clock
from integrations.core.admin import operator
from integrations.core.errors import BadRequest
from integrations.sync.choose import adaptive_page, asked_totals, choose_rows, wanted
from integrations.sync.choose.offers import Offer, Overlay, calls_a_day, locations, offers
from integrations.sync.choose.wanted import WantedChoice
from integrations.tenants.models import App, Installation

MAY_CHOOSE, MAY_DROP = "sync.change_resourcechoice", "sync.delete_record"


class ChoosePage:
    """The view. GET shows the table, POST the preview of a change, and POST with `confirmed` makes it.

    The address names the app, and the location if it is about one.
    """

    def __init__(self, site: Any) -> None:
        self._site = site

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Raises PermissionDenied without the permission, Http404 for an app or location that there is not."""
        if not request.user.has_perm("sync.view_plan"):
            raise PermissionDenied
        app, location_id = _place(request)
        if request.method != "POST" or app is None:
            return self._page(request, "choose", self._table(request, app, location_id))
        if not request.user.has_perm(MAY_CHOOSE):
            raise PermissionDenied
        present = offers(app, location_id)
        try:
            asked = wanted.of_form(request.POST.dict(), present, at_location=bool(location_id))
            if not asked:
                messages.info(request, "Nothing was changed: the choice is what it was.")
            elif "confirmed" not in request.POST:
                shown = self._preview(request, app, location_id, present, asked.whole(app, location_id))
                return self._page(request, "choose_preview", shown)
            else:
                self._make(request, app, location_id, asked)
        except BadRequest as error:
            messages.error(request, f"Nothing was changed: {error}.")
        return redirect(address(app.pk, location_id))

    def _page(self, request: HttpRequest, name: str, shown: dict[str, Any]) -> HttpResponse:
        context = {**self._site.each_context(request), "title": "Choose what is synced", **shown}
        return TemplateResponse(request, f"admin/sync/{name}.html", context)

    def _make(self, request: HttpRequest, app: App, location_id: str, asked: WantedChoice) -> None:
        drop = "drop" in request.POST
        if drop and not request.user.has_perm(MAY_DROP):
            raise PermissionDenied
        chosen = replace(asked, drop=drop)
        changed = wanted.make(app, chosen, clock.now(), actor=operator(request), location_id=location_id)
        messages.success(request, f"{len(changed)} resources were changed. Their plans follow within seconds.")

    def _table(self, request: HttpRequest, app: App | None, location_id: str) -> dict[str, Any]:
        if app is None:
            return {"app": None}
        found = offers(app, location_id)
        return {
            **_about(app, location_id),
            "groups": choose_rows.groups(found, at_location=bool(location_id)),
            "calls": calls_a_day(found, whole_app=not location_id),
            "may_choose": request.user.has_perm(MAY_CHOOSE),
            "adaptive": adaptive_page.shown(app) if not location_id else None,
            "apps": App.objects.order_by("name") if not location_id else (),
        }

    def _preview(
        self, request: HttpRequest, app: App, location_id: str, present: Collection[Offer], asked: WantedChoice
    ) -> dict[str, Any]:
        new = [one.resource for one in present if one.resource in asked.on and one.estimate.rows is None]
        unknown = [*new, *(asked.filters.keys() - set(new))]
        filters = {one.resource: one.filters for one in present} | dict(asked.filters)
        totals, refused = asked_totals.ask(app, location_id, unknown, filters) if location_id and unknown else ({}, {})
        now_known = offers(app, location_id, Overlay(totals=totals)) if totals else present
        after = offers(app, location_id, asked.overlay(totals))
        at_location = bool(location_id)
        return {
            **_about(app, location_id),
            "changes": choose_rows.changes(now_known, after, asked, at_location=at_location),
            "refused": refused,
            "asked_for": len(totals),
            "calls_before": calls_a_day(now_known, whole_app=not at_location),
            "calls_after": calls_a_day(after, whole_app=not at_location),
            "may_drop": bool(asked.off | asked.follow) and request.user.has_perm(MAY_DROP),
        }


def address(app_id: int, location_id: str = "") -> str:
    """The address of the page for an app, or for one of its locations."""
    query = {"app": app_id, **({"location": location_id} if location_id else {})}
    return f"{reverse('admin:sync_plan_choose')}?{urlencode(query)}"


def _place(request: HttpRequest) -> tuple[App | None, str]:
    number, location_id = request.GET.get("app", ""), request.GET.get("location", "")
    if number and not number.isdecimal():
        raise Http404
    app = get_object_or_404(App, pk=number) if number else App.objects.order_by("name").first()
    if location_id:
        rows = Installation.objects.locations().installed().filter(resource_id=location_id)
        if app is None or not rows.filter(app=app).exists():
            raise Http404
    return app, location_id


def _about(app: App, location_id: str) -> dict[str, Any]:
    here = Installation.objects.locations().filter(app=app, resource_id=location_id).select_related("location")
    row = here.first() if location_id else None
    return {
        "app": app,
        "location_id": location_id,
        "location": (row.location if row and row.location else location_id),
        "locations": locations(app),
        "address": address(app.pk, location_id),
    }
