"""Rate limits of requests to our own pages, counted in Redis for all processes (library `limits`).

The vendor's quota is not here but in `permits`. Windows are fixed: the first request of a client begins one, and its
count is a key that expires with it. So a client may send twice the allowed number around the end of a window, which is
acceptable for a limit against floods.
"""

from __future__ import annotations

import functools

import redis
from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from integrations.core import clock
from integrations.core.errors import StoreUnavailable, TooManyRequests
from integrations.quota.permits import scripts

_GRACE = 5.0  # seconds after a failure without another try: a Redis that hangs would hang every request in turn


def count(limit_name: str, client: str, *, per_minute: int) -> None:
    """Count one request of `client`.

    Raises TooManyRequests beyond `per_minute`, with the seconds until the window ends, and StoreUnavailable.
    """
    limiter = _limiter(scripts.client())
    limiter.count(RateLimitItemPerMinute(per_minute), limit_name, client)


class _Limiter:
    """The limiter of one Redis client, and when that may be asked again after a failure."""

    def __init__(self, client: redis.Redis) -> None:
        storage = RedisStorage(
            settings.REDIS_URL,
            connection_pool=client.connection_pool,
            key_prefix=f"{settings.NAMESPACE}:limits",
            wrap_exceptions=True,
        )
        self._windows = FixedWindowRateLimiter(storage)
        self._ask_again_at = 0.0

    def count(self, limit: RateLimitItemPerMinute, *identifiers: str) -> None:
        if clock.monotonic() < self._ask_again_at:
            raise StoreUnavailable("the quota store did not answer a moment ago")
        try:
            if self._windows.hit(limit, *identifiers):
                return
            ends = self._windows.get_window_stats(limit, *identifiers).reset_time
        except StorageError as error:
            self._ask_again_at = clock.monotonic() + _GRACE
            reason = type(error.storage_error).__name__
            raise StoreUnavailable(f"the quota store does not answer ({reason})") from error
        wait = max(1.0, ends - clock.now().timestamp())
        raise TooManyRequests("too many requests in a minute", retry_after=wait, limit=identifiers[0])


@functools.lru_cache(maxsize=1)
def _limiter(client: redis.Redis) -> _Limiter:
    return _Limiter(client)
