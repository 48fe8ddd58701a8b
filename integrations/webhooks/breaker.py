"""Refuses deliveries at once while the store, or one mailbox, does not answer.

A delivery whose wait times out occupies a thread of the web for seconds. If every delivery waited, the posts for one
mailbox with a locked row would take all threads, and the web would be closed for all tenants. So after such
a wait one delivery at a time asks again, and the others are refused without asking. The vendor sends them again.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable

from integrations.core import clock

PAUSE = 2.0  # seconds after a wait that timed out, during which no delivery asks
ASKING = 15.0  # seconds after which another delivery may ask, if the one that asks has not come back
SLOW = 0.5  # seconds; a failure that came sooner occupied no thread
_MOST = 1_000


class Breaker:
    """Keys that did not answer, in this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open_until: dict[Hashable, float] = {}

    def admits(self, key: Hashable) -> bool:
        """Whether a delivery may ask now. True for one delivery at a time while the key does not answer."""
        if key not in self._open_until:
            return True
        with self._lock:
            now = clock.monotonic()
            until = self._open_until.get(key)
            if until is not None and now < until:
                return False
            if until is not None:
                self._open_until[key] = now + ASKING
            return True

    def failed(self, key: Hashable, seconds: float) -> None:
        """Note a failure that took `seconds`."""
        with self._lock:
            if seconds >= SLOW or key in self._open_until:
                if len(self._open_until) >= _MOST:
                    self._open_until.clear()
                self._open_until[key] = clock.monotonic() + PAUSE

    def answered(self, key: Hashable) -> None:
        """Note that the key answers again."""
        if key in self._open_until:
            with self._lock:
                self._open_until.pop(key, None)

    def reset(self) -> None:
        """Admit everything, as a new or forked process does."""
        self._lock = threading.Lock()  # a thread of the parent may have held it at the fork
        self._open_until = {}
