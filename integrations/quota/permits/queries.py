"""Read-only queries on the state in Redis, for pages: a resource's quota now, and the health of Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from integrations.core.errors import StoreUnavailable
from integrations.core.tenant import quota_key
from integrations.quota.permits import governor, scripts
from integrations.quota.permits.governor import START_LIMIT, START_WINDOW
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.replies import StateReply

_LANES = [
    {"lane": lane.value, "day_share": lane.terms.day_share, "day_floor": lane.terms.day_floor}
    for lane in (Lane.EVENTS, Lane.BULK)
]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Slots free now of `limit` per `interval_ms`; the day's numbers are None until a response reports them.

    `day_others`: calls of the day that other clients made with the same quota. `withheld`: slots left to them now.
    """

    limit: int
    free: int
    interval_ms: int
    day_limit: int | None
    day_remaining: int | None
    day_used: int
    day_others: int = 0
    withheld: int = 0


def snapshot(app: str, resource: str) -> Snapshot:
    """The quota of one (app client id, resource id). An untouched one reads as full. Raises StoreUnavailable."""
    governor.send_reports()
    (state,) = states([quota_key(app, resource)])
    if state is None:
        return Snapshot(START_LIMIT, START_LIMIT, int(START_WINDOW * 1000), None, None, 0)
    return Snapshot(
        limit=state.limit,
        free=state.free,
        interval_ms=int(START_WINDOW * 1000) if state.window is None else state.window // 1000,
        day_limit=state.day_limit,
        day_remaining=state.day_remaining,
        day_used=state.day_used,
        day_others=state.day_foreign,
        withheld=state.withheld,
    )


def states(keys: Sequence[str]) -> list[StateReply | None]:
    """The states of many resources (`<app client id>:<resource id>`) in one round trip, None for an untouched one.
    Raises StoreUnavailable."""
    return scripts.states(keys, {"lanes": _LANES})


def health() -> str:
    """The state of Redis and its version, as text. Raises StoreUnavailable."""
    try:
        info = scripts.client().info("server")
    except redis.RedisError as error:
        since = f", for {away:.0f} s now" if (away := scripts.unavailable_seconds()) else ""
        raise StoreUnavailable(f"the quota store does not answer{since} ({type(error).__name__})") from error
    return f"ok, {info.get('server_name', 'redis')} {info.get('valkey_version') or info.get('redis_version')}"


def evicts() -> str:
    """The eviction policy of Redis; empty when a full Redis refuses writes instead, or has no memory limit.

    Raises StoreUnavailable.
    """
    try:
        info = scripts.client().info("memory")
    except redis.RedisError as error:
        raise StoreUnavailable(f"the quota store does not answer ({type(error).__name__})") from error
    policy = str(info.get("maxmemory_policy", "noeviction"))
    return policy if info.get("maxmemory") and policy != "noeviction" else ""
