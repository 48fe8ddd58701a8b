"""Relative times for pages, such as "in 20 h" and "3 min ago"."""

from __future__ import annotations

from datetime import datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_LEAST = 2  # of a unit: "90 s" is more exact than "1 min"


def relative(at: datetime | None, now: datetime) -> str:
    """`at` relative to `now`, as text; a dash for None."""
    if at is None:
        return "–"
    seconds = round((at - now).total_seconds())
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def span(seconds: int) -> str:
    """A duration in seconds, as text in the largest unit of which it has at least two."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= _LEAST * size), _UNITS[-1])
    return f"{seconds // size} {unit}"
