"""The page of variables: each that the settings read, where its value came from, and what it should be.

Values of kinds that can hold a secret (texts, lists, addresses) are not shown: the page says only that they are set.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

VIEW = "operators.view_metrics"
SOURCES = {"environment": "set", "file": "set by a file", "default": "not set"}


def show(request: HttpRequest) -> HttpResponse:
    """The page. Raises PermissionDenied without the permission."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    rows = [(one, SOURCES[one.source]) for one in settings.VARIABLES]
    context = {**admin.site.each_context(request), "title": "Variables", "rows": rows}
    return TemplateResponse(request, "admin/variables.html", context)
