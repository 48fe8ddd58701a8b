"""The webhook endpoint: read the raw body, store it through `inbox.accept`, answer in JSON.

The answers follow both retry policies the vendor has published (FACTS 3.2): one repeats every answer but 2xx, the
other only 429. So the answer is 429 for an event that could not be stored, and never 500 for a failure
that has a status of its own.
"""

from __future__ import annotations

from typing import BinaryIO, cast

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from integrations.core.errors import PayloadAnomalous, PayloadTooLarge, Retryable, Untrusted
from integrations.webhooks import answers, inbox
from integrations.webhooks.answers import Outcome

log = structlog.get_logger(__name__)

LARGEST = 1024 * 1024  # bytes; the largest real bodies are messages with some tens of kB of HTML


@csrf_exempt
def receive(request: HttpRequest, app_name: str | None = None) -> HttpResponse:
    """Handle POST /webhooks/ and /webhooks/<app>/."""
    if request.method in ("GET", "HEAD"):
        return HttpResponse("HighLevel posts its webhooks here.\n", content_type="text/plain")
    if request.method != "POST":
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    try:
        receipt = inbox.accept(app_name, _body(request), request.headers)
    except Untrusted as error:
        answers.count(app_name, answers.REFUSALS[error.status])
        log.warning("webhook.refused", code=error.code, error=str(error), **error.context)
        return JsonResponse({"error": error.code, "message": str(error)}, status=error.status)
    except Retryable as error:
        answers.count(app_name, Outcome.NOT_STORED)
        log.warning("webhook.not_stored", code=error.code, **error.context)
        wait = {"Retry-After": str(round(error.retry_after or inbox.COME_BACK))}
        return JsonResponse({"error": error.code, "message": str(error)}, status=429, headers=wait)
    except Exception:
        answers.count(app_name, Outcome.FAILED)
        raise
    outcome = Outcome.STORED if receipt.mailbox_id else Outcome.DUPLICATE
    answers.count(receipt.app_id, outcome)
    return JsonResponse({"status": outcome.value})


def _body(request: HttpRequest) -> bytes:
    """The raw body. One that declares too large a length is not read; any other up to one byte above the limit."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if declared.isdecimal() and int(declared) > LARGEST:
        raise PayloadTooLarge("the webhook is larger than 1 MiB", size=int(declared))
    try:
        raw: bytes = _stream(request).read(LARGEST + 1)
    except Exception as error:  # the server reports a malformed chunk by a class of its own, which is no OSError
        raise PayloadAnomalous("the webhook broke off", reason=type(error).__name__) from error
    if len(raw) > LARGEST:
        raise PayloadTooLarge("the webhook is larger than 1 MiB")
    return raw


def _stream(request: HttpRequest) -> BinaryIO:
    """The stream to read the body from.

    Django reads nothing of a chunked body, because it declares no length. The server marks bodies that end by
    themselves (`wsgi.input_terminated`).
    """
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "") and request.META.get("wsgi.input_terminated"):
        return cast(BinaryIO, request.META["wsgi.input"])
    return cast(BinaryIO, request)
