"""Clock of the sandbox, which can be advanced: token expiry, the refresh grace and quota windows follow it.

It counts on the monotonic clock from the wall time at start, so a correction of the machine's clock cannot move
quota windows.
"""

from __future__ import annotations

import time

from integrations.sandbox import timestamps


class Clock:
    """The sandbox's clock. Seconds where nothing else is named."""

    def __init__(self) -> None:
        self._base = time.time() - time.monotonic()

    def now(self) -> float:
        """Seconds since 1970."""
        return self._base + time.monotonic()

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`."""
        self._base += seconds

    def milliseconds(self) -> int:
        """Milliseconds since 1970."""
        return round(self.now() * timestamps.SECOND)

    def iso(self) -> str:
        """The time now as the vendor writes it."""
        return timestamps.iso(self.milliseconds())
