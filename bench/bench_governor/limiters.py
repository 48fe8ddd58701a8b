"""The limiters that `bench_governor` compares, each used as its documentation says.

`before` returns when the next call may be sent; `after` gets the status and headers of its response.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPMessage
from typing import Protocol

import redis
from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from pyrate_limiter import Limiter as Pyrate
from pyrate_limiter import Rate, RedisBucket

from integrations.core.errors import QuotaExhausted
from integrations.highlevel.http import rate_headers
from integrations.quota.permits import governor
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.permit import Permit

LIMIT, WINDOW = 100, 10


@dataclass(frozen=True)
class Place:
    """One limiter's own resource: no other limiter spends its quota."""

    app: str
    resource: str
    redis_url: str
    workers: int


class Limiter(Protocol):
    """A limiter; its two methods surround each call."""

    def before(self) -> None: ...
    def after(self, status: int, headers: HTTPMessage) -> None: ...


class Governor:
    """Our own governor."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.permit: Permit | None = None

    def before(self) -> None:
        """Wait for a permit."""
        while True:
            try:
                self.permit = governor.acquire(
                    self.place.app, self.place.resource, lane=Lane.BULK, timeout=10.0, max_wait=2.0
                )
            except QuotaExhausted as error:
                time.sleep(error.retry_after or 0.0)
            else:
                return

    def after(self, status: int, headers: HTTPMessage) -> None:
        """Settle the permit with the response's quota headers."""
        assert self.permit is not None
        said = rate_headers.snapshot({name.lower(): value for name, value in headers.items()})
        governor.settle(self.permit, received_at=time.monotonic(), rate=said, refused=status == 429)


class Limits:
    """The moving window of `limits`, exact about the times of its hits; it has no wait of its own."""

    def __init__(self, place: Place) -> None:
        self.limiter = MovingWindowRateLimiter(RedisStorage(place.redis_url))
        self.item = RateLimitItemPerSecond(LIMIT, WINDOW)
        self.key = f"{place.app}:{place.resource}"

    def before(self) -> None:
        """Wait until a hit fits the window."""
        while not self.limiter.hit(self.item, self.key):
            again = self.limiter.get_window_stats(self.item, self.key).reset_time
            time.sleep(min(max(again - time.time(), 0.01), 1.0))

    def after(self, status: int, headers: HTTPMessage) -> None: ...


class PyrateLimiter:
    """The Redis bucket of pyrate-limiter, shared by all processes."""

    def __init__(self, place: Place) -> None:
        client = redis.Redis.from_url(place.redis_url)
        bucket = RedisBucket.init([Rate(LIMIT, WINDOW * 1000)], client, f"pyrate:{place.app}:{place.resource}")
        self.limiter = Pyrate(bucket)
        self.key = f"{place.app}:{place.resource}"

    def before(self) -> None:
        """Wait until the bucket has room."""
        while not self.limiter.try_acquire(self.key):
            time.sleep(0.01)

    def after(self, status: int, headers: HTTPMessage) -> None: ...


class Pause:
    """A pause after every call, so long that all workers together stay below the limit."""

    def __init__(self, place: Place) -> None:
        self.rest = place.workers * WINDOW / LIMIT

    def before(self) -> None: ...

    def after(self, status: int, headers: HTTPMessage) -> None:
        """Sleep for the fixed pause."""
        time.sleep(self.rest)


class BackOff:
    """Back-off: call until refused, then wait twice as long each time, with jitter."""

    def __init__(self, place: Place) -> None:
        self.refusals = 0

    def before(self) -> None: ...

    def after(self, status: int, headers: HTTPMessage) -> None:
        """Sleep after a 429, longer each time."""
        self.refusals = self.refusals + 1 if status == 429 else 0
        if self.refusals:
            time.sleep(random.uniform(0.5, 1.0) * min(2.0 ** (self.refusals - 1), 16.0))


LIMITERS: dict[str, Callable[[Place], Limiter]] = {
    "governor": Governor,
    "limits, moving window": Limits,
    "pyrate-limiter, RedisBucket": PyrateLimiter,
    "a pause after every call": Pause,
    "back-off on 429": BackOff,
}
