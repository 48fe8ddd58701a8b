"""How often `/embed/session` may be asked: per client address, and for exchanges per app as well. And how often an
address may try to sign in to the admin pages, where each try costs a quarter of a second on purpose.

Anybody can post there, and every post costs a decryption and some queries. The limits are far above what people do: an
office of fifty behind one address, with every page open and data arriving, asks 750 times a minute. The app's limit
keeps one app's flood from taking the others along; who holds a ticket is known already and passes it.

While Redis is away nobody is turned away. The limits are a shield against floods and prove nothing about anybody (the
payload and the ticket do), so an outage must not close the page to every agency as well.
"""

from __future__ import annotations

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import structlog
from django.conf import settings
from django.http import HttpRequest

from integrations.core.errors import StoreUnavailable, TooManyRequests
from integrations.quota import visits
from integrations.tenants.models import App

PER_ADDRESS = 1_200  # requests in a minute
PER_APP = 6_000  # exchanges in a minute
SIGN_INS = 30  # of an address in a minute: a team behind one address mistypes less, and no guesser gets far

log = structlog.get_logger(__name__)


def visitor(request: HttpRequest, now: datetime) -> None:
    """Raises TooManyRequests when this address asks too often."""
    _spend("embed-address", address(request), PER_ADDRESS, now)


def exchange(app: App, now: datetime) -> None:
    """Raises TooManyRequests when all visitors of this app together do."""
    _spend("embed-app", str(app.pk), PER_APP, now)


def sign_in(request: HttpRequest, now: datetime) -> None:
    """Raises TooManyRequests when this address tries too often."""
    _spend("sign-in", address(request), SIGN_INS, now)


def address(request: HttpRequest) -> str:
    """The client's address, as the outermost of our own proxies saw it; of IPv6 the network one customer gets.

    Each proxy adds whom it heard from to the right of `X-Forwarded-For`. What stands left of our own is hearsay.
    """
    forwarded = request.headers.get("X-Forwarded-For", "")
    heard = [part.strip() for part in forwarded.split(",") if part.strip()]
    chain = [*heard, request.META.get("REMOTE_ADDR") or ""]
    seen = _parsed(chain[-min(len(chain), settings.TRUSTED_PROXIES + 1)])
    if isinstance(seen, IPv6Address):
        return str(seen.ipv4_mapped or ip_network((seen, 64), strict=False))
    return str(seen or "unknown")


def _spend(door: str, who: str, most: int, now: datetime) -> None:
    try:
        came = visits.count(door, who, now)
    except StoreUnavailable as error:
        log.warning("throttle.not_limited", door=door, reason=str(error))
        return
    if came > most:
        raise TooManyRequests("too many requests in a minute", retry_after=visits.left(now), door=door)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Some proxies write the port as well."""
    host = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None
