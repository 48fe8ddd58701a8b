"""Parser of the vendor's quota headers. Limits are learned from them, never assumed (FACTS section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class RateSnapshot:
    """The quota state of one response. None: the header was missing or absurd. An overdrawn remainder counts as 0.

    `interval_ms` is the length of the burst window; `daily_reset_ms` is how long until the day budget is whole again, a
    duration and not a moment (undocumented, seen live in three public repositories).
    """

    max: int | None = None
    remaining: int | None = None
    interval_ms: int | None = None
    daily_limit: int | None = None
    daily_remaining: int | None = None
    daily_reset_ms: int | None = None

    @property
    def day_is_spent(self) -> bool:
        """Whether the day budget has nothing left."""
        return self.daily_remaining == 0


# field -> header, smallest and largest value that can be true. A day budget cannot reset later than in a day;
# 25 hours leave room for a clock change, and a timestamp read as a duration falls far outside. A remainder may be below
# zero, when several clients spend the last calls at once; then nothing is left (FACTS 4).
_HEADERS = {
    "max": ("x-ratelimit-max", 1, 1_000_000),
    "remaining": ("x-ratelimit-remaining", -1_000_000, 1_000_000),
    "interval_ms": ("x-ratelimit-interval-milliseconds", 1, HOUR_MS),
    "daily_limit": ("x-ratelimit-limit-daily", 1, 1_000_000_000),
    "daily_remaining": ("x-ratelimit-daily-remaining", -1_000_000_000, 1_000_000_000),
    "daily_reset_ms": ("x-ratelimit-daily-reset", 0, 25 * HOUR_MS),
}


def snapshot(headers: Mapping[str, str]) -> RateSnapshot:
    """Parse a snapshot from headers whose lookup ignores case."""
    found = {field: _number(headers.get(name), low, high) for field, (name, low, high) in _HEADERS.items()}
    return RateSnapshot(**{field: None if number is None else max(number, 0) for field, number in found.items()})


def retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds. The vendor sends none today; a date or a value beyond a day is ignored."""
    seconds = _number(headers.get("retry-after"), 0, 86_400)
    return None if seconds is None else float(seconds)


def _number(text: str | None, low: int, high: int) -> int | None:
    digits = "" if text is None else text.removeprefix("-")
    if text is None or not digits.isascii() or not digits.isdigit() or len(digits) > 12:
        return None
    value = int(text)
    return value if low <= value <= high else None
