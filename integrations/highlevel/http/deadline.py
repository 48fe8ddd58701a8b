"""Deadline for a whole HTTP attempt, enforced on every socket operation.

httpx2 limits each socket operation separately. So a server that sends one byte every few seconds keeps a call alive for
ever, in the headers as well as in the body. A refresh must end well below its lease, and a call before its quota slot
is given away. So every connect, read and write gets what is left of the attempt and no more. Name resolution is the one
step that Python cannot time.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore2

from integrations.core import clock

_ends_at: ContextVar[float | None] = ContextVar("highlevel_attempt_ends_at", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Context manager: everything that this thread sends or receives inside the block shares `seconds`."""
    token = _ends_at.set(clock.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def _left(timeout: float | None, late: type[httpcore2.TimeoutException]) -> float | None:
    ends_at = _ends_at.get()
    if ends_at is None:
        return timeout
    left = ends_at - clock.monotonic()
    if left <= 0:
        raise late("the attempt's deadline has passed")
    return left if timeout is None else min(timeout, left)


class DeadlineStream(httpcore2.NetworkStream):
    """Connection whose operations all end with the deadline of the attempt that uses it."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read up to `max_bytes` within the deadline."""
        return self._stream.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write the bytes within the deadline."""
        self._stream.write(buffer, _left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Start TLS within the deadline; the result keeps the deadline too."""
        left = _left(timeout, httpcore2.ConnectTimeout)
        return DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        """Information about the underlying connection."""
        return self._stream.get_extra_info(info)


class DeadlineBackend(httpcore2.NetworkBackend):
    """Network backend whose connections obey the deadline of the attempt."""

    def __init__(self) -> None:
        self._backend = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the resolved host within the deadline."""
        left = _left(timeout, httpcore2.ConnectTimeout)
        address = self.resolve(host, port)
        return DeadlineStream(self._backend.connect_tcp(address, port, left, local_address, socket_options))

    def resolve(self, host: str, port: int) -> str:
        """The address to connect to for a host; by default its name, which the connection looks up."""
        return host
