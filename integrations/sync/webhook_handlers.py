"""Handlers of data webhooks: apply changes between two runs to the synced copy, in the order of the tenant's mailbox.

An event is no proof of the present state: it is partial (fields without a value are left out) and may come twice, late
or never. So it is dated evidence among other evidence (`evidence`), and the next run corrects what it got wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from integrations.core import clock
from integrations.core.runs.querysets import PlanQuerySet
from integrations.core.tenant import UserType
from integrations.sync import pace, records
from integrations.sync.changes.change_origin import Origin, Source
from integrations.sync.models import Plan, Record
from integrations.sync.records import Placed
from integrations.sync.resources import RESOURCES, Change, Resource
from integrations.sync.rows import SKEW
from integrations.sync.signed import plan_macs
from integrations.tenants.models import Location
from integrations.webhooks import handlers
from integrations.webhooks.models import Event


def register() -> None:
    """Register `apply` as the handler of every event type that a resource names. Called once, by `AppConfig.ready`."""
    for event_type in sorted(set().union(*(one.events | one.recheck for one in RESOURCES.values()))):
        handlers.on(event_type, apply, batch=apply_all)


def apply(event: Event) -> None:
    """Apply one event. Events of a tenant without a plan for the resource change nothing."""
    apply_all([event])


def apply_all(events: Sequence[Event]) -> None:
    """Apply the events of one mailbox, in their order."""
    records.apply_planned([placed for event in events for placed in _changes(event)])
    _recheck(events)


def _changes(event: Event) -> Iterator[Placed]:
    """The change of each resource that the event is about: of a location's, and of its company's."""
    latest = clock.now() + SKEW  # a date in the future would reject every later change
    origin = Origin(Source.EVENT.value, event.webhook_id, event.type)
    for resource in RESOURCES.values():
        if not resource.is_changed_by(event.type):
            continue
        change = resource.change(event.type, event.payload, event.occurred_at, latest)
        if change is None:
            continue
        for tenant_id in _tenants(event, resource, change):
            yield Placed(event.app_id, tenant_id, resource.name, change, origin)


def _tenants(event: Event, resource: Resource, change: Change) -> list[str]:
    """The locations or companies whose record the event changes.

    A deletion that names a location says nothing of the company: a user of its other locations is still there.
    """
    if resource.level is UserType.LOCATION:
        return _locations(event, resource.name, change.record_id)
    if change.kind is Change.Kind.DELETED and _location(event.payload) is not None:
        return []
    company_id = _company(event.payload)
    return [] if company_id is None else [company_id]


def _recheck(events: Sequence[Event]) -> None:
    """Let plans come due soon whose records changed in a way that the events do not say."""
    soon = clock.now() + pace.RECHECK_AFTER
    for resource in RESOURCES.values():
        about = _location if resource.level is UserType.LOCATION else _company
        changed = {about(event.payload) for event in events if event.type in resource.recheck}
        if changed:
            plans = _plans(events[0], resource.name).filter(location_id__in=changed - {None}, due_at__gt=soon)
            plan_macs.write(plans, due_at=soon)


def _location(payload: Mapping[str, Any]) -> Any:
    """The location that an event names: events about payments name an account by id and type."""
    return payload.get("locationId") or (payload.get("altId") if payload.get("altType") == "location" else None)


def _company(payload: Mapping[str, Any]) -> str | None:
    """The company that an event names, or that of the location which it names."""
    company_id, location_id = payload.get("companyId"), _location(payload)
    if isinstance(company_id, str) and company_id:
        return company_id
    if not isinstance(location_id, str):
        return None
    return Location.objects.filter(pk=location_id).values_list("company_id", flat=True).first()


def _locations(event: Event, resource: str, record_id: str) -> list[str]:
    """The locations that the event is about. One that it names may have no plan.

    An agency's event about a user names no `locationId`. It lists its locations, or is about all of them.
    """
    named = _location(event.payload), event.payload.get("locations"), event.payload.get("companyId")
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
    return sorted(plans.values_list("location_id", flat=True).distinct())


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
