"""Rate limits of requests to our own pages, counted in Redis for all processes (library `limits`).

The vendor's quota is not here but in `permits`. Windows are fixed: the first request of a client begins one, and its
count is a key that expires with it. So a client may send twice the allowed number around the end of a window, which is
acceptable for a limit against floods.

While Redis is unavailable no request is refused. The limits only protect against floods: the signature, the ticket, the
code or the password is the proof. An outage must not close the pages for every agency as well.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import redis
import structlog
from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from integrations.core import clock
from integrations.core.errors import TooManyRequests
from integrations.quota.permits import scripts

EVERYBODY = "everybody"  # the client of a limit on all requests together
_GRACE = 5.0  # seconds after a failure without another try: a Redis that hangs would hang every request in turn

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestLimit:
    """So many requests in a minute, for each client by itself. `name` distinguishes the limits."""

    name: str
    per_minute: int

    def count(self, client: str = EVERYBODY) -> None:
        """Count one request. Raises TooManyRequests beyond the limit, with the seconds until the window ends."""
        self._ask(client, lambda limiter, *key: limiter.hit(*key))

    def check(self, client: str = EVERYBODY) -> None:
        """Raises TooManyRequests when no request is left in this window; counts nothing."""
        self._ask(client, lambda limiter, *key: limiter.test(*key))

    def note(self, client: str = EVERYBODY) -> None:
        """Count one request that was answered already, such as a failure. Raises nothing."""
        _limiter(scripts.client()).ask(self.name, lambda windows: windows.hit(self._item, self.name, client))

    def _ask(self, client: str, question: Callable[..., bool]) -> None:
        limiter = _limiter(scripts.client())
        key = (self._item, self.name, client)
        if limiter.ask(self.name, lambda windows: question(windows, *key)) is False:
            ends = limiter.ask(self.name, lambda windows: windows.get_window_stats(*key).reset_time)
            wait = max(1.0, (ends or 0.0) - clock.now().timestamp())
            raise TooManyRequests("too many requests in a minute", retry_after=wait, limit=self.name)

    @property
    def _item(self) -> RateLimitItemPerMinute:
        return RateLimitItemPerMinute(self.per_minute)


class AtOnce:
    """At most so many requests of a client are worked on in this process at once, so that other threads stay free.

    For requests that may wait for another host, each for as long as that takes.
    """

    def __init__(self, name: str, most: int) -> None:
        self.name, self.most = name, most
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def one(self, client: str = EVERYBODY) -> Iterator[None]:
        """Around the request. Raises TooManyRequests when as many of the client are under way."""
        with self._lock:
            if self._under_way[client] >= self.most:
                raise TooManyRequests("too many requests at the same time", retry_after=2, limit=self.name)
            self._under_way[client] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[client] -= 1
                if not self._under_way[client]:
                    del self._under_way[client]


class _Limiter:
    """The windows in Redis of one client, and when that may be asked again after a failure."""

    def __init__(self, client: redis.Redis) -> None:
        storage = RedisStorage(
            settings.REDIS_URL,
            connection_pool=client.connection_pool,
            key_prefix=f"{settings.NAMESPACE}:limits",
            wrap_exceptions=True,
        )
        self._windows = FixedWindowRateLimiter(storage)
        self._ask_again_at = 0.0

    def ask(self, limit: str, question: Callable[[FixedWindowRateLimiter], T]) -> T | None:
        """The answer, or None while Redis is unavailable."""
        if clock.monotonic() < self._ask_again_at:
            return None
        try:
            return question(self._windows)
        except StorageError as error:
            self._ask_again_at = clock.monotonic() + _GRACE
            log.warning("rate_limit.not_counted", limit=limit, reason=type(error.storage_error).__name__)
            return None


@functools.lru_cache(maxsize=1)
def _limiter(client: redis.Redis) -> _Limiter:
    return _Limiter(client)
