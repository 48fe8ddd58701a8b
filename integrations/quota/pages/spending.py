"""Queries for the quota pages: calls by resource, lane and job over a day, and the parked tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, DateTimeField, ExpressionWrapper, F, Func, Min, Q, Sum, Value

from integrations.core.pages import tenant_links
from integrations.quota import usage
from integrations.quota.models import Parked, Usage
from integrations.quota.permits.lanes import Lane

DAY = timedelta(days=1)
MOST = 25  # resources of either kind on one page: with parked tasks, and with calls


@dataclass(frozen=True, slots=True)
class QuotaResource:
    """Calls of one resource in a day, and its parked tasks. `series` are the calls in each bucket, by lane."""

    key: str
    calls: int
    parked: int
    oldest: datetime | None
    series: dict[Lane, list[int]]

    @property
    def app(self) -> str:
        """The client id of the app, or the name of a quota that apps share."""
        return self.key.partition(":")[0]

    @property
    def id(self) -> str:
        """The id of the location or company."""
        return self.key.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Share:
    """Calls of one job in one lane, and their part of the whole, 0 to 1."""

    job: str
    lane: str
    calls: int
    part: float


def buckets(now: datetime, each: int = 1) -> list[datetime]:
    """The starts of the buckets of the last day, `each` so many as one. The current bucket is in the last."""
    last, count = usage.bucket(now), DAY // usage.BUCKET
    return [last - usage.BUCKET * back for back in reversed(range(count))][::each]


def _first(now: datetime) -> datetime:
    """The start of the first bucket. Figures count from here, as the plots do, so that both agree."""
    return buckets(now)[0]


def resources(now: datetime, *, key: str = "", search: str = "", each: int = 1) -> list[QuotaResource]:
    """Resources with parked tasks, most tasks first, then those with calls, most calls first; with `key`, at least that
    one. `each` so many buckets of their series are added up to one.
    """
    of = Q(key=key) if key else _found_by(search)
    spent = dict(
        Usage.objects.filter(of, bucket_at__gte=_first(now))
        .values_list("key")
        .annotate(total=Sum("calls"))
        .order_by("-total")[:MOST]
    )
    waiting = {
        row["key"]: (row["count"], row["oldest"])
        for row in Parked.objects.filter(of, state=Parked.State.WAITING)
        .values("key")
        .annotate(count=Count("id"), oldest=Min("parked_at"))
        .order_by("-count")[:MOST]
    }
    keys = list(dict.fromkeys([*waiting, *spent, *([key] if key else [])]))
    series = _series(keys, now, each)
    return [QuotaResource(name, spent.get(name, 0), *waiting.get(name, (0, None)), series[name]) for name in keys]


def _found_by(search: str) -> Q:
    """Condition that matches the search text with an id or with the name of a tenant."""
    if not search:
        return Q()
    of = Q(key__icontains=search)
    for resource_id in tenant_links.search(search)[:MOST]:
        of |= Q(key__endswith=f":{resource_id}")
    return of


def shares(now: datetime, *, key: str = "") -> list[Share]:
    """A day's calls by job and lane, of one resource or of all."""
    rows = Usage.objects.filter(bucket_at__gte=_first(now), **({"key": key} if key else {}))
    found = list(rows.values_list("job", "lane").annotate(total=Sum("calls")).order_by("-total"))
    whole = sum(total for _, _, total in found)
    return [Share(job, lane, total, total / whole) for job, lane, total in found]


def resources_waiting(limit: int) -> list[str]:
    """The resources with waiting tasks, most tasks first."""
    waiting = Parked.objects.filter(state=Parked.State.WAITING).values_list("key")
    return [key for key, _ in waiting.annotate(count=Count("id")).order_by("-count", "key")[:limit]]


def busiest_now(limit: int, now: datetime) -> list[str]:
    """The resources with the most calls in the last two buckets."""
    recent = Usage.objects.filter(bucket_at__gte=usage.bucket(now) - usage.BUCKET).values_list("key")
    return [key for key, _ in recent.annotate(total=Sum("calls")).order_by("-total", "key")[:limit]]


def waiting() -> tuple[int, datetime | None]:
    """How many tasks wait, and since when the first one does."""
    found = Parked.objects.filter(state=Parked.State.WAITING).aggregate(count=Count("id"), oldest=Min("parked_at"))
    return found["count"], found["oldest"]


def _series(keys: list[str], now: datetime, each: int) -> dict[str, dict[Lane, list[int]]]:
    starts = buckets(now, each)
    positions = {at: index for index, at in enumerate(starts)}
    series = {key: {lane: [0] * len(positions) for lane in Lane} for key in keys}
    rows = Usage.objects.filter(key__in=keys, bucket_at__gte=starts[0], bucket_at__lte=usage.bucket(now))
    start = Func(Value(each * usage.BUCKET), F("bucket_at"), Value(starts[0]), function="date_bin")
    binned = rows.annotate(start=ExpressionWrapper(start, output_field=DateTimeField()))
    for key, lane, at, calls in binned.values_list("key", "lane", "start").annotate(total=Sum("calls")):
        series[key][Lane(lane)][positions[at]] = calls
    return series
