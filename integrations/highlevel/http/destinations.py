"""Destinations: the hosts that secrets may be sent to. The environment lists them, and no row can add one.

An API address is a column that operators edit, and any program that can write to the database. So every wire asks here
before it opens a connection (`wire.shared`), and so do the install link and the admin form. Which address a stored
secret may go to is sealed with it, see `vault.seal`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from integrations.core.errors import DestinationRefused

HIGHLEVEL_HOSTS = (
    "services.leadconnectorhq.com",
    "rest.gohighlevel.com",
    "marketplace.gohighlevel.com",
    "marketplace.leadconnectorhq.com",
)


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Hosts that secrets may be sent to: entries `host` and `host:port`, in lower case.

    Plain HTTP is for development (`plain_http`), and for servers on this machine, whose traffic no network carries.
    """

    hosts: tuple[str, ...] = HIGHLEVEL_HOSTS
    plain_http: bool = False


_allowed: Callable[[], AllowedHosts] = AllowedHosts


def use(allowed: Callable[[], AllowedHosts]) -> None:
    """Set where the list is read; `HighLevelConfig.ready` calls this. Until then HighLevel's hosts are allowed."""
    global _allowed  # noqa: PLW0603 - set once a process
    _allowed = allowed


def require(url: str) -> str:
    """The URL, if secrets may be sent there. Raises DestinationRefused, which names the cure."""
    if reason := refusal(url, _allowed()):
        raise DestinationRefused(reason)
    return url


@lru_cache(maxsize=256)
def refusal(url: str, allowed: AllowedHosts) -> str:
    """Why no secret may be sent to `url`; empty when it may."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "the address is not a URL"
    if parts.scheme not in ("https", "http") or not host:
        return "the address should begin with https:// and a host"
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment or "\\" in url:
        return "the address should have a host and a path only"
    if parts.scheme == "http" and not (allowed.plain_http or _is_this_machine(host)):
        return f"{host} is asked over plain HTTP: secrets are sent over https:// only"
    if host not in allowed.hosts and f"{host}:{port}" not in allowed.hosts:
        return f"secrets may not be sent to {host}: HIGHLEVEL_ALLOWED_HOSTS lists the hosts that get them"
    return ""


def host_of(url: str) -> str:
    """The host of a URL, in lower case; empty for what is no URL."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
