"""Plots of the usage page: requests and errors as columns, latency as curves, from the counts of the chosen span."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from integrations.core.pages import plots
from integrations.core.pages.plots import Plot, Scale, Series
from integrations.gateway.histogram import SIZE, percentile
from integrations.gateway.stats.queries import Slice, Span, begin

_PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class CountedSlices:
    """What columns count: `figure` of each slice, stacked `by` name."""

    title: str
    by: Callable[[Slice], str]
    figure: Callable[[Slice], int]
    scale: Scale = field(default_factory=Scale)


def columns(counted: CountedSlices, parts: Sequence[Slice], span: Span, now: datetime) -> Plot:
    """Stacked columns of every bin, the largest name at the bottom."""
    bins = _bins(span, now)
    counts: dict[str, dict[int, int]] = defaultdict(lambda: dict.fromkeys(bins, 0))
    for part in parts:
        if count := counted.figure(part):
            counts[counted.by(part)][part.at] += count
    colours = plots.ranked({name: sum(row.values()) for name, row in counts.items()})
    series = [Series(name, list(counts[name].values()), colour) for name, colour in colours.items()]
    return plots.columns(counted.title, _starts(bins), series, scale=counted.scale)


def latency(title: str, parts: Sequence[Slice], span: Span, now: datetime) -> Plot:
    """p50, p95 and p99 of every bin that had calls; in the legend those of the whole span."""
    bins = _bins(span, now)
    buckets: dict[int, list[int]] = {}
    for part in parts:
        buckets[part.at] = [a + b for a, b in zip(buckets.get(part.at, [0] * SIZE), part.buckets, strict=True)]
    whole = [sum(column) for column in zip(*buckets.values(), strict=True)] if buckets else [0] * SIZE
    series = []
    for index, (name, part_below) in enumerate(_PERCENTILES.items()):
        values = [percentile(buckets[at], part_below) if at in buckets else None for at in bins]
        series.append(Series(name, values, f"c{index}", milliseconds(percentile(whole, part_below))))
    return plots.curves(title, _starts(bins), series, text=milliseconds, unit="time until HighLevel's answer")


def milliseconds(value: float | None) -> str:
    """A duration as text: `120 ms`, from a second on `1.5 s`; a dash for None."""
    if value is None:
        return "–"
    return f"{value:.0f} ms" if value < 1_000 else f"{round(value / 1_000, 1):g} s"


def _bins(span: Span, now: datetime) -> range:
    """Start of each bin, in seconds since 1970."""
    first, length = begin(span, now), int(span.length.total_seconds())
    return range(first, first + length, span.bin)


def _starts(bins: range) -> list[datetime]:
    return [datetime.fromtimestamp(at, UTC) for at in bins]
