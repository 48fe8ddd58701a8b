"""How busy each plan of an app is, and what its runs cost: measured from its runs and the webhooks of its tenant.

A change that a run found was missing in the copy, so it counts whole. A webhook brings its change by itself; a run is
needed only because one may be lost, so it counts a tenth (`EVENT_SHARE`). A full run that found most of its records new
was a first reading or a repair, and says nothing about changes. Both are counted over `WINDOW`, so that every hour of
the day is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import ceil

from django.db import connection
from django.db.models import QuerySet

from integrations.sync import pace
from integrations.sync.choose import estimates
from integrations.sync.choose.allotment import Demand
from integrations.sync.models import Plan
from integrations.sync.resources import RESOURCES, Resource
from integrations.tenants.models import App, Location

WINDOW = timedelta(days=2)
EVENT_SHARE = 0.1
LATEST_EVENTS = 200_000  # of an app that are counted; where more came their rate is that of these
_DAY = timedelta(days=1)
_CHANGES = """
SELECT run.plan_id, sum(run.changed) FROM sync_run AS run JOIN sync_plan AS plan ON plan.id = run.plan_id
WHERE plan.app_id = %(app)s AND run.status = 'complete' AND run.finished_at > %(since)s
    AND (run.kind = 'incremental' OR run.changed * 2 <= run.seen)
GROUP BY run.plan_id
"""
_EVENTS = """
WITH latest AS (
    SELECT mailbox_id, type, received_at FROM webhooks_event
    WHERE app_id = %(app)s AND received_at > %(since)s ORDER BY received_at DESC LIMIT %(most)s
)
SELECT box.tenant, latest.type, count(*), (SELECT min(received_at) FROM latest), (SELECT count(*) FROM latest)
FROM latest JOIN webhooks_mailbox AS box ON box.id = latest.mailbox_id GROUP BY box.tenant, latest.type
"""


def demands(app: App, now: datetime) -> list[Demand]:
    """What each plan needs whose interval may adapt: it is enabled and no operator chose an interval for it.

    Plans that visit single records are not among them: they have calls of a day of their own.
    """
    changes, events = _changes(app, now), _with_companies(_events(app, now))
    usual = {name: one.mean for name, one in estimates.known(app.pk).items()}
    here = {name: resource.on(app.dialect_name) for name, resource in RESOURCES.items()}
    columns = ("pk", "location_id", "resource", "listed", "created_at")
    found = []
    for pk, location_id, name, listed, created_at in plans_of(app).order_by("pk").values_list(*columns):
        resource = here.get(name)
        if resource is None or (resource.below is not None and resource.below.by_change):
            continue
        days = min(WINDOW, max(now - created_at, _DAY)) / _DAY
        reported = events.get(location_id, {})
        rate = changes.get(pk, 0) / days + EVENT_SHARE * sum(reported.get(one, 0.0) for one in resource.events)
        rows = {**usual, name: listed if listed is not None else usual.get(name, 0)}
        found.append(_demand(pk, resource, rate, estimates.calls_of_listing(resource, rows)))
    return found


def plans_of(app: App) -> QuerySet[Plan]:
    """The plans whose interval may adapt. That of a variant is chosen, or the resource's."""
    return Plan.objects.filter(app=app, variant="", enabled=True, every=None)


def _demand(plan_id: int, resource: Resource, rate: float, listing: int) -> Demand:
    if resource.since is None:
        return Demand(plan_id, resource.name, rate, calls=listing)
    # In whole days, so that plans share a wait.
    days = ceil(pace.affordable(listing, pace.CALLS_A_DAY) / _DAY) * _DAY
    return Demand(plan_id, resource.name, rate, full_calls=listing, full_every=max(resource.full_every, days))


def _with_companies(events: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """With those of its locations for each company: most events about an agency's records name a location."""
    found = {tenant_id: dict(kinds) for tenant_id, kinds in events.items()}
    mine = Location.objects.filter(pk__in=events.keys(), company__isnull=False).values_list("pk", "company_id")
    for location_id, company_id in mine:
        all_of_it = found.setdefault(str(company_id), {})
        for kind, count in events[location_id].items():
            all_of_it[kind] = all_of_it.get(kind, 0.0) + count
    return found


def _changes(app: App, now: datetime) -> dict[int, int]:
    """Changes that runs found, by plan."""
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES, {"app": app.pk, "since": now - WINDOW})
        return dict(cursor.fetchall())


def _events(app: App, now: datetime) -> Mapping[str, Mapping[str, float]]:
    """Webhooks of a day, by location or company and type."""
    found: dict[str, dict[str, float]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_EVENTS, {"app": app.pk, "since": now - WINDOW, "most": LATEST_EVENTS})
        for tenant, kind, count, oldest, all_events in cursor.fetchall():
            span = WINDOW if all_events < LATEST_EVENTS else max(now - oldest, timedelta(minutes=1))
            found.setdefault(tenant.partition(":")[2], {})[kind] = count * (_DAY / span)
    return found
