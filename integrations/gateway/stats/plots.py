"""Plots as plain SVG shapes: computed here, drawn by a template, without script, so the page keeps its strict CSP."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from integrations.gateway.stats.histogram import SIZE, percentile
from integrations.gateway.stats.queries import Slice, Span, begin

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 480, 180, 44, 8, 22
SERIES = 6  # series with their own colour; the rest is "other"
_LABELS = 5


@dataclass(frozen=True, slots=True)
class Box:
    """One segment of a stacked column. `series` is the number of its colour."""

    x: float
    y: float
    width: float
    height: float
    series: int
    tooltip: str


@dataclass(frozen=True, slots=True)
class Dot:
    """One data point of a curve, in SVG coordinates, with its tooltip."""

    x: float
    y: float
    tooltip: str


@dataclass(frozen=True, slots=True)
class Curve:
    """`lines` are point lists for SVG polylines, one for each stretch without a gap."""

    series: int
    lines: list[str]
    dots: list[Dot]


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot. `levels` and `times` are the axes' labels with their positions; `legend` is (colour, name, figure)."""

    title: str
    levels: list[tuple[float, str]]
    times: list[tuple[float, str]]
    legend: list[tuple[int, str, str]]
    boxes: list[Box] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    empty: bool = False
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


@dataclass(frozen=True, slots=True)
class Frame:
    """The time axis and value axis of a plot: maps bins and values to SVG coordinates."""

    span: Span
    first: int
    most: float

    @property
    def bins(self) -> list[int]:
        """Start of each bin, in seconds since 1970."""
        return [self.first + number * self.span.bin for number in range(_count(self.span))]

    @property
    def step(self) -> float:
        """Width of one bin in SVG units."""
        return (WIDTH - LEFT) / _count(self.span)

    def x(self, at: int) -> float:
        """Left edge of the bin that starts at `at`."""
        return round(LEFT + (at - self.first) / self.span.bin * self.step, 1)

    def y(self, value: float) -> float:
        """Vertical position of a value."""
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / self.most), 1)

    def levels(self, words: Callable[[float], str]) -> list[tuple[float, str]]:
        """Labels of the value axis at zero, half and the maximum, with their positions."""
        return [(self.y(value), words(value)) for value in (0, self.most / 2, self.most)]

    def times(self) -> list[tuple[float, str]]:
        """Labels of the time axis with their positions, one for every few bins."""
        every = math.ceil(_count(self.span) / _LABELS)
        return [(round(self.x(at) + self.step / 2, 1), self.clock(at)) for at in self.bins[::every]]

    def clock(self, at: int) -> str:
        """Label of a moment on the time axis: a time of day for short bins, else a date (UTC)."""
        shape = "%H:%M" if self.span.bin < 10_000 else "%d %b"
        return datetime.fromtimestamp(at, UTC).strftime(shape)

    def moment(self, at: int) -> str:
        """Date and time of a moment for tooltips (UTC)."""
        return datetime.fromtimestamp(at, UTC).strftime("%d %b %H:%M")


def columns(
    title: str,
    parts: Sequence[Slice],
    span: Span,
    now: datetime,
    *,
    by: Callable[[Slice], str],
    figure: Callable[[Slice], int],
) -> Plot:
    """Stacked columns: `figure` of every bin, grouped `by` name. The largest names have their own colours."""
    cells: dict[tuple[int, str], int] = {}
    totals: dict[str, int] = {}
    for part in parts:
        if count := figure(part):
            cells[part.at, by(part)] = cells.get((part.at, by(part)), 0) + count
            totals[by(part)] = totals.get(by(part), 0) + count
    order = sorted(totals, key=lambda name: (-totals[name], name))
    heights: dict[int, int] = {}
    for (at, _), count in cells.items():
        heights[at] = heights.get(at, 0) + count
    frame = Frame(span, begin(span, now), _nice(max(heights.values(), default=1)))
    return Plot(
        title,
        frame.levels(_figure),
        frame.times(),
        _legend(order, totals),
        boxes=_stack(frame, order, cells),
        empty=not cells,
    )


def latency(title: str, parts: Sequence[Slice], span: Span, now: datetime) -> Plot:
    """p50, p95 and p99 of every bin that had calls."""
    bins: dict[int, list[int]] = {}
    for part in parts:
        bins[part.at] = [a + b for a, b in zip(bins.get(part.at, [0] * SIZE), part.buckets, strict=True)]
    asked = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
    found = {name: {at: percentile(counts, part) for at, counts in bins.items()} for name, part in asked.items()}
    values = [value for curve in found.values() for value in curve.values() if value is not None]
    frame = Frame(span, begin(span, now), _nice(max(values, default=1.0)))
    whole = [sum(column) for column in zip(*bins.values(), strict=True)] if bins else [0] * SIZE
    legend = [(n, name, _milliseconds(percentile(whole, asked[name]))) for n, name in enumerate(found)]
    curves = [_curve(frame, n, name, points) for n, (name, points) in enumerate(found.items())]
    return Plot(title, frame.levels(_milliseconds), frame.times(), legend, curves=curves, empty=not values)


def _stack(frame: Frame, order: Sequence[str], cells: dict[tuple[int, str], int]) -> list[Box]:
    boxes = []
    for at in frame.bins:
        below = 0
        for number, name in enumerate(order):
            count = cells.get((at, name), 0)
            if count:
                top, base = frame.y(below + count), frame.y(below)
                tooltip = f"{frame.moment(at)}: {count:,} {name}"
                width = round(max(1.0, frame.step - 1.0), 1)
                boxes.append(Box(frame.x(at), top, width, round(base - top, 1), min(number, SERIES), tooltip))
                below += count
    return boxes


def _legend(order: Sequence[str], totals: dict[str, int]) -> list[tuple[int, str, str]]:
    named = [(number, name, f"{totals[name]:,}") for number, name in enumerate(order[:SERIES])]
    rest = sum(totals[name] for name in order[SERIES:])
    others = len(order) - SERIES
    return [*named, (SERIES, f"{others} other{'' if others == 1 else 's'}", f"{rest:,}")] if rest else named


def _curve(frame: Frame, series: int, name: str, points: dict[int, float | None]) -> Curve:
    lines: list[list[str]] = [[]]
    dots = []
    for at in frame.bins:
        value = points.get(at)
        if value is None:
            lines.append([])
            continue
        x, y = round(frame.x(at) + frame.step / 2, 1), frame.y(value)
        lines[-1].append(f"{x},{y}")
        dots.append(Dot(x, y, f"{frame.moment(at)}: {name} {_milliseconds(value)}"))
    return Curve(series, [" ".join(line) for line in lines if len(line) > 1], dots)


def _count(span: Span) -> int:
    return int(span.length.total_seconds()) // span.bin


def _nice(value: float) -> float:
    """The next 1, 2, 4 or 6 times a power of ten, so that half of it is round as well."""
    power = 10 ** math.floor(math.log10(value)) if value >= 1 else 1
    return float(next(step * power for step in (1, 2, 4, 6, 10) if step * power >= value))


def _figure(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f} ms" if value < 1_000 else f"{round(value / 1_000, 1):g} s"
