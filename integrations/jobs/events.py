"""Events that start jobs (webhooks and changes of installations), and those over which a job failed: set aside.

The handler, or the lifecycle hook, runs in the transaction of the event and only writes a trigger. The job reads the
events later, in order, and may use the network then.
"""

from __future__ import annotations

from django.db import transaction

from integrations.core import clock
from integrations.core.tenant import UserType
from integrations.jobs import installed, macs
from integrations.jobs.define import JOBS, Job
from integrations.jobs.models import Schedule, Trigger, TriggerQuerySet
from integrations.tenants import lifecycle_hooks
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App
from integrations.webhooks import handlers, module_deliveries
from integrations.webhooks.models import Event

_IDS = {UserType.LOCATION: "locationId", UserType.COMPANY: "companyId"}


def register() -> None:
    """Register `note` for every event type that a job names. Called once, after all jobs are defined."""
    for event_type in sorted({event_type for job in JOBS.values() for event_type in job.events}):
        if event_type in InstallationChange.What.values:
            lifecycle_hooks.on(event_type)(note_change)
        else:
            handlers.on(event_type, note)


def note(event: Event) -> None:
    """Write a trigger for each job that waits for this event. It starts nothing for a tenant without installation."""
    names = {event.type, module_deliveries.kind_of(event.type)}
    for job in JOBS.values():
        tenant_id = _tenant_id(event, job.level)
        if not names.isdisjoint(job.events) and tenant_id:
            _trigger(job, event.app, tenant_id, event=event)


def note_change(change: InstallationChange) -> None:
    """Lifecycle hook: write a trigger for each job that waits for this change of its tenant."""
    row = change.installation
    for job in JOBS.values():
        if change.what in job.events and job.level == row.user_type:
            _trigger(job, row.app, row.resource_id, change=change)


def retry(triggers: TriggerQuerySet) -> list[int]:
    """Let their jobs see these events again, in the order of their arrival, and no other handler. The ids of those that
    had been set aside, but for those that this application did not give to the job: they can be discarded only.
    """
    with transaction.atomic():
        found = triggers.set_aside().select_related("event", "change", "schedule").select_for_update(of=("self",))
        chosen = [trigger for trigger in found if macs.trigger_fits(trigger, set_aside=True)]
        for trigger in chosen:
            columns = {"set_aside_at": None, "error_code": "", "error": "", "mac": macs.trigger_mac(trigger)}
            Trigger.objects.filter(pk=trigger.pk).update(**columns)
        macs.make_due({trigger.schedule_id: trigger.schedule for trigger in chosen}.values(), clock.now())
    return [trigger.pk for trigger in chosen]


def discard(triggers: TriggerQuerySet) -> list[int]:
    """Delete events that were set aside: their jobs never see them. Returns the ids; the events themselves stay."""
    with transaction.atomic():
        ids = list(triggers.set_aside().values_list("pk", flat=True))
        Trigger.objects.filter(pk__in=ids).delete()
    return ids


def _tenant_id(event: Event, level: UserType) -> str:
    """The id of the event's company or location; empty without one. A delivery of a module names it where HighLevel
    wrote it: its other fields are of the author of the workflow or the form.
    """
    named = module_deliveries.ids(event.type, event.payload).get(_IDS[level])
    if isinstance(named, str):
        return named
    kind, _, mailbox_id = event.mailbox.tenant.partition(":")
    return mailbox_id if kind == level.value.lower() else ""


def _trigger(job: Job, app: App, tenant_id: str, **source: Event | InstallationChange) -> None:
    if not job.runs_after_uninstall and not installed.installations(job.level, app=app, tenant_id=tenant_id).exists():
        return
    now = clock.now()
    wanted = Schedule(app=app, job=job.name, level=job.level, tenant_id=tenant_id, created_at=now)
    Schedule.objects.bulk_create([macs.signed_schedule(wanted)], ignore_conflicts=True)
    # Under the lock of the schedule, so that a run that is ending either sees the event or finds the due time set here.
    mine = Schedule.objects.select_for_update().filter(app=app, job=job.name, level=job.level)
    schedule = mine.get(tenant_id=tenant_id)
    if not schedule.enabled:
        return
    trigger = Trigger(schedule=schedule, **source)
    trigger.mac = macs.trigger_mac(trigger)
    Trigger.objects.bulk_create([trigger], ignore_conflicts=True)
    macs.make_due([schedule], now)
