"""WSGI application: `gunicorn hlapp.wsgi`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from hlapp import project
from hlapp.observing import request_scope
from hlapp.start import prepare_web

project.prepare()
_django = get_wsgi_application()

from integrations.tokens.spool.drain_thread import DrainThread  # noqa: E402 - models are loaded only now
from integrations.webhooks import wsgi_entry  # noqa: E402

_application = request_scope.identified(wsgi_entry.handle_webhooks(_django))
_drain_thread = DrainThread()
_CLIENT_SECONDS = 20.0  # the longest pause of a client within a request's body or while it takes the response
prepare_web()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Start the spool thread with the first request: the module may be loaded in a process that only forks servers."""
    _drain_thread.start()
    if client := environ.get("gunicorn.socket"):
        client.settimeout(_CLIENT_SECONDS)  # a sender that stops halfway gives its thread back
    return _application(environ, start_response)
