"""The part of the choice page that lets intervals adapt: what counts, its preview, and the change."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from integrations.core import clock, texts
from integrations.core.admin import operator
from integrations.core.errors import BadRequest
from integrations.sync.choose import adaptive_intervals, wanted
from integrations.sync.choose.adaptive_intervals import Bounds
from integrations.tenants.models import App

MAY_CHOOSE = "sync.change_resourcechoice"


class AdaptivePage:
    """The view. POST shows what the bounds would give, and POST with `confirmed` chooses them."""

    def __init__(self, site: Any) -> None:
        self._site = site

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Raises PermissionDenied without the permission, Http404 for an app that there is not."""
        if not request.user.has_perm(MAY_CHOOSE):
            raise PermissionDenied
        number = request.GET.get("app", "")
        back = f"{reverse('admin:sync_plan_choose')}?{urlencode({'app': number})}"
        if request.method != "POST":
            return redirect(back)
        app = get_object_or_404(App, pk=texts.whole(number))
        try:
            asked = _of_form(request)
            if "confirmed" not in request.POST:
                shown = {**_preview(app, asked), "app": app, "back": back, "title": "Adaptive intervals"}
                context = {**self._site.each_context(request), **shown}
                return TemplateResponse(request, "admin/sync/adaptive_preview.html", context)
            adaptive_intervals.choose(app, asked, clock.now(), actor=operator(request))
        except BadRequest as error:
            messages.error(request, f"Nothing was changed: {error}.")
        else:
            messages.success(request, "Workers set the intervals within seconds.")
        return redirect(back)


def shown(app: App) -> dict[str, Any]:
    """What the choice page shows of an app: the bounds that count, the choices, and when and what was set last."""
    now = adaptive_intervals.bounds(app)
    every = sorted({*wanted.INTERVALS, now.shortest, now.longest})
    return {
        "bounds": now,
        "row": adaptive_intervals.row(app),
        "shortest": [(wanted.interval_text(one), wanted.interval_words(one), one == now.shortest) for one in every],
        "longest": [(wanted.interval_text(one), wanted.interval_words(one), one == now.longest) for one in every],
    }


def _preview(app: App, asked: Bounds) -> dict[str, Any]:
    found, rows = adaptive_intervals.estimate(app, asked, clock.now())
    return {
        "asked": asked,
        "words": (wanted.interval_words(asked.shortest), wanted.interval_words(asked.longest)),
        "fields": _fields(asked),
        "found": found,
        "rows": [(one, wanted.interval_words(one.least), wanted.interval_words(one.most)) for one in rows],
    }


def _fields(asked: Bounds) -> list[tuple[str, str]]:
    return [
        ("enabled", wanted.ON if asked.enabled else wanted.OFF),
        ("shortest", wanted.interval_text(asked.shortest)),
        ("longest", wanted.interval_text(asked.longest)),
        ("calls", str(asked.calls_per_day)),
    ]


def _of_form(request: HttpRequest) -> Bounds:
    """The bounds of the form. Raises BadRequest for values that it does not offer."""
    fields = request.POST
    shortest, longest = (wanted.interval_of(fields.get(name, "")) for name in ("shortest", "longest"))
    calls = texts.whole(fields.get("calls", "").replace(",", "").replace(" ", ""), 10**12)
    if shortest is None or longest is None or calls is None:
        raise BadRequest("two intervals and a number of calls are needed")
    return Bounds(fields.get("enabled") == wanted.ON, shortest, longest, calls)
