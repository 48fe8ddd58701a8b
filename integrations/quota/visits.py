"""Request counters for rate limits, in Redis and shared by all processes.

Windows are fixed, and the count of each is a key that expires. So a client may send twice the allowed number around the
end of a window, which is acceptable for a limit against floods.
"""

from __future__ import annotations

from datetime import datetime

import redis
from django.conf import settings

from integrations.core import clock
from integrations.core.errors import StoreUnavailable
from integrations.quota.permits import scripts

WINDOW = 60  # seconds
_GRACE = 5.0  # seconds after a failure without another try: a Redis that hangs would hang every request in turn

_ask_again_at = 0.0


def count(door: str, who: str, now: datetime) -> int:
    """Count one request of client `who` to endpoint `door`; the count in this window. Raises StoreUnavailable."""
    global _ask_again_at  # noqa: PLW0603 - one per process, as the connection is
    if clock.monotonic() < _ask_again_at:
        raise StoreUnavailable("the quota store did not answer a moment ago")
    key = f"{settings.NAMESPACE}:visits:{door}:{who}:{int(now.timestamp()) // WINDOW}"
    pipeline = scripts.client().pipeline(transaction=False)
    pipeline.incr(key)
    pipeline.expire(key, 2 * WINDOW)
    try:
        visits, _ = pipeline.execute()
    except redis.RedisError as error:
        _ask_again_at = clock.monotonic() + _GRACE
        raise StoreUnavailable(f"the quota store does not answer ({type(error).__name__})") from error
    return int(visits)


def left(now: datetime) -> float:
    """Seconds until the next window."""
    return WINDOW - now.timestamp() % WINDOW
