"""The webhook endpoint without a web framework: reads the body, stores it through `inbox.accept`, says what to answer.

The answers follow both retry policies the vendor has published (FACTS 3.2): one repeats every answer but 2xx, the
other only 429. So the answer is 429 for an event that could not be stored, and never 500 for a failure that has a
status of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from django.conf import settings

from integrations.core import texts
from integrations.core.errors import PayloadAnomalous, PayloadTooLarge, Retryable, Untrusted
from integrations.highlevel.signatures import ED25519_HEADER, RSA_HEADER
from integrations.webhooks import inbox, response_counts
from integrations.webhooks.inbox import Receipt
from integrations.webhooks.response_counts import NO_APP, ResponseOutcome

log = structlog.get_logger(__name__)

_SIGNATURES = {ED25519_HEADER: "HTTP_X_GHL_SIGNATURE", RSA_HEADER: "HTTP_X_WH_SIGNATURE"}


class BrokenOff(PayloadAnomalous):
    """The body ended before its end, so its signature could not be verified."""


class RequestBody(Protocol):
    """The stream of a request's body."""

    def read(self, most: int, /) -> bytes:
        """Up to `most` bytes; fewer at the end of the body."""


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """The response to one webhook. `body` is its JSON."""

    status: int
    body: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)


def respond(app_name: str | None, environ: Mapping[str, Any], stream: RequestBody) -> WebhookResponse:
    """Take one POST. `environ` is the WSGI environment or Django's `request.META`, `stream` the body.

    `app_name` is the URL's part that names an app. The outcome is counted. Raises only what is a fault of ours.
    """
    try:
        receipt = inbox.accept(app_name, body(environ, stream), signatures(environ))
    except Untrusted as error:
        refusal = response_counts.REFUSALS[error.status]
        response_counts.count(app_name, ResponseOutcome.UNSIGNED if isinstance(error, BrokenOff) else refusal)
        return refused(error)
    except Retryable as error:
        response_counts.count(app_name, ResponseOutcome.NOT_STORED)
        return not_stored(error)
    except Exception:
        response_counts.count(app_name, ResponseOutcome.FAILED)
        raise
    outcome = outcome_of(receipt)
    response_counts.count(receipt.app_id or NO_APP, outcome)
    return WebhookResponse(200, {"status": outcome.value})


def refused(error: Untrusted) -> WebhookResponse:
    """The response to a post that is not what it claims to be."""
    log.warning("webhook.refused", code=error.code, error=str(error), **error.context)
    return WebhookResponse(error.status, {"error": error.code, "message": str(error)})


def not_stored(error: Retryable) -> WebhookResponse:
    """The response to a post that the vendor shall send again."""
    log.warning("webhook.not_stored", code=error.code, **error.context)
    wait = {"Retry-After": str(round(error.retry_after or inbox.RETRY_AFTER_SECONDS))}
    return WebhookResponse(429, {"error": error.code, "message": str(error)}, wait)


def outcome_of(receipt: Receipt) -> ResponseOutcome:
    """How a stored webhook, a duplicate, or one of another app was answered."""
    if receipt.app_id is None:
        return ResponseOutcome.UNKNOWN_APP
    return ResponseOutcome.STORED if receipt.mailbox_id else ResponseOutcome.DUPLICATE


def signatures(environ: Mapping[str, Any]) -> dict[str, str]:
    """The headers with signatures."""
    return {name: environ[key] for name, key in _SIGNATURES.items() if key in environ}


def body(environ: Mapping[str, Any], stream: RequestBody) -> bytes:
    """The raw body. One that declares too large a length is not read; any other up to one byte above the limit.

    Raises PayloadTooLarge, and BrokenOff.
    """
    largest: int = settings.WEBHOOK_MAX_BYTES
    declared = texts.whole(environ.get("CONTENT_LENGTH") or "0") or 0
    if declared > largest:
        raise PayloadTooLarge(f"the webhook is larger than {largest} bytes", size=declared)
    try:
        raw = stream.read(largest + 1)
    except Exception as error:  # the server reports a malformed chunk by a class of its own, which is no OSError
        raise BrokenOff("the webhook broke off", reason=type(error).__name__) from error
    if len(raw) > largest:
        raise PayloadTooLarge(f"the webhook is larger than {largest} bytes")
    return raw
