"""The IP address of the client that sent a request, behind any number of reverse proxies."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's IP address as our outermost proxy saw it. Of an IPv6 address the /64 network that a customer gets.

    Each proxy appends the address it was called from to `X-Forwarded-For`. Entries left of our own proxies' are the
    client's invention.
    """
    return of(request.META.get("HTTP_X_FORWARDED_FOR", ""), request.META.get("REMOTE_ADDR") or "")


def of(forwarded_for: str, peer: str) -> str:
    """Likewise, from the header `X-Forwarded-For` and the address that called this process."""
    forwarded = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    chain = [*forwarded, peer]
    client = _parsed(chain[-min(len(chain), settings.TRUSTED_PROXIES + 1)])
    if isinstance(client, IPv6Address):
        return str(client.ipv4_mapped or ip_network((client, 64), strict=False))
    return str(client or "unknown")


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address without a port, which some proxies write as well; None for anything else."""
    host = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None
