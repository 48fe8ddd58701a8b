"""HTTP wire: one attempt over pooled connections, with one deadline, a size limit, no redirects, retries or cookies.

A quota slot and a refresh intent each stand for exactly one request on the wire, so nothing below this module may send
a second one. The API client calls `exchange`, which takes and returns bytes: httpx2's requests and responses would cost
a call half as much CPU again as its HTTP. `Wire` is an httpx2 transport too, for Authlib's OAuth client, which so
shares its connections and errors. Responses are read to the end before they are returned. A forked child opens its own
connections.
"""

from __future__ import annotations

import os
import ssl
import threading
import urllib.request
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import httpcore2
import httpx2

from integrations.core.errors import IntegrationError, PayloadTooLarge
from integrations.core.observing import spans
from integrations.highlevel.http import deadline, destinations, network_errors

# Extensions of a request: the deadline of this attempt; an open file for the body of a success, and its size.
TOTAL, INTO, LARGEST = "total_seconds", "into", "largest_bytes"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes and connections of one process. `total_seconds` bounds an attempt from pool to last byte."""

    connections: int = 64
    keepalive_seconds: float = 30.0
    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    total_seconds: float = 30.0
    body_bytes: int = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One response, with the body decoded and complete; `headers` lack those that describe the body on the wire."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = field(repr=False)


class Wire(httpx2.BaseTransport):
    """Sends one request at a time per thread; safe to share between threads and across a fork.

    `peer` is the name of the server in errors.
    """

    def __init__(
        self,
        api_url: str,
        limits: Limits | None = None,
        *,
        backend: deadline.DeadlineBackend | None = None,
        peer: str = "HighLevel",
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self.peer = peer
        self.limits = limits or Limits()
        self._backend = backend or deadline.DeadlineBackend()
        self._opened: tuple[int, _Pool] | None = None
        self._closing: weakref.finalize[..., Wire] | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """`exchange` for clients of httpx2. It never raises an exception of httpx2."""
        to = request.url
        url = httpcore2.URL(scheme=to.raw_scheme, host=to.raw_host, port=to.port, target=to.raw_path)
        body = cast(Iterable[bytes], request.stream)
        answer = self.exchange(
            httpcore2.Request(
                request.method, url, headers=request.headers.raw, content=body, extensions=request.extensions
            )
        )
        return httpx2.Response(answer.status, headers=answer.headers, content=answer.body)

    def exchange(self, request: httpcore2.Request) -> WireAnswer:
        """Send one request. Raises Unreachable, BadRequest (see network_errors) or PayloadTooLarge."""
        total = float(request.extensions.get(TOTAL, self.limits.total_seconds))
        request.extensions = {**request.extensions, "timeout": self._timeouts(total)}
        try:
            with _span(request), deadline.within(total):
                answer = self._attempt(request)
                spans.note(**{"http.response.status_code": answer.status})
                return answer
        except network_errors.FOREIGN as fault:
            error: IntegrationError = network_errors.mapped(fault, peer=self.peer)
        raise error

    def close(self) -> None:
        """Closes the connections; the next request opens new ones."""
        self._opened = None
        if self._closing is not None:
            self._closing()

    def _attempt(self, request: httpcore2.Request) -> WireAnswer:
        answer = self._pool().exchange(request)
        try:
            body = self._read(answer, request.extensions)
        finally:
            answer.close()
        headers = [(name, value) for name, value in answer.headers if name.lower() not in _SPENT_HEADERS]
        return WireAnswer(answer.status, headers, body)

    def _read(self, answer: httpcore2.Response, wanted: Mapping[str, Any]) -> bytes:
        """The body; empty when it went to a file. The file is first cleared of what an earlier attempt wrote."""
        into: BinaryIO | None = wanted.get(INTO) if 200 <= answer.status < 300 else None
        if into is None:
            parts: list[bytes] = []
            self._pass_on(answer, parts.append, self.limits.body_bytes)
            return b"".join(parts)
        into.seek(0)
        into.truncate()
        self._pass_on(answer, into.write, wanted[LARGEST])
        return b""

    def _pass_on(self, answer: httpcore2.Response, take: Callable[[bytes], object], largest: int) -> None:
        size = 0
        for part in _decoded(answer):
            size += len(part)
            if size > largest:
                # Permanent: a retry would download as much again and fail again.
                words = f"{self.peer} answered with more than {largest:,} bytes, the limit"
                raise PayloadTooLarge(words, sent=True, limit_bytes=largest)
            take(part)

    def _timeouts(self, total: float) -> dict[str, float]:
        connect, read = min(self.limits.connect_seconds, total), min(self.limits.read_seconds, total)
        return {"connect": connect, "pool": connect, "read": read, "write": read}

    def _pool(self) -> _Pool:
        opened = self._opened
        if opened is not None and opened[0] == os.getpid():
            return opened[1]
        with _building:
            if self._opened is None or self._opened[0] != os.getpid():
                pool = _Pool(self.limits, proxy_for(self.api_url), self._backend)
                self._opened = (os.getpid(), pool)
                # The cache of shared wires drops one without closing it.
                self._closing = weakref.finalize(self, _close_own, os.getpid(), pool)
                self._closing.atexit = False
            return self._opened[1]


def _span(request: httpcore2.Request) -> AbstractContextManager[None]:
    """The span of one request. The vendor gets no header of it."""
    method, host = request.method.decode(), request.url.host.decode()
    path = request.url.target.partition(b"?")[0].decode()
    attributes = {"http.request.method": method, "server.address": host, "url.path": path}
    return spans.span(f"{method} {host}", "client", **attributes)


def _decoded(answer: httpcore2.Response) -> Iterable[bytes]:
    """The body without its compression, piece by piece."""
    raw = cast(Iterable[bytes], answer.stream)
    if any(name.lower() == b"content-encoding" for name, _ in answer.headers):
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Raw(raw)).iter_bytes()
    return raw


class _Raw(httpx2.SyncByteStream):
    """A body as httpx2 takes it, to decode it."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """The machine's certificate authorities. Made once for all pools: reading them takes longer than a request."""
    return httpx2.create_ssl_context()


