"""ASGI application, for servers such as uvicorn."""

from __future__ import annotations

from typing import Any

from django.core.asgi import get_asgi_application

from hlapp import project
from hlapp.observing import request_scope
from hlapp.start import prepare_web

project.prepare()
_django = request_scope.identified_asgi(get_asgi_application())

from integrations.tokens.spool.drain_thread import DrainThread  # noqa: E402 - models are loaded only now

_drain_thread = DrainThread()
prepare_web()


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Start the spool thread with the first request: the module may be loaded in a process that only forks servers."""
    _drain_thread.start()
    await _django(scope, receive, send)
