"""Middleware: where OPERATOR_SECOND_FACTOR=required, a session without a second factor opens the page that makes one.

It opens nothing else below `/admin/`, and to `/metrics` it is a stranger's.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from integrations.operators.second_factor import pending


class SecondFactorRequired:
    """Stands behind the middleware that knows the user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.OPERATOR_SECOND_FACTOR == "required" and _is_incomplete(request):
            page = reverse("operators:second-factor")
            if not request.path.startswith("/admin/"):
                request.user = AnonymousUser()
            elif request.path not in (page, reverse("admin:logout"), reverse("admin:jsi18n")):
                return HttpResponseRedirect(page)
        return self.get_response(request)


def _is_incomplete(request: HttpRequest) -> bool:
    if not request.path.startswith("/admin/") and request.path.rstrip("/") != "/metrics":
        return False  # no other page asks who the operator is, and none of those needs the session read
    return request.user.is_authenticated and not pending.is_complete(request.session)
