"""Gives each web request its ids, in the logs and in the answer as `X-Request-ID`, and its span.

The ids stay with the server's thread until its next request, because gunicorn writes the access log after the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from integrations.core.observing import log_scope, spans

HEADER = "X-Request-ID"
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def begin(environ: Mapping[str, Any]) -> str:
    """Begin the request with this WSGI environment; returns its id."""
    ids = log_scope.of_request(
        environ.get("HTTP_X_REQUEST_ID", ""),
        environ.get("HTTP_TRACEPARENT", ""),
        behind_proxy=settings.TRUSTED_PROXIES > 0,
    )
    log_scope.begin(**ids)
    return ids["request_id"]


def identified(application: Application) -> Application:
    """A WSGI application whose requests have ids."""

    def respond(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request_id = begin(environ)

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            spans.note(**{"http.response.status_code": int(status[:3])})
            return start_response(status, [*headers, (HEADER, request_id)], *more)

        with _span(environ):
            return application(environ, start)

    return respond


def identified_asgi(application: Callable[..., Any]) -> Callable[..., Any]:
    """An ASGI application whose requests have ids."""

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        environ = {**_environ(scope), "REQUEST_METHOD": scope["method"], "PATH_INFO": scope["path"]}
        request_id = begin(environ)

        async def answer(message: Any) -> None:
            if message["type"] == "http.response.start":
                spans.note(**{"http.response.status_code": message["status"]})
                header = (HEADER.lower().encode(), request_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        with _span(environ):
            await application(scope, receive, answer)

    return respond


@contextmanager
def _span(environ: Mapping[str, Any]) -> Iterator[None]:
    """The span of a request. What was added to the ids inside stays, for the line of the access log."""
    method = environ.get("REQUEST_METHOD", "")
    parents = [environ.get("HTTP_TRACEPARENT", "")] if settings.TRUSTED_PROXIES else []
    ids = log_scope.current()
    known = {"http.request.method": method, "url.path": environ.get("PATH_INFO"), "request_id": ids.get("request_id")}
    try:
        with spans.span(str(method), "server", parents, **known):
            try:
                yield
            finally:
                ids = log_scope.current()
    finally:
        log_scope.begin(**ids)


def _environ(scope: Any) -> dict[str, str]:
    """The headers as WSGI names them."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
