"""Timestamps: milliseconds since 1970 (UTC) as integers, to and from the vendor's texts."""

from __future__ import annotations

from datetime import UTC, datetime

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LATEST = 253_402_300_800_000  # 10000-01-01, behind the last date that can be written


def iso(at: int) -> str:
    """The vendor's form, `2021-07-02T05:18:26.704Z`."""
    whole, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def parse(value: object) -> int | None:
    """Milliseconds from a number, a text of digits or an ISO date; None if it is none of them or before 1970."""
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) < 16 else _from_iso(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < LATEST else None


def _from_iso(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * SECOND)
