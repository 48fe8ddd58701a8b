"""Forecast of the calls that the lanes above bulk will need of a resource's day budget; bulk work may use the rest.

It is the largest use in the same hours of one of the last seven days (they hold each weekday once), a quarter more, and
what chance adds to a count. Redis gets it for the current hour and for its end, because between two updates it declines
(`day.lua`). Rows older than two days are whole hours, so it begins with the whole hour and ends with the last one that
has begun.

Only resources that were used within an hour, and first three days ago or longer, have a forecast. Others keep fixed
shares of the day. A refused call leaves no row, so the quarter, and the floor that is kept on top, let demand show
again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from integrations.quota.models import Usage
from integrations.quota.permits import governor, queries

BATCH = 500  # resources at once
_GROWTH, _DEVIATIONS = 1.25, 2.33  # 2.33 standard deviations of a Poisson count: one in a hundred is larger
_HOUR = timedelta(hours=1)
_SHORTEST_HISTORY = timedelta(days=3)  # of use, before there is a forecast for the next day
_MICRO = 1_000_000

_LARGEST_USE = """
SELECT resource.key, max(interactive), max(interactive_later), max(above), max(above_later)
FROM unnest(%(keys)s::text[], %(ends)s::timestamptz[]) AS resource(key, ends)
CROSS JOIN (SELECT interval '1 day' * days AS ago FROM generate_series(1, 7) AS days) AS day
CROSS JOIN LATERAL (
  SELECT coalesce(sum(calls) FILTER (WHERE lane = 'interactive'), 0),
         coalesce(sum(calls) FILTER (WHERE lane = 'interactive' AND bucket_at >= %(later)s - ago), 0),
         coalesce(sum(calls), 0),
         coalesce(sum(calls) FILTER (WHERE bucket_at >= %(later)s - ago), 0)
  FROM quota_usage
  WHERE key = resource.key AND lane <> 'bulk' AND bucket_at >= %(hour)s - ago AND bucket_at < ends - ago
) AS counts(interactive, interactive_later, above, above_later)
WHERE EXISTS (SELECT FROM quota_usage WHERE key = resource.key AND bucket_at < %(known_since)s)
GROUP BY resource.key
"""


@dataclass(frozen=True, slots=True)
class _Day:
    """One resource's day as the store knows it: its end in the store's microseconds, and how far off that is."""

    epoch: str
    ends: int
    remains: timedelta


def send(now: datetime) -> int:
    """Send Redis the forecast of every resource that was used within an hour. Returns how many.

    Raises StoreUnavailable.
    """
    used = Usage.objects.filter(bucket_at__gt=now - _HOUR).order_by("key").values_list("key", flat=True).distinct()
    keys = list(used)
    return sum(_send(keys[first : first + BATCH], now) for first in range(0, len(keys), BATCH))


def calls_to_keep(ends: Mapping[str, datetime], now: datetime) -> dict[str, list[int]]:
    """Calls to keep, by resource, until its day ends.

    Four numbers: for interactive work from the start of this hour and from its end, then for events and interactive
    work likewise. Leaves out resources that are used for less than three days.
    """
    hour = _hour(now)
    asked: dict[str, Any] = {
        "keys": list(ends),
        "ends": list(ends.values()),
        "hour": hour,
        "later": hour + _HOUR,
        "known_since": now - _SHORTEST_HISTORY,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LARGEST_USE, asked)
        return {key: [_kept(int(calls)) for calls in found] for key, *found in cursor.fetchall()}


def _send(keys: Sequence[str], now: datetime) -> int:
    days = _days(keys)
    since = int((now - _hour(now)).total_seconds() * _MICRO)
    kept = calls_to_keep({key: now + day.remains for key, day in days.items()}, now)
    governor.send_forecasts(
        {
            (key, days[key].epoch): {"since": since, "ends": days[key].ends, "events": calls[:2], "bulk": calls[2:]}
            for key, calls in kept.items()
        }
    )
    return len(kept)


def _kept(most: int) -> int:
    return math.ceil(_GROWTH * most + _DEVIATIONS * math.sqrt(most))


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)


def _days(keys: Sequence[str]) -> dict[str, _Day]:
    """The days of those resources whose day is known and under way."""
    states = zip(keys, queries.states(keys), strict=True)
    return {
        key: _Day(state.epoch, state.day.ends, timedelta(microseconds=state.day.ends_in))
        for key, state in states
        if state is not None and state.day is not None
    }
