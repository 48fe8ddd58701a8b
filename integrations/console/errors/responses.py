"""Builds the HTTP responses for errors: the error page, or JSON for a client that prefers it.

The page is rendered without the request, so no context processor and no session queries the database, which may be
down. Of the exception only its code and the vendor's trace id are shown.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from integrations.console.errors import messages
from integrations.console.errors.messages import ErrorText
from integrations.core import clock
from integrations.core.errors import IntegrationError, Retryable, Untrusted
from integrations.core.observing import log_scope

log = structlog.get_logger(__name__)

OUTAGES = (OperationalError, InterfaceError)
RETRY_AFTER = 5


def for_error(request: HttpRequest, error: IntegrationError) -> HttpResponse:
    """The response to an error of our tree. For a Retryable error it has Retry-After, in whole seconds."""
    text = messages.for_error(error)
    status = error.status if isinstance(error, Untrusted) else text.status
    log.warning("page.refused", path=request.path, status=status, code=error.code, error=str(error), **_ids(error))
    response = _respond(request, text, status, code=error.code, trace_id=error.vendor.trace_id or "")
    if isinstance(error, Retryable):
        response["Retry-After"] = str(max(1, math.ceil(error.retry_after or RETRY_AFTER)))
    return response


def for_outage(request: HttpRequest, error: BaseException) -> HttpResponse:
    """The database cannot be reached: 503 with Retry-After."""
    log.error("page.outage", path=request.path, error=type(error).__name__)
    response = _respond(request, messages.OUTAGE, 503, code="store_unavailable")
    response["Retry-After"] = str(RETRY_AFTER)
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    return _respond(request, messages.BY_STATUS[400], 400, code="bad_request")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403."""
    return _respond(request, messages.BY_STATUS[403], 403, code="forbidden")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    return _respond(request, messages.BY_STATUS[404], 404, code="not_found")


def failed(request: HttpRequest) -> HttpResponse:
    """Django's handler500. A database error inside a middleware also ends here: it passes no process_exception."""
    error = sys.exc_info()[1]
    if isinstance(error, OUTAGES):
        return for_outage(request, error)
    return _respond(request, messages.BY_STATUS[500], 500, code="internal")


def form_expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    log.warning("page.csrf", path=request.path, reason=reason)
    return _respond(request, messages.FORM_EXPIRED, 403, code="form_expired")


def _respond(request: HttpRequest, text: ErrorText, status: int, *, code: str, trace_id: str = "") -> HttpResponse:
    body: dict[str, Any] = {
        "code": code,
        "title": text.title,
        "message": text.message,
        "what_to_do": text.what_to_do,
        "trace_id": trace_id,
        "request_id": log_scope.current().get("request_id", ""),
    }
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return JsonResponse({"error": body}, status=status)
    return HttpResponse(render_to_string("error.html", {**body, "status": status, "at": clock.now()}), status=status)


def _ids(error: IntegrationError) -> dict[str, Any]:
    """The error's context for the log, without the keys that the log line has already."""
    taken = {"path", "status", "code", "error", "event"}
    return {key: value for key, value in error.context.items() if key not in taken}
