"""Handlers of data webhooks: apply changes between two runs to the synced copy, in the order of the tenant's mailbox.

An event is no proof of the present state: it is partial (fields without a value are left out) and may come twice, late
or never. So its fields are merged into the stored record, guarded by its date, and the next run corrects what it got
wrong.
"""

from __future__ import annotations

from integrations.core import clock
from integrations.sync import records
from integrations.sync.models import Plan
from integrations.sync.resources import RESOURCES
from integrations.sync.rows import SKEW
from integrations.webhooks import handlers
from integrations.webhooks.models import Event


def register() -> None:
    """Register `apply` as the handler of every event type that a resource names. Called once, by `AppConfig.ready`."""
    for event_type in sorted(set().union(*(resource.events for resource in RESOURCES.values()))):
        handlers.on(event_type, apply)


def apply(event: Event) -> None:
    """Apply one event. Events of a location without a plan for the resource change nothing."""
    location_id = event.payload.get("locationId")
    resource = next((found for found in RESOURCES.values() if event.type in found.events), None)
    if resource is None or not isinstance(location_id, str):
        return
    latest = clock.now() + SKEW  # a date in the future would reject every later change
    change = resource.change(event.type, event.payload, event.occurred_at, latest)
    if change is None or not _is_kept(event.app_id, location_id, resource.name):
        return
    act = records.remove if change.deleted else records.patch
    act(event.app_id, location_id, resource.name, change)


def _is_kept(app_id: int, location_id: str, resource: str) -> bool:
    return Plan.objects.filter(app=app_id, location_id=location_id, resource=resource, enabled=True).exists()
