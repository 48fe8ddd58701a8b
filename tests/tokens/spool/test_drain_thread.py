"""Web and worker processes look after their own machine's spool, and only processes that serve do."""

from __future__ import annotations

import pytest
from django.conf import settings

from tests.vault.conftest import spawn

pytestmark = pytest.mark.slow
_THREADS = "sum(thread.name == 'tokens-spool' for thread in threading.enumerate())"
_WSGI = """
import os, threading
import hlapp.wsgi
from django.test import RequestFactory
def request():
    environ = RequestFactory().get("/healthz", SERVER_NAME="localhost").environ
    list(hlapp.wsgi.application(environ, lambda *_: None))
"""
_ASGI = """
import asyncio, threading
import hlapp.asgi
from django.test import AsyncRequestFactory
def request():
    scope = AsyncRequestFactory().get("/healthz").scope
    said = iter([{"type": "http.request"}])
    async def receive(): return next(said, None) or await asyncio.Event().wait()
    async def send(_): pass
    asyncio.run(hlapp.asgi.application(scope | {"type": "http"}, receive, send))
"""
_FORKED = """
import warnings
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    request()
    os._exit(10 + THREADS)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), THREADS)
"""


def printed(code: str) -> str:
    with spawn("-c", code.replace("THREADS", _THREADS), ring=settings.VAULT_KEYS) as process:
        out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return out.strip()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("server", [_WSGI, _ASGI])
def test_a_web_process_looks_after_it_from_its_first_request_on(server: str) -> None:
    code = f"{server}\nbefore = THREADS\nrequest(); request()\nprint(before, THREADS)"
    assert printed(code) == "0 1"


@pytest.mark.django_db(transaction=True)
def test_the_process_that_only_forks_the_servers_has_no_thread(spool_directory: object) -> None:
    """As gunicorn's master does with --preload."""
    assert printed(_WSGI + _FORKED) == "11 0"