class _Pool(httpx2.HTTPTransport):
    def __init__(self, limits: Limits, proxy: str | None, backend: deadline.DeadlineBackend) -> None:
        pool_limits = httpx2.Limits(
            max_connections=limits.connections,
            max_keepalive_connections=limits.connections,
            keepalive_expiry=limits.keepalive_seconds,
        )
        super().__init__(verify=_trusted(), limits=pool_limits, proxy=proxy)
        # httpx2 does not hand this argument through to httpcore2; a test proves that the deadline holds.
        self._pool._network_backend = backend  # noqa: SLF001

    def exchange(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send one request. The caller reads the body from the response's `stream`, and closes the response."""
        return self._pool.handle_request(request)


def _close_own(process: int, pool: _Pool) -> None:
    """Close the connections, unless they are the parent's."""
    if process == os.getpid():
        pool.close()


# These headers describe the body on the wire; the returned body is decoded and complete.
_SPENT_HEADERS = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


def proxy_for(api_url: str) -> str | None:
    """The proxy from HTTPS_PROXY and NO_PROXY; httpx2 reads these only for its own transports."""
    parts = urlsplit(api_url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def shared(api_url: str) -> Wire:
    """The process's wire to this base URL, so that OAuth and API calls share connections.

    Raises DestinationRefused: what goes over these wires is secret, so the environment has to allow their hosts.
    """
    destinations.require(api_url)
    with _building:
        return _shared(api_url)


@lru_cache(maxsize=16)
def _shared(api_url: str) -> Wire:
    return Wire(api_url)


# The second of two first threads waits: a discarded pool would leave its connections open.
_building = threading.Lock()


def reset() -> None:
    """Forget the shared wires and their connections, which are the parent's after a fork."""
    global _building  # noqa: PLW0603 - a child must not wait for a thread that only its parent has
    _building = threading.Lock()
    _shared.cache_clear()


os.register_at_fork(after_in_child=reset)
