"""What a process remembers of the resources that it calls, to notice that Redis lost its state or that its clock moved.

A process that knows the epoch of a state has calls in flight under it, and reports that epoch to a Redis that lost the
state; an hour later it has none. A process that knows what the clock of Redis showed, and how long ago, notices when
the clock was set forward.
"""

from __future__ import annotations

import os
import threading

from integrations.core import clock

EXPIRY_SECONDS = 3600.0  # seconds
CLEAN_UP_EVERY = 1000  # new resources after which expired ones are removed
_MICRO = 1_000_000

# The epoch, when it was asked last, and the microseconds by which that state's clock is ahead of the monotonic one.
epochs: dict[str, tuple[str, float, int | None]] = {}
limits: dict[str, int | None] = {}  # what this process has reported
warned: dict[str, float] = {}  # when it last warned that others spend the same quota
_lock = threading.Lock()


def remember(key: str, epoch: str, now: int | None = None) -> None:
    """This process sends calls under `epoch`; `now` is what its clock showed just now, if it did."""
    asked = clock.monotonic()
    with _lock:
        before = epochs.get(key)
        ahead: int | None
        if now is not None:
            ahead = now - int(asked * _MICRO)
        else:
            ahead = before[2] if before is not None and before[0] == epoch else None
        epochs[key] = epoch, asked, ahead
        if before is None and len(epochs) % CLEAN_UP_EVERY == 0:
            _remove_expired(asked - EXPIRY_SECONDS)


def epoch(key: str) -> str:
    """The epoch that this process knows; empty when none of its calls can be in flight."""
    known, asked, _ = epochs.get(key, ("", 0.0, None))
    return known if clock.monotonic() - asked < EXPIRY_SECONDS else ""


def expected_now(key: str) -> int | None:
    """What the state's clock should show by now, in its microseconds; None when it has shown nothing yet."""
    ahead = epochs.get(key, ("", 0.0, None))[2]
    return None if ahead is None else ahead + int(clock.monotonic() * _MICRO)


def is_new_limit(key: str, limit: int | None) -> bool:
    """Whether this process has not reported this limit yet."""
    if limits.get(key) == limit:
        return False
    limits[key] = limit
    return True


def has_to_warn(key: str) -> bool:
    """Whether to warn now; true at most once an hour for each resource."""
    now = clock.monotonic()
    if now - warned.get(key, -EXPIRY_SECONDS) < EXPIRY_SECONDS:
        return False
    warned[key] = now
    return True


def reset() -> None:
    """Forget everything, as a new or forked process does, and when the store was emptied on purpose."""
    global _lock  # noqa: PLW0603 - a thread of the parent may have held it at the fork
    _lock = threading.Lock()
    for remembered in (epochs, limits, warned):
        remembered.clear()


os.register_at_fork(after_in_child=reset)


def _remove_expired(forgotten: float) -> None:
    """Remove expired entries: the memory is bounded by the resources that were asked about in the last hour."""
    for key in [key for key, (_, asked, _) in epochs.items() if asked < forgotten]:
        for remembered in (epochs, limits, warned):
            remembered.pop(key, None)
