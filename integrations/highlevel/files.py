"""Files that the vendor's answers point to by address: media, attachments, recordings on hosts that are not the API.

The address is data, in the end some contact's, so it may point anywhere, at our own network too. Only https to
addresses that are public is followed: the check is made on the address that is connected to, so that a name cannot be
looked up twice with two answers. No token is sent, no redirect followed.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpcore2
import httpx2

from integrations.core.errors import BadRequest, RequestRejected, ServerFault
from integrations.highlevel.deadline import DeadlineBackend
from integrations.highlevel.wire import INTO, LARGEST, TOTAL, Wire, proxy_for

_ANYWHERE = "https://files.invalid"  # as a wire wants an address; each request has its own
NOT_PUBLIC = "the file's address is not a public one"


class PublicBackend(DeadlineBackend):
    """Connects to public addresses only."""

    def resolve(self, host: str, port: int) -> str:
        """The address to connect to instead of the name. Raises BadRequest when it has one that is not public."""
        addresses = [host] if _is_address(host) else _looked_up(host, port)
        if not all(ipaddress.ip_address(address.partition("%")[0]).is_global for address in addresses):
            raise BadRequest(NOT_PUBLIC, host=host)
        return addresses[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _looked_up(host: str, port: int) -> list[str]:
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError:
        raise httpcore2.ConnectError("the name is unknown") from None


def fetch(url: str, into: BinaryIO, *, largest: int, timeout: float, wire: Wire | None = None) -> str:
    """Writes the file and returns its media type. Raises BadRequest, Unreachable, ServerFault and RequestRejected.

    `timeout` is the whole attempt's, in seconds; `wire` is the way out, the public one by default.
    """
    parts = urlsplit(url)
    if wire is None and (parts.scheme != "https" or not parts.hostname):
        raise BadRequest(NOT_PUBLIC, host=parts.hostname)
    request = httpx2.Request("GET", url, extensions={INTO: into, LARGEST: largest, TOTAL: timeout})
    answer = (wire or _public()).handle_request(request)
    context: dict[str, Any] = {"status": answer.status_code, "host": parts.hostname}
    if answer.status_code >= 500:
        raise ServerFault("the file's host failed to answer", **context)
    if answer.status_code >= 300:
        raise RequestRejected("there is no file under this address (any more)", **context)
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


@lru_cache(maxsize=1)
def _public() -> Wire:
    """Through a proxy it is the proxy that is connected to, and that decides what may be reached."""
    return Wire(_ANYWHERE, backend=None if proxy_for(_ANYWHERE) else PublicBackend())
