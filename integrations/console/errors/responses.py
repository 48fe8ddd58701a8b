"""Error answers: the page, or JSON for a client that asks for it, with the status the error tree means.

The page is rendered without a request, so no context processor and no session can touch the database that may be
what is missing. Nothing of the exception but its code and the vendor's trace id is shown.
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
from integrations.console.errors.messages import Wording
from integrations.core.errors import IntegrationError, Retryable, Untrusted

log = structlog.get_logger(__name__)

OUTAGES = (OperationalError, InterfaceError)
RETRY_AFTER = 5


def to_error(request: HttpRequest, error: IntegrationError) -> HttpResponse:
    """The answer to an anticipated failure; Retryable ones carry Retry-After in whole seconds."""
    words = messages.of(error)
    status = error.status if isinstance(error, Untrusted) else words.status
    log.warning("page.refused", path=request.path, status=status, code=error.code, error=str(error), **_ids(error))
    response = _answer(request, words, status, code=error.code, trace_id=error.context.get("trace_id", ""))
    if isinstance(error, Retryable):
        response["Retry-After"] = str(max(1, math.ceil(error.retry_after or RETRY_AFTER)))
    return response


def to_outage(request: HttpRequest, error: BaseException) -> HttpResponse:
    """The database is away: 503, and when to come back."""
    log.error("page.outage", path=request.path, error=type(error).__name__)
    response = _answer(request, messages.OUTAGE, 503, code="store_unavailable")
    response["Retry-After"] = str(RETRY_AFTER)
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, messages.HTTP[400], 400, code="bad_request")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, messages.HTTP[403], 403, code="forbidden")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, messages.HTTP[404], 404, code="not_found")


def failed(request: HttpRequest) -> HttpResponse:
    """Django's handler500. Middleware that finds the database gone ends here, past every process_exception."""
    error = sys.exc_info()[1]
    if isinstance(error, OUTAGES):
        return to_outage(request, error)
    return _answer(request, messages.HTTP[500], 500, code="internal")


def form_expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    log.warning("page.csrf", path=request.path, reason=reason)
    return _answer(request, messages.FORM_EXPIRED, 403, code="form_expired")


def _answer(request: HttpRequest, words: Wording, status: int, *, code: str, trace_id: str = "") -> HttpResponse:
    body: dict[str, Any] = {
        "code": code,
        "title": words.title,
        "message": words.message,
        "what_to_do": words.what_to_do,
        "trace_id": trace_id,
    }
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return JsonResponse({"error": body}, status=status)
    return HttpResponse(render_to_string("error.html", {**body, "status": status}), status=status)


def _ids(error: IntegrationError) -> dict[str, Any]:
    taken = {"path", "status", "code", "error", "event"}
    return {key: value for key, value in error.context.items() if key not in taken}
