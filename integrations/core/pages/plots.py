"""Plots over time for admin pages, as SVG shapes: stacked columns and curves, with axes, legend and tooltips.

The server computes every shape and `admin/plot.html` writes them out. So a plot can be read, searched and printed
without JavaScript, and its page keeps the strict Content-Security-Policy (docs/decisions/14-plots-as-svg.md). Colours
are CSS classes: `c0` to `c5` and `other` of `plots.css`, or a page's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape

from django.utils.safestring import SafeString, mark_safe

from integrations.core.pages import operator_zone

OTHER = "other"  # the shared colour of all series but the largest; the legend adds them up
_COLOURS = tuple(f"c{number}" for number in range(6))
_ROUND = (1, 2, 4, 6, 10)  # times a power of ten: the half of it is round as well
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_STEPS = (
    *(_MINUTE * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * hours for hours in (1, 2, 3, 4, 6, 12)),
    *(_DAY * days for days in (1, 2, 5, 10, 20, 50, 100)),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES = ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute"))
_NEAR = 4  # a limit further above the highest column than this would make the columns too small to read


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of a plot in SVG units, the margins that its axes take, and at most how many times it names."""

    width: int
    height: int
    left: int = 44
    top: int = 8
    bottom: int = 24
    times: int = 6


PANEL = Size(480, 180)
WIDE = Size(1120, 240, times=12)
SMALL = Size(288, 28, left=0, top=0, bottom=0, times=0)  # a table cell: no axes and no legend


@dataclass(frozen=True, slots=True)
class Series:
    """A named row of values, one for each bin; None leaves a gap in a curve. `figure` stands beside its name."""

    name: str
    values: Sequence[float | None]
    colour: str
    figure: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A text on an axis, at a position along it."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """One series' part of one column: a rectangle. `link` leads to what it counts; empty for none."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    tooltip: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """What the axes of columns measure: the unit of the values, and the most that one bin can have (None: no limit).

    `link` gives the address of what one part of a column counts, from its bin's start and end and its series' name.
    """

    unit: str = ""
    ceiling: float | None = None
    link: Callable[[datetime, datetime, str], str] | None = None


_NO_SCALE = Scale()


@dataclass(frozen=True, slots=True)
class Dot:
    """One value of a curve."""

    x: float
    y: float
    tooltip: str


@dataclass(frozen=True, slots=True)
class Curve:
    """`lines` are point lists for SVG polylines, one for each stretch of values without a gap."""

    colour: str
    lines: list[str]
    dots: list[Dot]


@dataclass(frozen=True, slots=True)
class Plot:
    """What the template draws. `legend` has a colour, a name and a figure for each entry; `top` ends the value axis.

    `measures` says what both axes measure; `ceiling` is the line of the limit, if it is on the plot.
    """

    title: str
    size: Size
    levels: list[Mark]
    times: list[Mark]
    legend: list[tuple[str, str, str]]
    top: float
    columns: list[Column] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    measures: str = ""
    ceiling: Mark | None = None

    @property
    def has_links(self) -> bool:
        """Whether its columns lead somewhere."""
        return any(column.link for column in self.columns)

    @property
    def shapes(self) -> SafeString:
        """The columns as SVG. A template's loop takes ten times as long, and a page may have thousands."""
        return mark_safe("".join(map(_shape, self.columns)))  # noqa: S308 - `_shape` escapes every text

    @property
    def is_empty(self) -> bool:
        """Whether no series has a value to draw."""
        return not self.columns and not any(curve.dots for curve in self.curves)

    @property
    def has_axes(self) -> bool:
        """Whether the plot is large enough for axes and a legend."""
        return self.size.left > 0

    @property
    def tick_end(self) -> float:
        """Lower end of the ticks below the time axis."""
        return self.levels[0].at + 4

    @property
    def summary(self) -> str:
        """The plot in one sentence, for screen readers."""
        entries = ", ".join(f"{name} {figure}".strip() for _, name, figure in self.legend)
        measures = f" {self.measures[0].upper()}{self.measures[1:]}." if self.measures else ""
        return f"{self.title}: {entries or 'none'}. The axis ends at {self.levels[-1].text}.{measures}"


