"""Admin views of the call explorer: search, form, confirmation, outcome. `explorer.explorer` does the work.

A call that may change something is sent from the confirmation page only, and only once. That page carries a number that
the session stores for exactly this request. Sending the request removes it. So neither a reload nor a second click
sends the request again.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from integrations.core.admin import operator
from integrations.core.errors import BadRequest, IntegrationError
from integrations.gateway import client
from integrations.gateway.explorer import explorer
from integrations.gateway.explorer.explorer import PreparedCall
from integrations.highlevel.catalogue import Operation
from integrations.tenants.models import App

PERMISSION = "gateway.explore"
_SHOWN, _SUGGESTED = 80, 300
_SESSION, _MOST_OPEN = "explorer_confirmations", 10
_VALUE = "value."  # prefix of parameter names, so that none collides with the form's own fields
View = Callable[..., HttpResponse]


def urls() -> list[URLPattern]:
    """URL patterns of the explorer, below the admin pages of calls."""
    return [
        path("explore/", admin.site.admin_view(_allowed(index)), name="gateway_explore"),
        path("explore/<path:key>/", admin.site.admin_view(_allowed(operation)), name="gateway_explore_operation"),
    ]


def index(request: HttpRequest) -> HttpResponse:
    """Page that searches operations."""
    return _found(request, request.GET.get("q", "").strip())


def _found(request: HttpRequest, words: str, mistake: str = "") -> HttpResponse:
    app = _app(request)
    found = [] if app is None else explorer.search(app, words)
    context = {"words": words, "found": found[:_SHOWN], "count": len(found), "more": max(0, len(found) - _SHOWN)}
    answer = _page(request, "explorer", app, {**context, "mistake": mistake})
    answer.status_code = 404 if mistake else 200
    return answer


def operation(request: HttpRequest, key: str) -> HttpResponse:
    """Page of one operation: form, confirmation when the call may change something, and outcome."""
    app = _app(request)
    if app is None:
        return _found(request, "")
    try:
        wanted = client.find_operation(key, app)
    except BadRequest as error:
        return _found(request, "", str(error))
    if request.method != "POST":
        return _form(request, app, wanted, request.GET, {})
    try:
        prepared = _prepared(request, app, wanted)
    except IntegrationError as error:
        return _form(request, app, wanted, request.POST, {"mistake": str(error)})
    if prepared.changes and not _confirmed(request, prepared):
        shown = {"call": prepared, "body": _pretty(_body(prepared)), "number": _to_confirm(request, prepared)}
        return _form(request, app, wanted, request.POST, shown, template="explorer_confirm")
    outcome = explorer.perform(prepared, actor=operator(request))
    sent = {"call": prepared, "outcome": outcome, "sent_body": _pretty(_body(prepared))}
    return _form(request, app, wanted, request.POST, sent)


def _allowed(view: View) -> View:
    def guarded(request: HttpRequest, **arguments: Any) -> HttpResponse:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        return view(request, **arguments)

    return guarded


def _app(request: HttpRequest) -> App | None:
    """The selected app, or the first."""
    apps = App.objects.order_by("pk")
    chosen = request.GET.get("app") or request.POST.get("app") or ""
    found = apps.filter(pk=chosen).first() if chosen.isascii() and chosen.isdigit() and len(chosen) < 10 else None
    return found or apps.first()


def _form(
    request: HttpRequest,
    app: App,
    wanted: Operation,
    given: Mapping[str, str],
    more: dict[str, Any],
    *,
    template: str = "explorer_operation",
) -> HttpResponse:
    values = {name.removeprefix(_VALUE): value for name, value in given.items() if name.startswith(_VALUE)}
    context = {
        "operation": wanted,
        "reads": client.reads(wanted, app),
        "fields": explorer.fields(wanted, values),
        "tenant": given.get("tenant", ""),
        "body_text": given.get("body", explorer.example(wanted)),
        "properties": _properties(wanted),
        "installations": explorer.installations(app, wanted)[:_SUGGESTED],
        "files": wanted.body is not None and wanted.body.content == "multipart",
        **more,
    }
    return _page(request, template, app, context)


def _page(request: HttpRequest, template: str, app: App | None, context: dict[str, Any]) -> HttpResponse:
    shared = {"app": app, "apps": App.objects.order_by("pk"), "title": "Call explorer", "prefix": _VALUE}
    context = {**admin.site.each_context(request), **shared, **context}
    return TemplateResponse(request, f"admin/gateway/{template}.html", context)


def _prepared(request: HttpRequest, app: App, wanted: Operation) -> PreparedCall:
    values = {name.removeprefix(_VALUE): text for name, text in request.POST.items() if name.startswith(_VALUE)}
    given = {name: str(text) for name, text in values.items()}
    tenant, body = str(request.POST.get("tenant", "")), str(request.POST.get("body", ""))
    return explorer.prepared(app, wanted, tenant=tenant, values=given, body=body)


def _to_confirm(request: HttpRequest, prepared: PreparedCall) -> str:
    """A number for exactly this request, valid for one sending."""
    number = secrets.token_urlsafe(12)
    numbers = dict(list(request.session.get(_SESSION, {}).items())[1 - _MOST_OPEN :])
    request.session[_SESSION] = {**numbers, number: _digest(prepared)}
    return number


def _confirmed(request: HttpRequest, prepared: PreparedCall) -> bool:
    numbers = dict(request.session.get(_SESSION, {}))
    expected = numbers.pop(str(request.POST.get("confirmed", "")), None)
    if expected is None:
        return False
    request.session[_SESSION] = numbers
    request.session.save()  # before the call is sent, not with the page's response
    return bool(expected == _digest(prepared))


def _digest(prepared: PreparedCall) -> str:
    request = prepared.request
    text = json.dumps(
        [
            prepared.app.pk,
            prepared.installation.pk,
            request.method,
            request.path,
            request.query,
            request.json,
            request.form,
        ],
        sort_keys=True,
        default=str,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _body(prepared: PreparedCall) -> Any:
    """The body as it is sent: with the fields that the gateway fills in."""
    return prepared.request.json if prepared.request.form is None else prepared.request.form


def _pretty(body: Any) -> str:
    return "" if body is None else json.dumps(body, indent=2, ensure_ascii=False)


def _properties(wanted: Operation) -> list[tuple[str, str, bool]]:
    """Known property names of the body, with type and whether it is required; required ones first."""
    body = wanted.body
    if body is None:
        return []
    found = [(name, kind, name in body.needs and name not in explorer.FILLED) for name, kind in body.properties.items()]
    return sorted(found, key=lambda one: not one[2])
