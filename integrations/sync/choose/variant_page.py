"""The part of the choice page with variants: what is chosen, the preview of a change, and the change."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from integrations.core import clock
from integrations.core.admin import operator
from integrations.core.ages import span
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.sync.choose import choice_address, variant_choice, wanted
from integrations.sync.choose.variant_choice import Variant
from integrations.sync.resources import RESOURCES, at_level
from integrations.tenants.models import App

MAY_CHOOSE = "sync.change_resourcechoice"
ON, OFF, REMOVE = "on", "off", "remove"


class VariantPage:
    """The view. POST shows what a variant would cost, and POST with `confirmed` chooses or removes it."""

    def __init__(self, site: Any) -> None:
        self._site = site

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Raises PermissionDenied without the permission, Http404 for an app or tenant that there is not."""
        if not request.user.has_perm(MAY_CHOOSE):
            raise PermissionDenied
        app, tenant = choice_address.place(request)
        if app is None:
            return redirect("admin:sync_plan_choose")
        back = choice_address.address(app.pk, tenant)
        if request.method != "POST":
            return redirect(back)
        try:
            asked, act = _of_form(request), request.POST.get("act", ON)
            if "confirmed" not in request.POST:
                shown = {**_preview(app, tenant, asked, act), "app": app, "tenant": tenant, "back": back}
                context = {**self._site.each_context(request), "title": "Variant of a resource", **shown}
                return TemplateResponse(request, "admin/sync/variant_preview.html", context)
            _make(request, app, tenant, asked, act)
        except BadRequest as error:
            messages.error(request, f"Nothing was changed: {error}.")
        else:
            messages.success(request, "The choice was changed. Plans follow within seconds.")
        return redirect(back)


def shown(app: App, tenant: Tenant | None) -> dict[str, Any]:
    """What the choice page shows: the variants with their intervals, and what a new one may be of."""
    here = at_level(tenant.user_type) if tenant else RESOURCES
    return {
        "rows": [
            (one, wanted.interval_words(one.interval), wanted.interval_text(one.every), _actions(one, tenant))
            for one in variant_choice.chosen(app, tenant)
        ],
        "resources": [
            (name, name.replace("_", " "), ", ".join(one.parameter for one in resource.filters))
            for name, resource in here.items()
            if resource.filters
        ],
        "intervals": [(wanted.interval_text(one), wanted.interval_words(one)) for one in wanted.INTERVALS],
        "address": choice_address.address(app.pk, tenant, page="sync_plan_variant"),
    }


def _actions(one: Variant, tenant: Tenant | None) -> list[tuple[str, str]]:
    """What may be done with a variant: values and words of buttons."""
    switch = (OFF, "Do not run it") if one.enabled else (ON, "Run it")
    if tenant is None:
        return [(REMOVE, "Remove")]
    return [switch, *([(REMOVE, "As the app")] if one.is_own else [])]


def _of_form(request: HttpRequest) -> Variant:
    """The variant of the form. Raises BadRequest for values that it does not take."""
    fields = request.POST
    pairs = [text.partition("=") for text in fields.get("filters", "").split(",") if text.strip()]
    filters = {name.strip(): value.strip() for name, sign, value in pairs if sign and value.strip()}
    every = wanted.interval_of(fields.get("every", wanted.OWN))
    enabled = fields.get("act", ON) != OFF
    asked = Variant(fields.get("resource", ""), fields.get("name", "").strip(), filters, every, enabled)
    asked.check()
    return asked


def _preview(app: App, tenant: Tenant | None, asked: Variant, act: str) -> dict[str, Any]:
    cost = variant_choice.estimate(app, asked, tenant=tenant, count=act == ON)
    return {
        "asked": asked,
        "act": act,
        "every": wanted.interval_words(asked.interval),
        "cost": cost,
        "takes": "" if cost is None else span(max(1, round(cost.seconds))),
        "fields": [
            ("resource", asked.resource),
            ("name", asked.name),
            ("filters", ",".join(f"{name}={value}" for name, value in asked.filters.items())),
            ("every", wanted.interval_text(asked.every)),
            ("act", act),
        ],
    }


def _make(request: HttpRequest, app: App, tenant: Tenant | None, asked: Variant, act: str) -> None:
    how: dict[str, Any] = {"actor": operator(request), "tenant": tenant}
    if act == REMOVE:
        variant_choice.remove(app, asked.resource, asked.name, clock.now(), **how)
    else:
        variant_choice.choose(app, asked, clock.now(), **how)