def ranked(totals: Mapping[str, float]) -> dict[str, str]:
    """Names by their colours, the largest total first. Six have a colour of their own, all others share `OTHER`."""
    order = sorted(totals, key=lambda name: (-totals[name], name))
    return {name: _COLOURS[index] if index < len(_COLOURS) else OTHER for index, name in enumerate(order)}


def columns(
    title: str, starts: Sequence[datetime], series: Sequence[Series], *, size: Size = PANEL, scale: Scale = _NO_SCALE
) -> Plot:
    """Stacked columns, the first series at the bottom. `starts` are the starts of the bins, equally far apart.

    A series' figure is the sum of its counts, unless it has another.
    """
    totals = [sum(value or 0 for value in bin_) for bin_ in zip(*(one.values for one in series), strict=True)]
    most = max(totals, default=0)
    near = scale.ceiling is not None and most * _NEAR >= scale.ceiling
    frame = _Frame(size, starts, _top(max(most, scale.ceiling or 0) if near else most))
    legend = _legend([(one, sum(value or 0 for value in one.values)) for one in series])
    return Plot(
        title,
        size,
        frame.levels(number),
        frame.times(),
        legend,
        frame.top,
        columns=_stack(frame, series, scale),
        measures=_measures(scale, starts),
        ceiling=Mark(frame.y(scale.ceiling), number(scale.ceiling)) if near and scale.ceiling else None,
    )


def curves(
    title: str,
    starts: Sequence[datetime],
    series: Sequence[Series],
    *,
    size: Size = PANEL,
    text: Callable[[float], str],
    unit: str = "",
) -> Plot:
    """One curve for each series, drawn at the middle of each bin. `text` writes a value for axis and tooltips, `unit`
    says what the values are.
    """
    values = [value for one in series for value in one.values if value is not None]
    frame = _Frame(size, starts, _top(max(values, default=0)))
    drawn = [_curve(frame, one, text) for one in series]
    legend = [(one.colour, one.name, one.figure) for one in series]
    step = starts[1] - starts[0] if len(starts) > 1 else _DAY
    measures = f"{unit}, by {length(step)}; {_zone_of(step)}" if unit and len(starts) > 1 else ""
    return Plot(title, size, frame.levels(text), frame.times(), legend, frame.top, curves=drawn, measures=measures)


def number(value: float) -> str:
    """A count on an axis: `250`, `20k`, `3M`."""
    if value >= 10_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


@dataclass(frozen=True, slots=True)
class _Frame:
    """Maps bins and values to positions inside the axes."""

    size: Size
    starts: Sequence[datetime]
    top: float

    @property
    def step(self) -> float:
        """Width of a bin."""
        return (self.size.width - self.size.left) / max(1, len(self.starts))

    def x(self, index: float) -> float:
        """Left edge of the bin with this number; of the bin's middle for a half more."""
        return round(self.size.left + index * self.step, 2)

    def y(self, value: float) -> float:
        """Vertical position of a value."""
        height = self.size.height - self.size.top - self.size.bottom
        return round(self.size.top + height * (1 - value / self.top), 2)

    def levels(self, text: Callable[[float], str]) -> list[Mark]:
        """Marks of the value axis: zero, half and the top."""
        return [Mark(self.y(value), text(value)) for value in (0, self.top / 2, self.top)]

    def times(self) -> list[Mark]:
        """Marks of the time axis: the first bin from each round time of the operator's clock on."""
        if len(self.starts) < 2:
            return []
        span = (self.starts[1] - self.starts[0]) * len(self.starts)
        every = next((step for step in _STEPS if span / step <= self.size.times), None) if self.size.times else None
        if every is None:
            return []
        form = "%H:%M" if every < _DAY else "%d %b"
        step = self.starts[1] - self.starts[0]
        shown = [(index, _shown(at, step)) for index, at in enumerate(self.starts)]
        return [Mark(self.x(index), f"{at:{form}}") for index, at in shown if (at - _EPOCH) % every < step]

    def bin(self, index: int) -> tuple[datetime, datetime]:
        """Start and end of a bin."""
        step = self.starts[1] - self.starts[0] if len(self.starts) > 1 else _DAY
        return self.starts[index], self.starts[index] + step

    def moment(self, index: int) -> str:
        """Start of a bin for tooltips."""
        at, until = self.bin(index)
        return f"{_shown(at, until - at):%d %b %H:%M}"


