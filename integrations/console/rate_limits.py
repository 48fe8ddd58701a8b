"""Rate limits of the public endpoints: requests and exchanges at `/embed/session`, and attempts to sign in.

Anyone can send a request to `/embed/session`, and each costs a decryption and some queries. The limits are far above
what people need: an office of fifty people behind one address, with every page open while data arrives, sends 750
requests a minute. The limit per app keeps a flood at one app from the others; a client with a ticket does not count
against it. An attempt to sign in costs a quarter of a second of CPU on purpose.

While Redis is away no request is refused. The limits only protect against floods: the payload, the ticket and the
password are the proof. An outage must not close the pages for every agency as well.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import structlog
from django.conf import settings
from django.http import HttpRequest

from integrations.core.errors import StoreUnavailable
from integrations.quota import request_limits
from integrations.tenants.models import App

PER_ADDRESS = 1_200  # requests in a minute
PER_APP = 6_000  # exchanges in a minute
SIGN_INS = 30  # from an address in a minute: enough for a team behind one address, far too few to guess a password

log = structlog.get_logger(__name__)


def embed_request(request: HttpRequest) -> None:
    """Count a request to `/embed/session`. Raises TooManyRequests beyond the limit per client address."""
    _count("embed-address", address(request), PER_ADDRESS)


def embed_exchange(app: App) -> None:
    """Count an exchange of user data for a ticket. Raises TooManyRequests beyond the limit of all clients of `app`."""
    _count("embed-app", str(app.pk), PER_APP)


def sign_in(request: HttpRequest) -> None:
    """Count an attempt to sign in. Raises TooManyRequests beyond the limit per client address."""
    _count("sign-in", address(request), SIGN_INS)


def address(request: HttpRequest) -> str:
    """The client's IP address as our outermost proxy saw it. Of an IPv6 address the /64 network that a customer gets.

    Each proxy appends the address it was called from to `X-Forwarded-For`. Entries left of our own proxies' are the
    client's invention.
    """
    header = request.headers.get("X-Forwarded-For", "")
    forwarded = [part.strip() for part in header.split(",") if part.strip()]
    chain = [*forwarded, request.META.get("REMOTE_ADDR") or ""]
    client = _parsed(chain[-min(len(chain), settings.TRUSTED_PROXIES + 1)])
    if isinstance(client, IPv6Address):
        return str(client.ipv4_mapped or ip_network((client, 64), strict=False))
    return str(client or "unknown")


def _count(limit_name: str, client: str, per_minute: int) -> None:
    try:
        request_limits.count(limit_name, client, per_minute=per_minute)
    except StoreUnavailable as error:
        log.warning("rate_limit.not_counted", limit=limit_name, reason=str(error))


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address without a port, which some proxies write as well; None for anything else."""
    host = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None
