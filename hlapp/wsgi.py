"""WSGI application: `gunicorn hlapp.wsgi`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from hlapp.start import prove_keys
from integrations.tokens.spool.drain_thread import DrainThread

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hlapp.settings")
_django = get_wsgi_application()
_keeper = DrainThread()
prove_keys()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Start the spool thread with the first request: the module may be loaded in a process that only forks servers."""
    _keeper.start()
    return _django(environ, start_response)
