"""WSGI application for posts to the webhook endpoint, which takes them before Django's request handling.

Sessions, CSRF tokens, messages and content policies have no meaning for a machine that posts signed JSON, and together
they cost as much as storing the event. Every other request (browsers, other methods, unusual bodies) goes to the Django
view, which gives the same answers.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, BinaryIO

import structlog
from django.db import connection

from integrations.core import texts
from integrations.webhooks import endpoint
from integrations.webhooks.endpoint import WebhookResponse

log = structlog.get_logger(__name__)

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_PATH = re.compile(r"/webhooks(?:/([A-Za-z0-9_.-]+))?/?")
# So many threads keep their database connection from one webhook to the next; at most half of the pool, so that the
# other threads find one.
_MOST_KEPT = 10
_keep_slots = threading.BoundedSemaphore(_MOST_KEPT)
_thread = threading.local()


def handle_webhooks(django: Application) -> Application:
    """The application that answers posts to the webhook endpoint itself and passes all other requests to `django`."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        found = _PATH.fullmatch(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
        length = texts.whole(environ.get("CONTENT_LENGTH") or "")
        if found is None or length is None:
            return django(environ, start_response)
        try:
            response = endpoint.respond(found[1], environ, _Limited(environ["wsgi.input"], length))
        except Exception:
            log.exception("webhook.failed")
            response = WebhookResponse(500, {"error": "internal", "message": "the webhook could not be taken"})
        finally:
            _give_back()
        return _respond(response, start_response)

    return application


def _respond(response: WebhookResponse, start_response: Callable[..., Any]) -> list[bytes]:
    body = json.dumps(response.body).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
        **response.headers,
    }
    start_response(f"{response.status} {HTTPStatus(response.status).phrase}", list(headers.items()))
    return [body]


def _give_back() -> None:
    """Return the connection to the pool, unless this thread may keep it. `inbox` replaces a kept one that broke."""
    if not hasattr(_thread, "keeps"):
        _thread.keeps = _keep_slots.acquire(blocking=False)
    if not _thread.keeps or connection.errors_occurred:
        connection.close()


class _Limited:
    """The body: no more bytes than the request declares, because not every server ends the stream there."""

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream, self._length = stream, length

    def read(self, most: int, /) -> bytes:
        """Read the body, up to `most` bytes. Raises EOFError when it ends before the declared length."""
        wanted = min(most, self._length)
        raw = self._stream.read(wanted)
        if len(raw) < wanted:
            raise EOFError
        return raw