def _shape(one: Column) -> str:
    """A rectangle. The keyboard and screen readers pass its link by: tables of the page lead to the same rows."""
    box = f'x="{one.x}" y="{one.y}" width="{one.width}" height="{one.height}"'
    rect = f'<rect class="{escape(one.colour)}" {box}><title>{escape(one.tooltip)}</title></rect>'
    return f'<a href="{escape(one.link)}" tabindex="-1" aria-hidden="true">{rect}</a>' if one.link else rect


def _stack(frame: _Frame, series: Sequence[Series], scale: Scale) -> list[Column]:
    width = round(frame.step * 0.86, 2)
    shapes = []
    for index in range(len(frame.starts)):
        below = 0.0
        for one in series:
            if value := one.values[index]:
                y, base = frame.y(below + value), frame.y(below)
                tooltip = f"{frame.moment(index)}: {value:,} {one.name}"
                link = scale.link(*frame.bin(index), one.name) if scale.link else ""
                shapes.append(Column(frame.x(index), y, width, round(base - y, 2), one.colour, tooltip, link))
                below += value
    return shapes


def _curve(frame: _Frame, one: Series, text: Callable[[float], str]) -> Curve:
    lines: list[list[str]] = [[]]
    dots = []
    for index, value in enumerate(one.values):
        if value is None:
            lines.append([])
            continue
        x, y = frame.x(index + 0.5), frame.y(value)
        lines[-1].append(f"{x},{y}")
        dots.append(Dot(x, y, f"{frame.moment(index)}: {one.name} {text(value)}"))
    return Curve(one.colour, [" ".join(line) for line in lines if len(line) > 1], dots)


def _measures(scale: Scale, starts: Sequence[datetime]) -> str:
    """Such as "calls in 5 minutes each, at most 3,000; times are UTC"."""
    if not scale.unit or len(starts) < 2:
        return ""
    most = f", at most {scale.ceiling:,.0f}" if scale.ceiling else ""
    step = starts[1] - starts[0]
    return f"{scale.unit} in {length(step)} each{most}; {_zone_of(step)}"


def _shown(at: datetime, step: timedelta) -> datetime:
    """The start of a bin as the operator's clock shows it. Bins of a day are days of UTC for every operator."""
    return at if step >= _DAY else operator_zone.local(at).replace(tzinfo=UTC)


def _zone_of(step: timedelta) -> str:
    return "days are those of UTC" if step >= _DAY else f"times are {operator_zone.name()}"


def length(step: timedelta) -> str:
    """The length of a bin: `5 minutes`, `3 hours`, `1 day`."""
    size, name = next(((size, name) for size, name in _NAMES if not step % size), _NAMES[-1])
    return f"{step // size} {name}{'' if step == size else 's'}"


def _legend(totals: Sequence[tuple[Series, float]]) -> list[tuple[str, str, str]]:
    named = [(one.colour, one.name, one.figure or f"{total:,}") for one, total in totals if one.colour != OTHER]
    others = [total for one, total in totals if one.colour == OTHER]
    if others:
        named.append((OTHER, f"{len(others)} other{'' if len(others) == 1 else 's'}", f"{sum(others):,}"))
    return named


def _top(most: float) -> float:
    """The next round number from `most` up, at least 2: with half of it, the marks of the value axis."""
    most = max(most, 2)
    power = 10 ** math.floor(math.log10(most))
    return float(next(step * power for step in _ROUND if step * power >= most))
