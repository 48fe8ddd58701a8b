"""Reads for pages: what a resource's quota looks like now, and whether the store is well."""

from __future__ import annotations

import math
from dataclasses import dataclass

import redis

from integrations.core.errors import StoreUnavailable
from integrations.core.tenant import quota_key
from integrations.quota.permits import governor, scripts
from integrations.quota.permits.governor import START_LIMIT, START_WINDOW

_NO_NUMBERS = (b"sv", b"ring")  # the server's name, and what the window is learned from


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Slots free now of `limit` per `interval_ms`; the day's numbers are None until a response has told them.

    `day_others`: calls of the day that somebody else made with the same quota. `withheld`: slots left to them now.
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
    slots, state = scripts.keys(quota_key(app, resource))
    governor.tell()
    try:
        client = scripts.client()
        fields = {_text(key): int(value) for key, value in client.hgetall(state).items() if key not in _NO_NUMBERS}
        seconds, micros = client.time()
        now = seconds * 1_000_000 + micros - fields.get("b", 0)
        free = int(client.zcount(slots, "-inf", now)) if fields else START_LIMIT
        beyond = (
            int(client.zcard(slots)) - fields["n"] if fields else 0
        )  # kept of a larger limit, as `limit.lua` has it
    except redis.RedisError as error:
        raise StoreUnavailable(f"the quota store does not answer ({type(error).__name__})") from error
    return Snapshot(
        limit=fields.get("n", START_LIMIT),
        free=max(0, free - max(0, beyond)),
        interval_ms=fields["w"] // 1000 if "w" in fields else int(START_WINDOW * 1000),
        day_limit=fields.get("dl"),
        day_remaining=fields.get("dr"),
        day_used=fields.get("du", 0),
        day_others=fields.get("df", 0),
        withheld=_withheld(fields, now),
    )


def _withheld(fields: dict[str, int], now: int) -> int:
    """As `foreign.lua` has it: the hold melts within a minute."""
    since = now - fields.get("fa", 0)
    return math.ceil(max(0.0, fields.get("f", 0) * (1 - since / 60_000_000)))


def health() -> str:
    """One word and a version when the store answers. Raises StoreUnavailable."""
    try:
        info = scripts.client().info("server")
    except redis.RedisError as error:
        since = f", for {away:.0f} s now" if (away := scripts.away_for()) else ""
        raise StoreUnavailable(f"the quota store does not answer{since} ({type(error).__name__})") from error
    return f"ok, {info.get('server_name', 'redis')} {info.get('valkey_version') or info.get('redis_version')}"


def evicts() -> str:
    """The policy by which the store drops keys when its memory is full; empty when it refuses to write instead, or has
    no limit. Raises StoreUnavailable."""
    try:
        info = scripts.client().info("memory")
    except redis.RedisError as error:
        raise StoreUnavailable(f"the quota store does not answer ({type(error).__name__})") from error
    policy = str(info.get("maxmemory_policy", "noeviction"))
    return policy if info.get("maxmemory") and policy != "noeviction" else ""


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode()
