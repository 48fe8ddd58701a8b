"""`Windows`: ranges of time that a listing is asked for one after the other, where its operation demands a range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_MARGIN = timedelta(days=1)  # rows write their dates in any time zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """From `past` before the run's start to `ahead` after it, in windows of `step`.

    `start` and `end` are the request's names for a window's bounds, `write` is their form. `places` is the field of a
    row that decides in which window it is listed: a record outside of all windows is kept, and not looked for.
    """

    start: str
    end: str
    write: Callable[[datetime], Any]
    places: str
    past: timedelta
    ahead: timedelta
    step: timedelta

    def of(self, at: datetime) -> list[dict[str, Any]]:
        """The bounds of each window, for a run that started at this moment: the same for each of its pages."""
        first = (at - self.past).replace(hour=0, minute=0, second=0, microsecond=0)
        last, found = at + self.ahead, []
        while first < last:
            found.append({self.start: self.write(first), self.end: self.write(first + self.step)})
            first += self.step
        return found

    def surely_listed(self, at: datetime) -> tuple[str, str]:
        """The first and last day, as ISO text, between which a row is in some window whatever its time zone."""
        bounds = (at - self.past + _MARGIN, at + self.ahead - _MARGIN)
        first, last = (f"{bound.astimezone(UTC):%Y-%m-%d}" for bound in bounds)
        return first, last


def milliseconds(at: datetime) -> str:
    """The moment in milliseconds since 1970, as text."""
    return str(int(at.timestamp() * 1000))
