"""Rate limits of the install page and of the OAuth callback, which anybody can request.

A begun installation writes a row, so all of them count. Of callbacks only those count that fail: a guessed code costs a
call to the vendor. A callback with a state that our page issued to this browser is never refused for what others send,
and the limits let a whole office install at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from integrations.core.errors import BadRequest, ConsentDenied, TooManyRequests, Untrusted
from integrations.quota.request_limits import RequestLimit

BEGUN = RequestLimit("install", 60)  # per address
BEGUN_BY_ALL = RequestLimit("installs", 3_000)
FAILED = RequestLimit("callback", 20)  # per address
FAILED_BY_ALL = RequestLimit("callbacks", 300)  # those without a state, which begin in the marketplace
AT_ONCE = 3  # exchanges of a process: of its 8 threads most stay for webhooks and pages while the vendor is slow

_exchanges = threading.BoundedSemaphore(AT_ONCE)


def begin(address: str) -> None:
    """Count the start of an installation. Raises TooManyRequests."""
    BEGUN.count(address)
    BEGUN_BY_ALL.count()


@contextmanager
def callback(address: str, *, has_state: bool) -> Iterator[None]:
    """Around a callback: counts it if it fails. Raises TooManyRequests, before anything of the callback is used up."""
    FAILED.check(address)
    if not has_state:
        FAILED_BY_ALL.check()
    if not _exchanges.acquire(blocking=False):
        raise TooManyRequests("other installations wait for the vendor", retry_after=2, limit="exchanges")
    try:
        yield
    except ConsentDenied:
        raise
    except (Untrusted, BadRequest):
        FAILED.note(address)
        if not has_state:
            FAILED_BY_ALL.note()
        raise
    finally:
        _exchanges.release()
