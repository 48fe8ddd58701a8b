"""`MeasuredLag`: how long something takes to be in the copy, of one resource."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.core.ages import span

_LONG = 120.0  # seconds, from which tenths say nothing


@dataclass(frozen=True, slots=True)
class MeasuredLag:
    """Seconds until it is in the copy: the median, and what 95 of 100 stay below. `count` were measured."""

    resource: str
    count: int
    median: float
    most: float

    @property
    def quantiles(self) -> tuple[tuple[str, float], ...]:
        """For metrics."""
        return ("0.5", self.median), ("0.95", self.most)

    @property
    def words(self) -> str:
        """For pages: `0.4 s, 95 % within 1.2 s`."""
        return f"{_words(self.median)}, 95 % within {_words(self.most)}"

    @property
    def title(self) -> str:
        """The resource's name for people."""
        return self.resource.replace("_", " ")


def _words(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < _LONG else span(round(seconds))
