"""Download of files from URLs in the vendor's responses: media, attachments, recordings on hosts outside the API.

Such a URL is untrusted data, ultimately from any contact. It may point anywhere, also into our own network. So the
client connects only over https and only to public IP addresses. It checks the IP address that it connects to, so that a
second DNS lookup cannot return another one. It sends no token and follows no redirect.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from typing import BinaryIO
from urllib.parse import urlsplit

import httpcore2
import httpx2

from integrations.core.errors import BadRequest, RequestRejected, ServerFault, VendorAnswer
from integrations.highlevel.http.deadline import DeadlineBackend
from integrations.highlevel.http.wire import INTO, LARGEST, TOTAL, Wire, proxy_for

_ANYWHERE = "https://files.invalid"  # base URL that a wire requires; each request has its own
NOT_PUBLIC, NOT_A_URL = "the file's URL is not public", "the file's URL is not valid"
_UNICAST = ipaddress.IPv6Network("2000::/3")  # all allocated IPv6 addresses (RFC 4291, IANA's registry)
_6TO4 = ipaddress.IPv6Network("2002::/16")  # embeds an IPv4 address; deprecated (RFC 7526)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: ends in the IPv4 address that the gateway connects to


class PublicBackend(DeadlineBackend):
    """Network backend that connects to public IP addresses only."""

    def resolve(self, host: str, port: int) -> str:
        """The IP address to connect to for a host name. Raises BadRequest when one of its addresses is not public."""
        addresses = [host] if _is_address(host) else _looked_up(host, port)
        if not all(_is_public(address) for address in addresses):
            raise BadRequest(NOT_PUBLIC, host=host)
        return addresses[0]


def _is_public(address: str) -> bool:
    """Whether an IP address is public. An IPv6 address that embeds an IPv4 address is as public as that one."""
    given = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(given, ipaddress.IPv6Address):
        inner = given.ipv4_mapped or (ipaddress.IPv4Address(given.packed[-4:]) if given in _NAT64 else None)
        if inner is None:
            return given.is_global and given in _UNICAST and given not in _6TO4
        given = inner
    return given.is_global and not given.is_multicast


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
    except UnicodeError:  # a DNS label that is empty or longer than 63 characters
        raise BadRequest(NOT_A_URL) from None


def fetch(url: str, into: BinaryIO, *, largest: int, timeout: float, wire: Wire | None = None) -> str:
    """Download a file into `into` and return its media type. Raises BadRequest, Unreachable, ServerFault,
    RequestRejected and, for more than `largest` bytes, PayloadTooLarge.

    `timeout` bounds the whole attempt, in seconds; `wire` is the transport, the public one by default.
    """
    host, scheme, request = _request(url)
    if wire is None and (scheme != "https" or not host):
        raise BadRequest(NOT_PUBLIC, host=host)
    request.extensions = {INTO: into, LARGEST: largest, TOTAL: timeout}
    answer = (wire or _public()).handle_request(request)
    answered = VendorAnswer(status=answer.status_code)
    if answer.status_code >= 500:
        raise ServerFault("the file's host failed to answer", vendor=answered, host=host)
    if answer.status_code >= 300:
        raise RequestRejected("the file's host has no file at this URL (any more)", vendor=answered, host=host)
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _request(url: str) -> tuple[str | None, str, httpx2.Request]:
    """The request with its host and scheme. Errors do not repeat the URL, because a signed URL grants access."""
    try:
        parts = urlsplit(url)
        if parts.port != 0:  # reading `port` checks its range
            return parts.hostname, parts.scheme, httpx2.Request("GET", url)
    except (ValueError, httpx2.InvalidURL):
        pass
    raise BadRequest(NOT_A_URL)


@lru_cache(maxsize=1)
def _public() -> Wire:
    """The transport to public addresses. With a proxy, the proxy decides which addresses may be reached."""
    return Wire(_ANYWHERE, backend=None if proxy_for(_ANYWHERE) else PublicBackend(), peer="the file's host")
