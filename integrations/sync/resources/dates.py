"""Parses the vendor's dates: ISO text, epoch seconds or milliseconds, and these numbers as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

_SECONDS_UNTIL = 1e11  # as seconds the year 5138, as milliseconds 1973: what is above is milliseconds
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # older than the vendor; guards against 0 and 1970


def moment(value: Any) -> datetime | None:
    """The moment in UTC, or None for a value that is no date. ISO text without a zone is UTC, as the vendor's is."""
    if isinstance(value, bool):
        return None
    try:
        parsed = _parse(value)
    except (ValueError, OverflowError, OSError):
        return None
    return parsed if parsed is not None and parsed >= EARLIEST else None


def iso(at: datetime) -> str:
    """The vendor's date format, to the millisecond: `2021-07-02T05:18:26.704Z`."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _parse(value: Any) -> datetime | None:
    if isinstance(value, str):
        text = value.strip()
        if text.isdecimal() and text.isascii():
            return _from_epoch(int(text))
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, int | float):
        return _from_epoch(value)
    return None


def _from_epoch(number: float) -> datetime:
    return datetime.fromtimestamp(number / 1000 if number > _SECONDS_UNTIL else number, tz=UTC)
