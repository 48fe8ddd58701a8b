"""Bar plots for SVG templates: computes their numbers on the server, so that pages need no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from integrations.quota.permits.lanes import Lane

_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    """The part of one lane in one bucket: a rectangle and its tooltip."""

    lane: str
    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A grid line with its label."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Stacked bars in a box of `width` by `height`; `rows` are the horizontal grid lines, `columns` the hours."""

    width: int
    height: int
    bars: list[Bar]
    rows: list[Tick]
    columns: list[Tick]
    most: int


def stacked(
    starts: Sequence[datetime], series: Mapping[Lane, Sequence[int]], *, width: int = 1152, height: int = 180
) -> Plot:
    """A bar for each start, with the lanes from the bottom up: bulk, events, interactive."""
    totals = [sum(column) for column in zip(*series.values(), strict=True)]
    top = nice(max(totals, default=0))
    step, unit = width / max(1, len(starts)), height / top
    bars: list[Bar] = []
    for place, start in enumerate(starts):
        below = 0.0
        for lane in reversed(Lane):
            calls = series[lane][place]
            if calls:
                tall = calls * unit
                words = f"{start:%H:%M}: {calls:,} {lane.value}"
                box = (round(place * step, 2), round(height - below - tall, 2), round(step * 0.86, 2), round(tall, 2))
                bars.append(Bar(lane.value, *box, words))
                below += tall
    rows = [Tick(round(height - part * height, 1), f"{part * top:,.0f}") for part in (0.5, 1.0)] if any(totals) else []
    hours = [(place, start) for place, start in enumerate(starts) if start.minute == 0 and start.hour % 3 == 0]
    return Plot(width, height, bars, rows, [Tick(round(place * step, 1), f"{at:%H:%M}") for place, at in hours], top)


def nice(most: int) -> int:
    """The next round number from `most` up: at least 2, and half of it is round too."""
    size: int = 10 ** (len(str(max(most, 2))) - 1)
    return next(max(2, round(step * size)) for step in _STEPS if step * size >= max(most, 2))
