"""A wall round the tests: Python code connects to this machine and to the servers of the run, nowhere else.

An audit hook sees every way out (sockets, asyncio, name look-ups) and cannot be patched away by a test. What
it raises is not an `Exception`, so that code under test cannot take it for a network failure and try again.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import pytest

_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg")


def guard(urls: Iterable[str]) -> None:
    """Forbid everything but loopback and the hosts of `urls`. For the rest of the process: hooks stay."""
    allowed = {"", "localhost"} | {urlsplit(url).hostname or "" for url in urls}

    def hook(event: str, details: tuple[Any, ...]) -> None:
        if event in _EVENTS:
            host = _host(details[1])
        elif event == "socket.getaddrinfo":
            host = details[0]
        else:
            return
        if not _permitted(host, allowed):
            pytest.fail(f"a test reached for the network: {event} {host!r}")

    sys.addaudithook(hook)


def _host(address: Any) -> Any:
    """The host of an Internet address; None for Unix sockets and unaddressed messages."""
    return address[0] if isinstance(address, tuple) and address and isinstance(address[0], str) else None


def _permitted(host: Any, allowed: set[str]) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name is None or name in allowed:
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False
