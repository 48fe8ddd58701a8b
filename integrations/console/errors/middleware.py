"""What every answer carries, and what a visitor gets when a view fails.

Three policies, chosen by path, because one would be too weak: our own pages allow nothing but our own files; the
admin theme needs `eval` (Alpine) and inline styles; the page inside the agency's iframe may be framed. Its hosts are
thousands of white-label domains that nobody can list (FACTS 5), so any may frame it, over HTTPS where we have it.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from integrations.console.errors import responses
from integrations.core.errors import IntegrationError

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_OURS = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors {frames}"
)
_ADMIN = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PERMISSIONS = (
    "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
    "microphone=(), midi=(), payment=(), usb=()"
)


class SecurityHeaders:
    """Sets what is not set yet, so that a view may be stricter, and the sandbox's pages their own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        framed = request.path.startswith("/embed/")
        response.headers.setdefault("Content-Security-Policy", _policy(request.path, framed=framed))
        response.headers.setdefault("Permissions-Policy", _PERMISSIONS)
        if not framed:
            response.headers.setdefault("X-Frame-Options", "DENY")
        return response


class ErrorPages:
    """Turns what a view raised into an answer. Anything unforeseen goes on to Django's handler500."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, IntegrationError):
            return responses.to_error(request, exception)
        if isinstance(exception, responses.OUTAGES):
            return responses.to_outage(request, exception)
        return None


def _policy(path: str, *, framed: bool) -> str:
    if path.startswith("/admin/"):
        return _ADMIN
    if framed:
        return _OURS.format(frames="https:" if settings.HTTPS else "*")
    return _OURS.format(frames="'none'")
