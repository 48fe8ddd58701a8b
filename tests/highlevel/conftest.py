"""A HighLevel of loopback HTTP for the protocol tests: real sockets, real Authlib, real httpx2."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pytest_httpserver import HTTPServer

from integrations.core.secret import Secret
from integrations.highlevel.http import wire
from integrations.highlevel.oauth.client import ClientIdentity
from integrations.highlevel.oauth.dialects import DialectName
from tests.plugin import process_state

Script = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _fresh_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ports are reused, so no pooled connection may outlive its test; and no proxy stands between."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    yield
    process_state.forget_connections()


@pytest.fixture
def api_url(httpserver: HTTPServer) -> Iterator[str]:
    url = httpserver.url_for("").rstrip("/")
    yield url
    wire.shared(url).close()


@pytest.fixture
def client(api_url: str) -> Callable[[DialectName], ClientIdentity]:
    def make(dialect: DialectName = "v2") -> ClientIdentity:
        return ClientIdentity(
            client_id="6578278e879ad2646715ba9c-abc",
            client_secret=Secret("s&cr=t/+%"),
            redirect_uri="https://app.example/oauth/callback",
            api_url=api_url,
            dialect=dialect,
        )

    return make


@pytest.fixture
def raw_server() -> Iterator[Callable[[Script], str]]:
    """Starts servers that do to a connection what the test says, for answers no HTTP server sends."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []
    urls: list[str] = []

    def start(script: Script) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        thread = threading.Thread(target=_serve, args=(listener, script), daemon=True)
        thread.start()
        threads.append(thread)
        urls.append(f"http://127.0.0.1:{listener.getsockname()[1]}")
        return urls[-1]

    yield start
    for url in urls:
        wire.shared(url).close()
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(timeout=60)


def _serve(listener: socket.socket, script: Script) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, _ignoring_hangups():
            connection.settimeout(60)
            script(connection)


@contextmanager
def _ignoring_hangups() -> Iterator[None]:
    try:
        yield
    except OSError:
        return


def request_of(connection: socket.socket) -> bytes:
    """Reads one request up to the end of its headers and what came with them."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            break
        received += part
    return received
