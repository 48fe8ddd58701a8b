"""The page that prepares an upsert from a file, and the download of its result file."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from integrations.core import audit, clock, masking
from integrations.core.admin import operator
from integrations.core.errors import BadRequest, IntegrationError
from integrations.core.lists import spreadsheet
from integrations.tenants import chosen_app, names
from integrations.tenants.models import App
from integrations.upserts import bulk_upsert, preparing, pricing, queries, row_calls, row_sources

MAY_ASK = ("upserts.add_upsert", masking.PERMISSION)
DOWNLOAD = ("upserts.download_upsert", masking.PERMISSION)
LARGEST = 2 * 1024 * 1024  # bytes; a request has 2.5 MB at most. The command takes larger files
OPERATIONS = ("contacts.upsert-contact", "contacts.update-contact", "opportunities.Upsert-opportunity")


class NewUpsertPage:
    """The view: GET shows the form, POST stores the rows and their price. `?app=` and `?location=` choose for whom."""

    def __init__(self, site: Any) -> None:
        self._site = site

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Raises PermissionDenied without the permissions."""
        if not request.user.has_perms(MAY_ASK):
            raise PermissionDenied
        apps, app = chosen_app.of_request(request)
        if request.method == "POST" and app is not None:
            try:
                upsert_id = _prepared(request, app)
            except IntegrationError as error:
                messages.error(request, f"Nothing was stored: {error}.")
            else:
                messages.success(request, "Nothing was sent yet. This page shows what it costs: start it here.")
                return redirect(reverse("admin:upserts_upsert_change", args=[upsert_id]))
        context = {**self._site.each_context(request), "title": "Write records", **_shown(request, apps, app)}
        return TemplateResponse(request, "admin/upserts/new.html", context)


def download(request: HttpRequest, upsert_id: int) -> StreamingHttpResponse:
    """The result of each row as CSV, streamed. Raises PermissionDenied without the permissions, Http404 if there is
    none.
    """
    if not request.user.has_perms(DOWNLOAD):
        raise PermissionDenied
    try:
        upsert = queries.find(upsert_id)
    except BadRequest as error:
        raise Http404(str(error)) from error
    actor = operator(request)
    audit.record("upsert.downloaded", actor=actor, subject=upsert.tenant.audit_subject, upsert=upsert.pk)
    answer = StreamingHttpResponse(bulk_upsert.result_csv(upsert_id), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = spreadsheet.attachment(f"upsert-{upsert.pk}.csv")
    return answer


def _prepared(request: HttpRequest, app: App) -> int:
    file = request.FILES.get("file")
    if file is None or file.size is None:
        raise BadRequest("choose a file")
    if file.size > LARGEST:
        raise BadRequest(f"a file has {LARGEST // 1024**2} MB at most here: `manage.py upsert price` takes larger ones")
    form = row_sources.form_of(file.name or "")
    fields = request.POST
    mapping = row_calls.mapping_of(
        fields.get("operation", "").strip(),
        app,
        location=fields.get("location", "").strip(),
        columns=columns_of(fields.get("columns", "")),
    )
    rows, name = row_sources.of_stream(file, form), file.name or ""
    upsert = preparing.prepare(mapping, rows, app, name=name, by=operator(request), now=clock.now())
    pricing.price(upsert, clock.now())
    return upsert.pk


def columns_of(text: str) -> dict[str, str]:
    """The mapping that the form says: `field = column` on each line. Raises BadRequest for another line."""
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, column = line.partition("=")
        if not equals or not name.strip() or not column.strip():
            raise BadRequest(f"{line[:80]!r} is not of the form: field = column")
        found[name.strip()] = column.strip()
    return found


def _shown(request: HttpRequest, apps: list[App], app: App | None) -> dict[str, Any]:
    given = request.POST if request.method == "POST" else request.GET
    location = given.get("location", "").strip()
    return {
        "apps": apps,
        "app": app,
        "location": location,
        "location_name": names.by_id([location]).get(location, "") if location else "",
        "operation": given.get("operation", OPERATIONS[0]),
        "operations": OPERATIONS,
        "columns": given.get("columns", ""),
    }
