"""The locations of a company as a table: each with its health, those in trouble first or by name, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page as TablePage
from django.core.paginator import Paginator
from django.db.models import Case, CharField, Exists, F, IntegerField, Min, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from integrations.console.tenant_page.tenant_health import Tone
from integrations.core.tenant import UserType
from integrations.sync.models import Plan, Run
from integrations.tenants.models import Installation, Location
from integrations.tokens.admin_pages.attention_filter import needs_attention
from integrations.tokens.models import Credential

PER_PAGE = 25
ORDERS = {"trouble": ("rank", "name", "id"), "name": ("name", "id"), "synced": ("synced", "name", "id")}
_WORDS = {
    "needs_reconnect": (Tone.BAD, "needs reconnect"),
    "expired": (Tone.BAD, "token expired"),
    "sync_failed": (Tone.BAD, "sync failed"),
    "suspended": (Tone.WARN, "suspended"),
    "pending": (Tone.WARN, "no token yet"),
    "paused": (Tone.WARN, "sync paused"),
    "uninstalled": (Tone.UNKNOWN, "uninstalled"),
    "none": (Tone.UNKNOWN, "not installed"),
    "healthy": (Tone.GOOD, "healthy"),
}


@dataclass(frozen=True, slots=True)
class LocationRow:
    """One line: the location, its health in a word, and when its least recent sync was."""

    location: Location
    tone: Tone
    words: str
    synced: datetime | None


@dataclass(frozen=True, slots=True)
class LocationTable:
    """One page of the table. `troubled` counts the locations that are neither healthy nor gone, on all pages."""

    rows: list[LocationRow]
    page: TablePage[Any]
    order: str
    troubled: int


def read(company_id: str, now: datetime, *, order: str, page: str) -> LocationTable:
    """The page of the table. An unknown order or page is the first one."""
    order = order if order in ORDERS else "trouble"
    found = _locations(company_id, now)
    ill = [name for name, (tone, _) in _WORDS.items() if tone in (Tone.BAD, Tone.WARN)]
    shown = Paginator(found.order_by(*ORDERS[order]), PER_PAGE).get_page(page)
    rows = [LocationRow(row, *_WORDS[row.health], synced=row.synced) for row in shown]
    return LocationTable(rows, shown, order, found.filter(health__in=ill).count())


def _locations(company_id: str, now: datetime) -> QuerySet[Any]:
    here = {"user_type": UserType.LOCATION, "resource_id": OuterRef("pk")}
    plans = Plan.objects.filter(location_id=OuterRef("pk"))
    installed = Installation.objects.filter(**here).order_by("-status_at")
    credentials = Credential.objects.filter(**here)
    needy = credentials.filter(needs_attention(now))
    newest = Run.objects.filter(plan=OuterRef("pk")).order_by("-pk").values("status")[:1]
    failing = plans.annotate(newest=Subquery(newest)).filter(newest=Run.Status.FAILED).values("pk")[:1]
    worst = Subquery(needy.annotate(rank=_need_rank()).order_by("rank").values("state")[:1])
    rows = Location.objects.filter(company=company_id).annotate(
        standing=Subquery(installed.values("status")[:1]),
        need=worst,
        synced=Subquery(plans.order_by().values("location_id").annotate(at=Min("synced_at")).values("at")),
        # No EXISTS: PostgreSQL would look at the runs of all locations to answer it.
        failing=Subquery(failing),
        paused=Exists(plans.filter(enabled=False, is_left_out=False)),
    )
    health = Case(
        When(standing=None, then=Value("none")),
        When(standing=Installation.Status.UNINSTALLED, then=Value("uninstalled")),
        When(need=Credential.State.ACTIVE, then=Value("expired")),
        When(need__isnull=False, then=F("need")),
        When(standing=Installation.Status.PENDING, then=Value("pending")),
        When(failing__isnull=False, then=Value("sync_failed")),
        When(Q(paused=True), then=Value("paused")),
        default=Value("healthy"),
        output_field=CharField(),
    )
    ranks = [When(health=name, then=Value(place)) for place, name in enumerate(_WORDS)]
    return rows.annotate(health=health).annotate(rank=Coalesce(Case(*ranks, output_field=IntegerField()), len(_WORDS)))


def _need_rank() -> Case:
    """The worst of several credentials of one location."""
    order = (Credential.State.NEEDS_RECONNECT, Credential.State.ACTIVE, Credential.State.SUSPENDED)
    ranks = [When(state=state, then=Value(place)) for place, state in enumerate(order)]
    return Case(*ranks, output_field=IntegerField())
