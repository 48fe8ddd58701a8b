"""Quota of each (app, resource): burst window and day, with the headers that report both.

The kind of the vendor's burst window was never measured. So a client must be safe against three kinds: `fixed` (by the
clock), `first` (opened by the first call after the last window closed) and `sliding` (any window of that length). The
day is 24 hours from the first call, as its reset header shows. A refused call uses up nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from integrations.sandbox.options import Options

DAY_SECONDS = 86_400.0


class BurstWindow(Protocol):
    """One kind of burst window. Times are seconds."""

    def used(self, now: float) -> int:
        """Calls in the window that `now` lies in."""

    def count(self, now: float) -> None:
        """Count one call."""


class Fixed:
    """Window between multiples of its length on the clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._index = -1
        self._used = 0

    def used(self, now: float) -> int:
        """Calls in the window that `now` lies in."""
        index = int(now // self.seconds)
        if index != self._index:
            self._index, self._used = index, 0
        return self._used

    def count(self, now: float) -> None:
        """Count one call."""
        self._used += 1


class First:
    """Window that opens with the first call after the last one closed."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.closes_at = 0.0
        self._used = 0

    def used(self, now: float) -> int:
        """Calls in the window that `now` lies in."""
        return self._used if now < self.closes_at else 0

    def count(self, now: float) -> None:
        """Count one call; opens a window if none is open."""
        if now >= self.closes_at:
            self.closes_at, self._used = now + self.seconds, 0
        self._used += 1


class Sliding:
    """Window of the last `seconds` before each call."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._calls: deque[float] = deque()

    def used(self, now: float) -> int:
        """Calls in the last `seconds`."""
        while self._calls and self._calls[0] <= now - self.seconds:
            self._calls.popleft()
        return len(self._calls)

    def count(self, now: float) -> None:
        """Count one call."""
        self._calls.append(now)


WINDOWS: dict[str, type[Fixed] | type[First] | type[Sliding]] = {
    "fixed": Fixed,
    "first": First,
    "sliding": Sliding,
}


@dataclass(slots=True)
class Bucket:
    """Both limits of one (app, resource), with counts of requests and of 429 answers."""

    burst: BurstWindow
    day: First
    requests: int = 0
    rejected: int = 0


class Quota:
    """The quota of every (app, resource), with the limits of `Options`."""

    def __init__(self, options: Options) -> None:
        self._window = WINDOWS[options.window]
        self._interval_ms = options.interval_ms
        self._limit = options.limit
        self._daily = options.daily
        self._fixed_headers = {
            "X-RateLimit-Limit-Daily": str(options.daily),
            "X-RateLimit-Interval-Milliseconds": str(options.interval_ms),
            "X-RateLimit-Max": str(options.limit),
        }
        self.buckets: dict[tuple[str, str], Bucket] = {}

    def bucket(self, client_id: str, resource_id: str) -> Bucket:
        """The bucket of one (app, resource), made on first use."""
        key = (client_id, resource_id)
        found = self.buckets.get(key)
        if found is None:
            found = self.buckets[key] = Bucket(self._window(self._interval_ms / 1000), First(DAY_SECONDS))
        return found

    def take(self, bucket: Bucket, now: float) -> bool:
        """Counts one call; False if it is over either limit."""
        bucket.requests += 1
        if bucket.burst.used(now) >= self._limit or bucket.day.used(now) >= self._daily:
            bucket.rejected += 1
            return False
        bucket.burst.count(now)
        bucket.day.count(now)
        return True

    def burst_remaining(self, bucket: Bucket, now: float) -> int:
        """Calls left in the burst window."""
        return self._limit - bucket.burst.used(now)

    def daily_remaining(self, bucket: Bucket, now: float) -> int:
        """Calls left in the day."""
        return self._daily - bucket.day.used(now)

    def headers(self, bucket: Bucket, now: float) -> dict[str, str]:
        """The five documented headers and the undocumented reset, which is in milliseconds *until* the day ends."""
        return {
            **self._fixed_headers,
            "X-RateLimit-Remaining": str(self.burst_remaining(bucket, now)),
            "X-RateLimit-Daily-Remaining": str(self.daily_remaining(bucket, now)),
            "X-RateLimit-Daily-Reset": str(max(0, int((bucket.day.closes_at - now) * 1000))),
        }

    def exhausted_headers(self, *, daily: bool, overdrawn: int = 0) -> dict[str, str]:
        """The headers of a made-up 429: an empty burst window, or an empty day, by so many calls `overdrawn`."""
        return {
            **self._fixed_headers,
            "X-RateLimit-Remaining": str(self._limit if daily else 0),
            "X-RateLimit-Daily-Remaining": str(-overdrawn if daily else self._daily),
            "X-RateLimit-Daily-Reset": str(int(DAY_SECONDS * 1000)),
        }
