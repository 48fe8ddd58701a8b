"""Middleware: security headers of every response, and error pages for exceptions of views.

There are three content security policies, because a single one would be too weak. Our own pages load only our own
files. So do the admin's, whose theme has `style` attributes; `expressions.js` reads its expressions without `eval`. A
page inside HighLevel may be framed: its hosts are thousands of white-label domains that cannot be listed (FACTS 5), so
any host may frame it, over HTTPS where we serve HTTPS.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from integrations.console.errors import responses
from integrations.core.errors import BadRequest, IntegrationError
from integrations.core.observing import spans

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_OURS = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors {frames}"
)
_ADMIN = (
    "default-src 'self'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FRAMED = "hlapp.framed"  # key in `request.META` of a request whose response may be framed; no client can set it
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_PERMISSIONS = (
    "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
    "microphone=(), midi=(), payment=(), usb=()"
)


class ProbesOfAnyHost:
    """Answers `/healthz`, `/readyz` and `/metrics` whatever the Host header says.

    Orchestrators and scrapers use a pod's address, which no ALLOWED_HOSTS can list. These responses contain no URL, so
    a forged Host has no effect on them.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.rstrip("/") in _PROBES:
            named = (host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*")
            request.META["HTTP_HOST"] = next(named, "localhost")
        return self.get_response(request)


class SecurityHeaders:
    """Sets the headers that the view did not set: a view may be stricter, and the sandbox's pages have their own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        framed = FRAMED in request.META
        response.headers.setdefault("Content-Security-Policy", _policy(request.path, framed=framed))
        response.headers.setdefault("Permissions-Policy", _PERMISSIONS)
        if not framed:
            response.headers.setdefault("X-Frame-Options", "DENY")
        return response


class ErrorPages:
    """Turns exceptions of views into error responses. Unexpected exceptions go on to Django's handler500."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.resolver_match is not None:  # a path has ids in it, of which a name has none
            spans.note(f"{request.method} /{request.resolver_match.route}")
        return response

    def process_view(self, request: HttpRequest, *_view: object) -> HttpResponse | None:
        """Django's hook before a view. It refuses an address or a form of the operators' pages with a NUL, which no
        text of the database can have: whatever a page looks for, there is none, and what a form says cannot be stored.
        """
        if request.path.startswith("/admin/") and _has_nul(request):
            return responses.for_error(request, BadRequest("the address or the form has a NUL character"))
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Django's hook for an exception that a view raised; None leaves it to Django."""
        if isinstance(exception, IntegrationError):
            return responses.for_error(request, exception)
        if isinstance(exception, responses.OUTAGES):
            return responses.for_outage(request, exception)
        return None


def _has_nul(request: HttpRequest) -> bool:
    if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
        return True
    return any("\0" in text for _, values in request.POST.lists() for text in values)


def _policy(path: str, *, framed: bool) -> str:
    if path.startswith("/admin/"):
        return _ADMIN
    if framed:
        return _OURS.format(frames="https:" if settings.HTTPS else "*")
    return _OURS.format(frames="'none'")
