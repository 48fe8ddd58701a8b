"""Webhook events that start jobs.

The handler runs in the transaction of the event and only writes a trigger. The job reads the events later, in order,
and may use the network then.
"""

from __future__ import annotations

from integrations.core import clock
from integrations.jobs import installed
from integrations.jobs.define import JOBS, Job
from integrations.jobs.models import Schedule, Trigger
from integrations.tenants.models import UserType
from integrations.webhooks import handlers
from integrations.webhooks.models import Event

_IDS = {UserType.LOCATION: "locationId", UserType.COMPANY: "companyId"}


def register() -> None:
    """Register `note` as the handler of every event type that a job names. Called once, after all jobs are defined."""
    for event_type in sorted({event_type for job in JOBS.values() for event_type in job.events}):
        handlers.on(event_type, note)


def note(event: Event) -> None:
    """Write a trigger for each job that waits for this event. It starts nothing for a tenant without installation."""
    for job in JOBS.values():
        if event.type in job.events:
            _trigger(job, event)


def _trigger(job: Job, event: Event) -> None:
    tenant_id = event.payload.get(_IDS[job.level])
    if not isinstance(tenant_id, str):
        return
    tenant = installed.tenants(job.level, app=event.app, tenant_id=tenant_id).first()
    if tenant is None:
        return
    now = clock.now()
    Schedule.objects.bulk_create(
        [Schedule(app=event.app, job=job.name, level=job.level, tenant_id=tenant_id, created_at=now)],
        ignore_conflicts=True,
    )
    # Under the lock of the schedule, so that a run that is ending either sees the event or finds the due time set here.
    mine = Schedule.objects.select_for_update().filter(app=event.app, job=job.name, level=job.level)
    schedule = mine.get(tenant_id=tenant_id)
    if not schedule.enabled:
        return
    Trigger.objects.bulk_create([Trigger(schedule=schedule, event=event)], ignore_conflicts=True)
    Schedule.objects.filter(pk=schedule.pk).update(due_at=now)
