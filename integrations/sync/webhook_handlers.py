"""Handlers of data webhooks: apply changes between two runs to the synced copy, in the order of the tenant's mailbox.

An event is no proof of the present state: it is partial (fields without a value are left out) and may come twice, late
or never. So it is dated evidence among other evidence (`evidence`), and the next run corrects what it got wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import Exists, OuterRef, QuerySet

from integrations.core import clock
from integrations.core.runs.querysets import PlanQuerySet
from integrations.sync import records
from integrations.sync.models import Plan, Record
from integrations.sync.records import Placed
from integrations.sync.resources import RESOURCES
from integrations.sync.rows import SKEW
from integrations.tenants.models import Location
from integrations.webhooks import handlers
from integrations.webhooks.models import Event


def register() -> None:
    """Register `apply` as the handler of every event type that a resource names. Called once, by `AppConfig.ready`."""
    for event_type in sorted(set().union(*(resource.events for resource in RESOURCES.values()))):
        handlers.on(event_type, apply, batch=apply_all)


def apply(event: Event) -> None:
    """Apply one event. Events of a location without a plan for the resource change nothing."""
    apply_all([event])


def apply_all(events: Sequence[Event]) -> None:
    """Apply the events of one mailbox, in their order."""
    records.apply_planned([placed for event in events for placed in _changes(event)])


def _changes(event: Event) -> Iterator[Placed]:
    resource = next((found for found in RESOURCES.values() if event.type in found.events), None)
    if resource is None:
        return
    latest = clock.now() + SKEW  # a date in the future would reject every later change
    change = resource.change(event.type, event.payload, event.occurred_at, latest)
    if change is None:
        return
    for location_id in _locations(event, resource.name, change.record_id):
        yield Placed(event.app_id, location_id, resource.name, change)


def _locations(event: Event, resource: str, record_id: str) -> list[str]:
    """The locations that the event is about. One that it names may have no plan.

    An agency's event about a user names no `locationId`. It lists its locations, or is about all of them.
    """
    named = event.payload.get("locationId"), event.payload.get("locations"), event.payload.get("companyId")
    match named:
        case (str() as location_id, _, _):
            return [location_id]
        case (None, list() as locations, _):
            plans = _plans(event, resource).filter(location_id__in=[one for one in locations if isinstance(one, str)])
        case (None, None, str() as company_id):
            there = _plans(event, resource).filter(location_id__in=_of_company(company_id))
            plans = _having_record(there, record_id)
        case _:
            return []
    return sorted(plans.values_list("location_id", flat=True))


def _plans(event: Event, resource: str) -> PlanQuerySet[Plan]:
    return Plan.objects.filter(app=event.app_id, resource=resource, enabled=True)


def _of_company(company_id: str) -> QuerySet[Location, str]:
    return Location.objects.filter(company=company_id).values_list("id", flat=True)


def _having_record(plans: PlanQuerySet[Plan], record_id: str) -> PlanQuerySet[Plan]:
    """Plans with this record: an event that names no location says of none that the record is new there."""
    mine = Record.objects.filter(
        app=OuterRef("app"),
        location_id=OuterRef("location_id"),
        resource=OuterRef("resource"),
        record_id=record_id,
    )
    return plans.filter(Exists(mine))
