"""Divides the calls of a day among plans so that the copy is as fresh as it can be. Pure, and deterministic.

A plan whose records change `r` times a day and that runs every `T` has, on average, changes of `r·T/2` that the copy
lacks. A run costs `c` calls, so a day of it costs `c·day/T`. Of all intervals that cost the same together, the least
is lacking where `T` is in proportion to `√(c/r)`: four times the changes halve the interval. So there is one factor `f`
for all plans, and `T = f·√(c/r)`, no shorter and no longer than the bounds, rounded up to a step of `STEPS`. The least
`f` whose whole cost is within the budget counts; it is found by halving. When even the longest intervals cost more,
all plans get those (`Allotment.is_within` is false).

`c` is the mean cost of a run of the resource, not the plan's own: of two locations the one with more changes is never
synced less often because it is larger. Plans whose rates differ by less than a twentieth share an interval.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil, exp, floor, log, sqrt

DAY = timedelta(days=1)
STEPS = tuple(
    timedelta(minutes=minutes)
    for minutes in (
        *(5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, 90, 120, 150, 180, 240, 300, 360, 480, 600, 720),
        *(960, 1_440, 2_160, 2_880, 4_320, 5_760, 7_200, 10_080, 14_400, 20_160, 28_800, 40_320),
    )
)
LEAST_RATE = 0.1  # changes a day of a plan that shows none: it is asked all the same, because it may change tomorrow
_RATIO = 1.05  # of rates that share an interval
_HALVINGS = 60
_ROUNDING = 1e-9  # of a float: an interval that is a step stays one


@dataclass(frozen=True, slots=True)
class Demand:
    """What a plan needs. `rate` is its changes of a day.

    `calls` is the cost of one run, `full_calls` that of one full listing where runs between them only ask for changes.
    Those are `full_every` apart, or as far as the runs if that is longer.
    """

    plan_id: int
    resource: str
    rate: float
    calls: float = 1.0
    full_calls: float = 0.0
    full_every: timedelta = DAY


@dataclass(frozen=True, slots=True)
class Allotment:
    """The interval of each plan, and the calls of a day that all of them cost."""

    intervals: Mapping[int, timedelta]
    calls: int
    is_within: bool


@dataclass(slots=True)
class _Group:
    """Plans of one resource and of nearly one rate. `weight` is `√(c/r)`."""

    weight: float
    plans: list[int] = field(default_factory=list)
    calls: float = 0.0
    full_calls: dict[timedelta, float] = field(default_factory=dict)  # by the time between two full listings

    def cost(self, every: timedelta) -> float:
        """The calls of a day."""
        full = sum(calls * (DAY / max(every, wait)) for wait, calls in self.full_calls.items())
        return self.calls * (DAY / every) + full


def allot(demands: Iterable[Demand], budget: int, shortest: timedelta, longest: timedelta) -> Allotment:
    """The intervals, each from `shortest` to `longest`, whose cost is within `budget` calls of a day."""
    groups = _groups(demands)
    steps = [shortest, *(step for step in STEPS if shortest < step < longest), longest]

    def chosen(factor: float) -> list[timedelta]:
        return [_step(steps, factor * group.weight) for group in groups]

    def cost(intervals: list[timedelta]) -> float:
        return sum(group.cost(every) for group, every in zip(groups, intervals, strict=True))

    best = [longest] * len(groups)
    if groups and cost(best) <= budget:
        low = log(shortest.total_seconds() / max(group.weight for group in groups))
        high = log(longest.total_seconds() / min(group.weight for group in groups))
        best = chosen(exp(_least(low, high, lambda at: cost(chosen(exp(at))) <= budget)))
    intervals = {plan: every for group, every in zip(groups, best, strict=True) for plan in group.plans}
    return Allotment(intervals, ceil(cost(best)), cost(best) <= budget)


def _least(low: float, high: float, fits: Callable[[float], bool]) -> float:
    """The least number between these that fits, where all above one that fits do; `high` fits."""
    if fits(low):
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _step(steps: Sequence[timedelta], seconds: float) -> timedelta:
    """The first step that is not shorter, or the last one."""
    place = bisect_left(steps, seconds * (1 - _ROUNDING), key=timedelta.total_seconds)
    return steps[min(place, len(steps) - 1)]


def _groups(demands: Iterable[Demand]) -> list[_Group]:
    """The demands by resource and rate, in order. Rates are rounded down to a power of `_RATIO`."""
    of_resource: dict[str, list[Demand]] = defaultdict(list)
    for demand in demands:
        of_resource[demand.resource].append(demand)
    groups: dict[tuple[str, int], _Group] = {}
    for name in sorted(of_resource):
        rows = of_resource[name]
        mean = sum(one.calls for one in rows) / len(rows)
        for one in rows:
            power = floor(log(max(one.rate, LEAST_RATE), _RATIO))
            group = groups.setdefault((name, power), _Group(sqrt(mean / _RATIO**power)))
            group.plans.append(one.plan_id)
            group.calls += one.calls
            group.full_calls[one.full_every] = group.full_calls.get(one.full_every, 0.0) + one.full_calls
    return [groups[key] for key in sorted(groups)]
