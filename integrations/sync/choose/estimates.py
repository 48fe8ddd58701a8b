"""What a resource costs before it runs: calls of a listing, calls and share of a day, time to finish.

The pages of a listing follow from its rows: those that the vendor counts, that the last listing had or that the copy
has. Where they are unknown the estimate is a lower bound, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from django.db.models import Count, Max, Sum

from integrations.sync import pace
from integrations.sync.models import Plan, Record
from integrations.sync.resources import RESOURCES, Resource
from integrations.sync.resources.base import PAGE_SIZE

CALLS_A_SECOND = 10.0
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Estimate:
    """`calls` of one listing, `calls_a_day` with all its repetitions. `share` is that part of the vendor's day.

    `seconds` is the least time of one listing at the vendor's pace. `is_bound`: the number of rows is not known, and
    the real numbers may be higher. `rows` of one listing; None where they are not known.
    """

    calls: int
    calls_a_day: int
    share: float
    seconds: float
    is_bound: bool
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the listings of an app's tenants had of one resource.

    `tenants` whose listing was read to its end, `rows` of all of them together, and of the `largest` one.
    """

    tenants: int = 0
    rows: int = 0
    largest: int = 0

    @property
    def mean(self) -> int:
        """Rows of a tenant, rounded up."""
        return ceil(self.rows / self.tenants) if self.tenants else 0


def of(
    app_id: int,
    tenant_id: str,
    api_name: str,
    totals: Mapping[str, int] | None = None,
    every: Mapping[str, timedelta] | None = None,
    calls: Mapping[str, int] | None = None,
) -> dict[str, Estimate]:
    """The estimate of each resource that this API lists, at one location or company.

    `totals` are the vendor's counts, for those that are known; `every` the intervals that are not the resource's own,
    and `calls` the chosen calls of a day.
    """
    rows = Record.objects.filter(app=app_id, location_id=tenant_id, deleted_at=None)
    counts = dict(rows.values_list("resource").annotate(Count("pk")).order_by())
    listed = Plan.objects.filter(app=app_id, location_id=tenant_id, variant="", listed__isnull=False)
    known = {name: number or 0 for name, number in listed.values_list("resource", "listed")}
    return of_counts(api_name, {**known, **counts, **(totals or {})}, every or {}, calls)


def of_counts(
    api_name: str, counts: Mapping[str, int], every: Mapping[str, timedelta], calls: Mapping[str, int] | None = None
) -> dict[str, Estimate]:
    """The estimate of each resource that this API lists, from its number of rows where that is known."""
    here = {name: resource.on(api_name) for name, resource in RESOURCES.items()}
    most = dict.fromkeys(here, pace.VISIT_CALLS_A_DAY) | dict(calls or {})
    return {
        name: _estimate(_here(resource, every), counts, most[name], is_chosen=name in every)
        for name, resource in here.items()
        if resource is not None
    }


def known(app_id: int) -> dict[str, Known]:
    """What is known of each resource from all tenants of the app: one statement, whatever their number."""
    rows = Plan.objects.filter(app=app_id, variant="", listed__isnull=False).values_list("resource")
    found = rows.annotate(Count("pk"), Sum("listed"), Max("listed")).order_by()
    return {name: Known(tenants, total or 0, largest or 0) for name, tenants, total, largest in found}


def calls_of_listing(resource: Resource, counts: Mapping[str, int]) -> int:
    """The calls of one full listing, with so many rows of each resource."""
    return _listing(resource, counts)[0]


def _here(resource: Resource, every: Mapping[str, timedelta]) -> Resource:
    return resource.at_intervals_of(every[resource.name]) if resource.name in every else resource


def _estimate(resource: Resource, counts: Mapping[str, int], most: int, *, is_chosen: bool) -> Estimate:
    """`most` are the calls of a day below single records. `is_chosen`: the interval is not the resource's own."""
    calls, is_known = _listing(resource, counts)
    rows = counts.get(resource.name)
    if resource.is_visited:
        a_day = min(calls, max(1, most))
        seconds = calls / a_day * _DAY.total_seconds() if calls > a_day else calls / CALLS_A_SECOND
        return Estimate(calls, a_day, a_day / pace.CALLS_A_DAY, seconds, not is_known, rows)
    affordable = pace.affordable(calls, pace.CALLS_A_DAY)
    if resource.since is not None:
        wait = max(resource.full_every, affordable)
    else:
        wait = resource.every if is_chosen else max(resource.every, affordable)
    a_day = ceil(calls * (_DAY / wait))
    if resource.since is not None:
        a_day += ceil(_DAY / resource.every)
    return Estimate(calls, a_day, a_day / pace.CALLS_A_DAY, calls / CALLS_A_SECOND, not is_known, rows)


def _listing(resource: Resource, counts: Mapping[str, int]) -> tuple[int, bool]:
    """The calls of one listing, and whether the numbers behind it are known."""
    rows, below, style = counts.get(resource.name), resource.below, resource.style
    size = min(PAGE_SIZE, style.most) if style else 0
    pages = max(1, ceil((rows or 0) / size)) if size else 1
    parts = max(1, len(resource.parts(pace.SOME_DAY)))
    if below is None:
        return pages * parts, rows is not None or not size
    parents = counts.get(below.resource.name)
    above, is_known = (0, True) if below.by_change else _listing(below.resource, counts)
    return above + max(parents or 0, 1) * parts + pages - 1, is_known and parents is not None
