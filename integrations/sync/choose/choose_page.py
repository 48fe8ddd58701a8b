"""The page on which operators choose resources, for an app or one tenant: the table, its preview, and the change."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from integrations.core import clock
from integrations.core.admin import operator
from integrations.core.errors import BadRequest
from integrations.core.pages import tenant_links
from integrations.core.tenant import Tenant
from integrations.sync.choose import adaptive_page, asked_totals, choice_address, choose_rows, variant_page, wanted
from integrations.sync.choose.offers import Offer, Overlay, calls_a_day, installed_on, offers
from integrations.sync.choose.wanted import WantedChoice
from integrations.tenants.models import App

MAY_CHOOSE, MAY_DROP = "sync.change_resourcechoice", "sync.delete_record"


class ChoosePage:
    """The view. GET shows the table, POST the preview of a change, and POST with `confirmed` makes it.

    The address names the app, and the location or company if it is about one.
    """

    def __init__(self, site: Any) -> None:
        self._site = site

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Raises PermissionDenied without the permission, Http404 for an app or tenant that there is not."""
        if not request.user.has_perm("sync.view_plan"):
            raise PermissionDenied
        app, tenant = choice_address.place(request)
        if request.method != "POST" or app is None:
            return self._page(request, "choose", self._table(request, app, tenant))
        if not request.user.has_perm(MAY_CHOOSE):
            raise PermissionDenied
        present = offers(app, tenant)
        try:
            asked = wanted.of_form(request.POST.dict(), present, of_tenant=tenant is not None)
            if not asked:
                messages.info(request, "Nothing was changed: the choice is what it was.")
            elif "confirmed" not in request.POST:
                shown = self._preview(request, app, tenant, present, asked.whole(app, tenant))
                return self._page(request, "choose_preview", shown)
            else:
                self._make(request, app, tenant, asked)
        except BadRequest as error:
            messages.error(request, f"Nothing was changed: {error}.")
        return redirect(choice_address.address(app.pk, tenant))

    def _page(self, request: HttpRequest, name: str, shown: dict[str, Any]) -> HttpResponse:
        context = {**self._site.each_context(request), "title": "Choose what is synced", **shown}
        return TemplateResponse(request, f"admin/sync/{name}.html", context)

    def _make(self, request: HttpRequest, app: App, tenant: Tenant | None, asked: WantedChoice) -> None:
        drop = "drop" in request.POST
        if drop and not request.user.has_perm(MAY_DROP):
            raise PermissionDenied
        chosen = replace(asked, drop=drop)
        changed = wanted.make(app, chosen, clock.now(), actor=operator(request), tenant=tenant)
        messages.success(request, f"{len(changed)} resources were changed. Their plans follow within seconds.")

    def _table(self, request: HttpRequest, app: App | None, tenant: Tenant | None) -> dict[str, Any]:
        if app is None:
            return {"app": None}
        found = offers(app, tenant)
        return {
            **_about(app, tenant),
            "groups": choose_rows.groups(found, of_tenant=tenant is not None),
            "calls": calls_a_day(found, whole_app=tenant is None),
            "may_choose": request.user.has_perm(MAY_CHOOSE),
            "adaptive": adaptive_page.shown(app) if tenant is None else None,
            "variants": variant_page.shown(app, tenant),
            "apps": App.objects.order_by("name") if tenant is None else (),
        }

    def _preview(
        self, request: HttpRequest, app: App, tenant: Tenant | None, present: Collection[Offer], asked: WantedChoice
    ) -> dict[str, Any]:
        new = [one.resource for one in present if one.resource in asked.on and one.estimate.rows is None]
        unknown = [*new, *(asked.filters.keys() - set(new))]
        filters = {one.resource: one.filters for one in present} | dict(asked.filters)
        totals, refused = asked_totals.ask(app, tenant, unknown, filters) if tenant and unknown else ({}, {})
        now_known = offers(app, tenant, Overlay(totals=totals)) if totals else present
        after = offers(app, tenant, asked.overlay(totals))
        return {
            **_about(app, tenant),
            "changes": choose_rows.changes(now_known, after, asked, of_tenant=tenant is not None),
            "refused": refused,
            "asked_for": len(totals),
            "calls_before": calls_a_day(now_known, whole_app=tenant is None),
            "calls_after": calls_a_day(after, whole_app=tenant is None),
            "may_drop": bool(asked.off | asked.follow) and request.user.has_perm(MAY_DROP),
        }


def _about(app: App, tenant: Tenant | None) -> dict[str, Any]:
    return {
        "app": app,
        "tenant": tenant,
        "tenant_link": tenant_links.link_by_id(tenant.id) if tenant else "",
        "installed_on": installed_on(app),
        "address": choice_address.address(app.pk, tenant),
    }
