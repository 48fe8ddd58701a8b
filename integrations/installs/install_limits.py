"""Rate limits of the install page and of the OAuth callback, which anybody can request.

A begun installation writes a row, so all of them count; beyond the limit of all together none is refused, but its state
is signed instead of stored. Of callbacks only those count that fail: a guessed code costs a call to the vendor. A
callback with a state that our page issued to this browser is never refused for what others send, and the limits let a
whole office install at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from integrations.core.errors import BadRequest, ConsentDenied, TooManyRequests, Untrusted
from integrations.quota import thread_budgets
from integrations.quota.request_limits import RequestLimit

BEGUN = RequestLimit("install", 60)  # per address
STORED = RequestLimit("installs", 3_000)  # rows of all addresses together
FAILED = RequestLimit("callback", 20)  # per address
FAILED_BY_ALL = RequestLimit("callbacks", 300)  # those without a state, which begin in the marketplace


def begin(address: str) -> bool:
    """Count the start of an installation. Returns whether it may write a row. Raises TooManyRequests."""
    BEGUN.count(address)
    try:
        STORED.count()
    except TooManyRequests:
        return False
    return True


@contextmanager
def callback(address: str, *, has_state: bool, began_here: bool) -> Iterator[None]:
    """Around a callback: counts it if it fails. Raises TooManyRequests, before anything of the callback is used up.

    `began_here`: its state was issued to this browser, and is not used up.
    """
    FAILED.check(address)
    if not has_state:
        FAILED_BY_ALL.check()
    with thread_budgets.OUTBOUND.one(is_known=began_here):
        try:
            yield
        except ConsentDenied:
            raise
        except (Untrusted, BadRequest):
            FAILED.note(address)
            if not has_state:
                FAILED_BY_ALL.note()
            raise
