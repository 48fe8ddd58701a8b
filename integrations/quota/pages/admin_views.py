"""Context of the quota pages in the admin: the overview of all resources, and one resource over the day.

The present state comes from Redis; the day and the parked tasks come from PostgreSQL. They are read apart: while Redis
is unavailable the page still shows the second part, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString

from integrations.core.ages import relative
from integrations.core.errors import StoreUnavailable
from integrations.core.models import LeaderLease
from integrations.core.pages import plots, tenant_links
from integrations.core.pages.plots import Plot, Scale, Series, Size
from integrations.quota import usage
from integrations.quota.models import Parked
from integrations.quota.pages import outlook, spending
from integrations.quota.pages.outlook import Day
from integrations.quota.pages.spending import QuotaResource, Share
from integrations.quota.parking.parked_task_sender import LEASE_NAME
from integrations.quota.permits import queries
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.queries import Snapshot

_SMALL_BINS = 6  # buckets that one column of the small plots has: fifty rows of them have to fit on a page
_PACE = 6  # buckets by which bulk work's pace is judged
_PLOT = "Calls in the last 24 hours"


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """One resource on a page.

    `name` is its id where the name is not known; `tenant` links to its page. `now` is its present state, None while
    Redis is unavailable.
    """

    resource: QuotaResource
    name: str
    tenant: SafeString | str
    now: Snapshot | None
    plot: Plot
    oldest: str

    @property
    def used(self) -> int:
        """Slots of the burst window that are not free."""
        return max(0, self.now.limit - self.now.free) if self.now else 0

    @property
    def spent(self) -> int | None:
        """Calls of the vendor's day, as its headers count them."""
        if self.now is None or self.now.day_limit is None or self.now.day_remaining is None:
            return None
        return self.now.day_limit - self.now.day_remaining

    @property
    def seconds(self) -> str:
        """The length of the burst window in seconds."""
        return f"{self.now.interval_ms / 1000:g}" if self.now else ""

    @property
    def day_is_short(self) -> bool:
        """Whether less than a tenth of the day budget is left."""
        return bool(self.now and self.now.day_limit and self.spent and self.spent > 0.9 * self.now.day_limit)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure at the top of the overview."""

    title: str
    value: str
    note: str
    icon: str
    tone: str = "good"


def overview(now: datetime, search: str) -> dict[str, Any]:
    """The page of all resources that were used or have parked tasks, with the health of permits and of parking."""
    found = spending.resources(now, search=search, each=_SMALL_BINS)
    rows = _rows(found, now, plots.SMALL)
    shares = spending.shares(now)
    return {
        "cards": [_store_card(), _dispatcher_card(now), *_work_cards(shares, now)],
        "rows": rows,
        "most": spending.MOST,
        "shares": shares,
    }


def one(key: str, now: datetime) -> dict[str, Any]:
    """One resource over the day."""
    (resource,) = spending.resources(now, key=key)
    parked = Parked.objects.filter(key=key).order_by("state", "place_at", "id")[:10]
    tasks = [(task, relative(task.parked_at, now)) for task in parked]
    (row,) = _rows([resource], now, plots.WIDE)
    return {
        "title": row.name,
        "row": row,
        "day": _day(resource, now),
        "shares": spending.shares(now, key=key),
        "parked": tasks,
    }


def _rows(resources: Sequence[QuotaResource], now: datetime, size: Size) -> list[ResourceRow]:
    tenants, known = tenant_links.known(resource.id for resource in resources), _snapshots(resources)
    starts = spending.buckets(now, _SMALL_BINS if size == plots.SMALL else 1)
    return [
        ResourceRow(
            resource,
            tenants[resource.id].title if resource.id in tenants else resource.id,
            tenant_links.link_by_id(resource.id, tenants),
            known.get(resource.key),
            plots.columns(
                _PLOT, starts, _by_lane(resource), size=size, scale=_scale(resource, known.get(resource.key), size)
            ),
            relative(resource.oldest, now),
        )
        for resource in resources
    ]


def _scale(resource: QuotaResource, now: Snapshot | None, size: Size) -> Scale:
    """Calls of a bucket, and the most that the burst window lets through in it. The columns of the large plot lead to
    the failed and slow ones of these calls.
    """
    link = _calls(resource) if size == plots.WIDE else None
    if now is None or not now.interval_ms:
        return Scale("calls", link=link)
    return Scale("calls", ceiling=now.limit * usage.BUCKET.total_seconds() * 1000 / now.interval_ms, link=link)


def _calls(resource: QuotaResource) -> Callable[[datetime, datetime, str], str]:
    """The address of the calls that a part of a column counts, of one lane and five minutes."""
    page = reverse("admin:gateway_call_changelist")

    def link(start: datetime, end: datetime, lane: str) -> str:
        wanted = {"resource_id": resource.id, "lane": lane}
        return f"{page}?" + urlencode({**wanted, "at__gte": start.isoformat(), "at__lt": end.isoformat()})

    return link


def _by_lane(resource: QuotaResource) -> list[Series]:
    """The lanes from the bottom up: bulk, events, interactive. Each has its own colour in `quota.css`."""
    return [Series(lane.value, resource.series[lane], lane.value) for lane in reversed(Lane)]


def _day(resource: QuotaResource, now: datetime) -> tuple[Day, str] | None:
    """The day budget with what is kept, and how far bulk work gets at the pace of the last half hour."""
    try:
        day = outlook.day(resource.key, now)
    except StoreUnavailable:
        return None
    if day is None:
        return None
    pace = sum(resource.series[Lane.BULK][-1 - _PACE :]) / (_PACE * usage.BUCKET.total_seconds())
    waiting = Parked.objects.filter(key=resource.key, state=Parked.State.WAITING, lane=Lane.BULK.value).count()
    return day, outlook.bulk(day, now, pace=pace, waiting=waiting)


def _snapshots(resources: Sequence[QuotaResource]) -> dict[str, Snapshot]:
    """The present state by key. Stops at the first failure of Redis, because each may take seconds."""
    found: dict[str, Snapshot] = {}
    with suppress(StoreUnavailable):
        for resource in resources:
            found[resource.key] = queries.snapshot(resource.app, resource.id)
    return found


def _store_card() -> Figure:
    try:
        return Figure("Permits", "up", queries.health(), "database")
    except StoreUnavailable as error:
        return Figure("Permits", "unavailable", f"{error}: calls wait", "database", "bad")


def _dispatcher_card(now: datetime) -> Figure:
    lease = LeaderLease.objects.filter(name=LEASE_NAME).first()
    if lease is None or lease.until < now:
        reason = f"the last one was seen {relative(lease.until, now)}" if lease else "no worker has run yet"
        return Figure(
            "Parked tasks to workers", "stopped", f"they wait for a worker process: {reason}", "pan_tool", "bad"
        )
    process = lease.owner.rpartition(":")[0].replace(":", ", process ")
    if lease.trouble:
        return Figure("Parked tasks to workers", "stuck", lease.trouble, "pan_tool", "bad")
    note = f"by {process}: {lease.sent:,} sent, {lease.unstarted:,} not begun"
    return Figure("Parked tasks to workers", "running", note, "pan_tool")


def _work_cards(shares: Sequence[Share], now: datetime) -> list[Figure]:
    count, oldest = spending.waiting()
    return [
        Figure(
            "Parked tasks",
            f"{count:,}",
            f"the first was parked {relative(oldest, now)}" if count else "none waits",
            "hourglass",
        ),
        Figure("Calls in a day", f"{sum(share.calls for share in shares):,}", "of all resources", "call_made"),
    ]


def parked_link(key: str) -> str:
    """URL of the list of one resource's parked tasks."""
    return reverse("admin:quota_parked_changelist") + f"?q={key}"
