"""Read-only queries on the sync for pages, commands, metrics and the demo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from integrations.core.runs.querysets import PlanQuerySet
from integrations.gateway.support.refused_call import RefusedCall, of_row
from integrations.sync.models import Plan, Record, Run
from integrations.sync.sealed_fields import FieldOpener
from integrations.tenants.models import App

MOST_PLANS = 2_000
_WITH_ID = """
SELECT record.* FROM (SELECT DISTINCT app_id, location_id, resource FROM sync_plan) plan
  JOIN sync_record record ON record.app_id = plan.app_id
  AND record.location_id = plan.location_id AND record.resource = plan.resource AND record.record_id = %(id)s
LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """A plan and its latest run; the fields of the run are empty while there is none."""

    plan_id: int
    location_id: str
    resource: str
    variant: str
    enabled: bool
    due_at: datetime | None
    synced_at: datetime | None
    run_id: int | None
    kind: str
    status: str
    seen: int
    total: int | None
    deleted: int
    error_code: str
    error: str
    trace_id: str
    vendor_answer: dict[str, Any] | None

    @property
    def title(self) -> str:
        """The resource for people, with the variant if it is one."""
        return self.resource.replace("_", " ") + (f" ({self.variant})" if self.variant else "")


@dataclass(frozen=True, slots=True)
class Totals:
    """One resource over all locations of an app. `oldest_sync` bounds its staleness; None: a plan was never synced."""

    resource: str
    records: int
    plans: int
    synced: int
    running: int
    failed: int
    oldest_sync: datetime | None


@dataclass(frozen=True, slots=True)
class Lag:
    """Staleness of one resource: how many plans were never synced, and the oldest sync of the others."""

    resource: str
    never: int
    oldest_sync: datetime | None


def records(app: App, location_id: str, resource: str) -> QuerySet[Record]:
    """The records of a location or company that are not deleted. `payload` is the vendor's object.

    Fields that `SEALED_FIELDS` names are encrypted in it: `opened` gives them.
    """
    return Record.objects.filter(app=app, location_id=location_id, resource=resource, deleted_at=None)


def time_zone(app_id: int, location_id: str) -> str:
    """The IANA name of the location's time zone, from its synced record; empty while that is missing."""
    of_location = Record.objects.filter(app_id=app_id, location_id=location_id, resource="locations", deleted_at=None)
    name = of_location.values_list("payload__timezone", flat=True).first()
    return name if isinstance(name, str) else ""


def opened(records: Iterable[Record]) -> Iterator[tuple[Record, dict[str, Any]]]:
    """Each record with the vendor's object, all fields open. Raises SealBroken when one does not open."""
    opener = FieldOpener()
    for record in records:
        yield record, opener.payload(record)


def matching(records: QuerySet[Record], whole_id: str) -> QuerySet[Record]:
    """Records of this location, or with this record id.

    The query goes by the plans: the index on records begins with the three columns of a plan, and a search by id alone
    would read every record.
    """
    plans = Plan.objects.filter(app=OuterRef("app"), location_id=OuterRef("location_id"), resource=OuterRef("resource"))
    column = "location_id" if Plan.objects.filter(location_id=whole_id).exists() else "record_id"
    return records.filter(Exists(plans), **{column: whole_id})


def with_id(record_id: str, limit: int) -> list[Record]:
    """Records with this id, of any location: by the unique index, which begins with the columns of a plan.

    None where there are more than `MOST_PLANS` plans to ask for.
    """
    if Plan.objects.order_by()[: MOST_PLANS + 1].count() > MOST_PLANS:
        return []
    return list(Record.objects.raw(_WITH_ID, {"id": record_id, "limit": limit}))


def progress(plans: PlanQuerySet[Plan]) -> list[Progress]:
    """Each plan with its latest run, by location, resource and variant; two queries whatever their number."""
    found = list(plans.order_by("location_id", "resource", "variant"))
    latest = plans.latest_runs()
    return [_progress(plan, latest.get(plan.pk)) for plan in found]


def totals(app: App) -> list[Totals]:
    """Counts per resource, for bars and tables."""
    kept = Record.objects.filter(app=app, deleted_at=None).values_list("resource").annotate(Count("pk"))
    counts: dict[str, int] = dict(kept.order_by())
    by_resource: dict[str, list[Progress]] = {}
    for entry in progress(Plan.objects.filter(app=app)):
        by_resource.setdefault(entry.resource, []).append(entry)
    return [_totals(name, entries, counts.get(name, 0)) for name, entries in sorted(by_resource.items())]


def lags() -> list[Lag]:
    """The staleness of each resource, over the enabled plans of all apps."""
    rows = Plan.objects.filter(enabled=True).values_list("resource").order_by("resource")
    counted = rows.annotate(never=Count("pk", filter=Q(synced_at=None)), oldest=Min("synced_at"))
    return [Lag(resource, never, oldest) for resource, never, oldest in counted]


def _progress(plan: Plan, run: Run | None) -> Progress:
    return Progress(
        plan_id=plan.pk,
        location_id=plan.location_id,
        resource=plan.resource,
        variant=plan.variant,
        enabled=plan.enabled,
        due_at=plan.due_at,
        synced_at=plan.synced_at,
        run_id=run.pk if run else None,
        kind=run.kind if run else "",
        status=run.status if run else "",
        seen=run.seen if run else 0,
        total=run.total if run else None,
        deleted=run.deleted if run else 0,
        error_code=run.error_code if run else "",
        error=run.error if run else "",
        trace_id=run.trace_id if run else "",
        vendor_answer=run.vendor_answer if run else None,
    )


def _totals(name: str, entries: list[Progress], count: int) -> Totals:
    synced = [entry.synced_at for entry in entries if entry.synced_at is not None]
    return Totals(
        resource=name,
        records=count,
        plans=len(entries),
        synced=len(synced),
        running=sum(entry.status == Run.Status.RUNNING for entry in entries),
        failed=sum(entry.status == Run.Status.FAILED for entry in entries),
        oldest_sync=min(synced) if len(synced) == len(entries) else None,
    )


def refused_call(run: Run) -> RefusedCall:
    """The call that failed the run, for the vendor's support. The run needs its plan and app."""
    plan = run.plan
    return of_row(run, app=plan.app, tenant=plan.tenant, at=run.finished_at, source=f"sync of {plan.title}")
