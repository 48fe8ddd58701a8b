"""Latency histogram with sixteen buckets: enough for p50, p95 and p99 of any minute, small enough to add up in SQL."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

# Upper bounds in milliseconds; the last bucket has none. A vendor's call takes 100 to 400 ms: there they are narrow.
BOUNDS = (10, 25, 50, 75, 100, 150, 200, 300, 400, 600, 800, 1_200, 2_000, 5_000, 15_000)
SIZE = len(BOUNDS) + 1


def bucket(milliseconds: float) -> int:
    """The number of the bucket, 0 to 15."""
    return bisect_left(BOUNDS, milliseconds)


def percentile(counts: Sequence[int], part: float) -> float | None:
    """The milliseconds below which this part (0..1) of the calls stayed, interpolated; None without calls.

    A percentile in the open last bucket is given as that bucket's lower bound.
    """
    wanted = sum(counts) * part
    if wanted == 0:
        return None
    below = 0
    for number, count in enumerate(counts):
        if below + count >= wanted:
            floor = BOUNDS[number - 1] if number else 0
            ceiling = BOUNDS[number] if number < len(BOUNDS) else floor
            return floor + (ceiling - floor) * (wanted - below) / count
        below += count
    return float(BOUNDS[-1])
