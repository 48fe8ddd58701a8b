"""`MeasuredLag`: how long something takes to be in the copy, of one resource."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.core.ages import span

_LONG = 120.0  # seconds, from which tenths say nothing


@dataclass(frozen=True, slots=True)
class MeasuredLag:
    """Seconds until it is in the copy: the median, and what 95 of 100 stay below. `count` were measured.

    `of_vendor` are the same two from the vendor's own time on, where it says one.
    """

    resource: str
    count: int
    median: float
    most: float
    of_vendor: tuple[float, float] | None = None

    @property
    def quantiles(self) -> tuple[tuple[str, float], ...]:
        """For metrics."""
        return ("0.5", self.median), ("0.95", self.most)

    @property
    def words(self) -> str:
        """For pages: `0.4 s, 95 % within 1.2 s`."""
        return _both(self.median, self.most)

    @property
    def vendor_quantiles(self) -> tuple[tuple[str, float], ...]:
        """For metrics, from the vendor's own time on; empty where it says none."""
        return () if self.of_vendor is None else (("0.5", self.of_vendor[0]), ("0.95", self.of_vendor[1]))

    @property
    def vendor_words(self) -> str:
        """For pages, from the vendor's own time on; empty where it says none."""
        return "" if self.of_vendor is None else _both(*self.of_vendor)

    @property
    def title(self) -> str:
        """The resource's name for people."""
        return self.resource.replace("_", " ")


def _both(median: float, most: float) -> str:
    return f"{_words(median)}, 95 % within {_words(most)}"


def _words(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < _LONG else span(round(seconds))
