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
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from integrations.core import masking, texts
from integrations.core.admin import operator
from integrations.core.errors import BadRequest, IntegrationError
from integrations.gateway.explorer import explorer, prefilled
from integrations.gateway.explorer.explorer import CallByHand, PreparedCall
from integrations.gateway.models import Call
from integrations.gateway.target import API_1_KEY, Target
from integrations.highlevel.catalogue import Operation, field_notes, proven_fields
from integrations.highlevel.catalogue.api_version import API_1, EXAMPLES
from integrations.highlevel.catalogue.unlisted import METHODS
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
        path("explore/path/", admin.site.admin_view(_allowed(any_path)), name="gateway_explore_path"),
        path("explore/<path:key>/", admin.site.admin_view(_allowed(operation)), name="gateway_explore_operation"),
    ]


def url_of(call: Call) -> str:
    """URL of the explorer's page for the operation and the tenant of a kept call."""
    chosen = {"app": call.app_id, "tenant": call.resource_id, prefilled.CALL: call.pk}
    if " " not in call.operation:
        return f"{reverse('admin:gateway_explore_operation', args=[call.operation])}?{urlencode(chosen)}"
    version = {"version": API_1} if call.operation.startswith(API_1_KEY) else {}
    chosen |= {"method": call.method, "path": call.path, **version}
    return f"{reverse('admin:gateway_explore_path')}?{urlencode(chosen)}"


def index(request: HttpRequest) -> HttpResponse:
    """Page that searches operations, and that takes any method and path."""
    return _found(request, request.GET.get("q", "").strip())


def _found(request: HttpRequest, words: str, mistake: str = "") -> HttpResponse:
    app, version, found = _app(request), _field(request, "version"), []
    try:
        found = [] if app is None else explorer.search(app, words, version)
    except BadRequest as error:
        version, mistake = "", str(error)
    shown = {"words": words, "found": found[:_SHOWN], "count": len(found), "more": max(0, len(found) - _SHOWN)}
    asked = {"path": _field(request, "path"), "method": _field(request, "method"), "methods": METHODS}
    answer = _page(request, "explorer", app, {**shown, **asked, "version": version, "mistake": mistake})
    answer.status_code = 404 if mistake else 200
    return answer


def any_path(request: HttpRequest) -> HttpResponse:
    """Page of an operation that is named by method and path, whether the catalogue lists it or not."""
    return operation(request, f"{_field(request, 'method')} {_field(request, 'path')}")


def operation(request: HttpRequest, key: str) -> HttpResponse:
    """Page of one operation: form, confirmation when the call may change something, and outcome."""
    app, version = _app(request), _field(request, "version")
    if app is None:
        return _found(request, "")
    try:
        wanted = explorer.find(app, key, version)
    except BadRequest as error:
        return _found(request, "", str(error))
    if request.method != "POST":
        return _first_form(request, app, wanted, key)
    try:
        prepared = explorer.prepared(app, _filled_in(request, key, version))
    except IntegrationError as error:
        return _form(request, app, wanted, request.POST, {"mistake": str(error)})
    if prepared.changes and not _confirmed(request, prepared):
        shown = {"call": prepared, "body": _pretty(_body(prepared)), "number": _to_confirm(request, prepared)}
        return _form(request, app, wanted, request.POST, shown, template="explorer_confirm")
    outcome = explorer.perform(prepared, actor=operator(request))
    sent = {"call": prepared, "outcome": outcome, "sent_body": _pretty(_body(prepared))}
    return _form(request, app, wanted, request.POST, sent)


def _first_form(request: HttpRequest, app: App, wanted: Target, key: str) -> HttpResponse:
    """The form as it opens: empty, or with what the call sent that the address names."""
    given: dict[str, str] = {name: str(value) for name, value in request.GET.items()}
    call = prefilled.call_of(given, key)
    if call is None:
        return _form(request, app, wanted, given, {})
    fields, whole = prefilled.fields_of(call, wanted, _VALUE)
    return _form(request, app, wanted, given | fields, {"of_call": call, "whole": whole})


def _field(request: HttpRequest, name: str) -> str:
    """A field of the posted form, else of the page's address."""
    return str(request.POST.get(name, request.GET.get(name, ""))).strip()


def _allowed(view: View) -> View:
    """The view for who may call by hand, and may see personal data: the vendor's answers are shown as they come."""

    def guarded(request: HttpRequest, **arguments: Any) -> HttpResponse:
        if not request.user.has_perm(PERMISSION) or masking.applies(request):
            raise PermissionDenied
        return view(request, **arguments)

    return guarded


def _app(request: HttpRequest) -> App | None:
    """The selected app, or the first."""
    apps = App.objects.order_by("pk")
    chosen = texts.whole(request.GET.get("app") or request.POST.get("app") or "") or 0
    return apps.filter(pk=chosen).first() or apps.first()


def _form(
    request: HttpRequest,
    app: App,
    target: Target,
    given: Mapping[str, str],
    more: dict[str, Any],
    *,
    template: str = "explorer_operation",
) -> HttpResponse:
    values = {name.removeprefix(_VALUE): value for name, value in given.items() if name.startswith(_VALUE)}
    wanted, notes = target.operation, explorer.notes_of(target)
    context = {
        "operation": wanted,
        "listed": target.listed,
        "reads": target.reads,
        "version": _field(request, "version"),
        "header": target.version.header or wanted.version,
        "fields": explorer.fields(wanted, values, notes),
        "one_of": [*map(", ".join, proven_fields.of(wanted).one_of), *field_notes.groups(notes)],
        "query": given.get("query", ""),
        "tenant": given.get("tenant", ""),
        "takes_body": wanted.body is not None or wanted.method != "GET",
        "body_text": given.get("body", explorer.example(wanted)),
        "properties": _properties(wanted, notes),
        "installations": explorer.installations(app, wanted)[:_SUGGESTED],
        "files": wanted.body is not None and wanted.body.content == "multipart",
        **more,
    }
    return _page(request, template, app, context)


def _page(request: HttpRequest, template: str, app: App | None, context: dict[str, Any]) -> HttpResponse:
    apps = App.objects.order_by("pk")
    shared = {"app": app, "apps": apps, "title": "Call explorer", "prefix": _VALUE, "versions": EXAMPLES}
    context = {**admin.site.each_context(request), **shared, **context}
    return TemplateResponse(request, f"admin/gateway/{template}.html", context)


def _filled_in(request: HttpRequest, key: str, version: str) -> CallByHand:
    values = {name.removeprefix(_VALUE): str(text) for name, text in request.POST.items() if name.startswith(_VALUE)}
    given = {name: str(request.POST.get(name, "")) for name in ("tenant", "query", "body")}
    return CallByHand(key, version, values=values, **given)


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
            request.version,
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


def _properties(wanted: Operation, notes: Mapping[str, str]) -> list[tuple[str, str, bool, str]]:
    """Known property names of the body, with type, whether it is really required, and a note; required ones first."""
    body = wanted.body
    if body is None:
        return []
    required = frozenset(proven_fields.of(wanted).required) - explorer.FILLED
    found = [(name, kind, name in required, notes.get(name, "")) for name, kind in body.properties.items()]
    return sorted(found, key=lambda one: not one[2])
