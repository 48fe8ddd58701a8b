"""Webhooks in a timeline: when one came, each attempt, and what it led to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

from integrations.core.pages import tenant_links
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule, Trigger
from integrations.problems.timeline.record_rows import records_of
from integrations.problems.timeline.run_rows import entries_of
from integrations.problems.timeline.timeline_moments import Moment, Ref, page_of
from integrations.webhooks import handlers
from integrations.webhooks.models import Event

_RUNS_LOOKED_AT = 500
_OF_TENANTS = frozenset({"locationId", "companyId", "webhookId", "appId", "id_", "userId"})
_LONGEST_ID = 64


def load(pks: Collection[int]) -> list[Event]:
    """The events, with their mailboxes and failed attempts."""
    return list(Event.objects.filter(pk__in=pks).select_related("mailbox").prefetch_related("failed_attempts"))


def moments(event: Event, now: datetime) -> Iterator[Moment]:
    """It came, each attempt that failed, and the last thing that happened to it."""
    ref, title = Ref("event", event.pk), f"Webhook {event.type}"
    more: dict[str, Any] = {"tenant_id": tenant_id_of(event), "url": page_of("webhooks_event", event.pk)}
    sent = f"sent by HighLevel at {event.occurred_at:%Y-%m-%d %H:%M:%S} UTC"
    yield Moment(event.received_at, ref, title, "came", f"{event.webhook_id}, {sent}", **more)
    for one in event.failed_attempts.all():
        then = f"next try at {one.next_at:%Y-%m-%d %H:%M:%S} UTC" if one.next_at else "it stepped aside"
        words = f"{one.error or one.error_code.replace('_', ' ')}; {then}"
        yield Moment(one.at, ref, title, f"attempt {one.number} failed", words, "bad", **more)
    match event.status:
        case Event.Status.PENDING:
            yield Moment(max(event.due_at, event.received_at), ref, title, "is to be handled", "", "warn", **more)
        case Event.Status.DONE:
            what, words = f"was handled, attempt {event.attempts}", _handlers(event.type)
            yield Moment(_ended(event), ref, title, what, words, "good", **more)
        case Event.Status.IGNORED:
            yield Moment(_ended(event), ref, title, "has nothing that handles it", "", "", **more)
        case _ if not event.failed_attempts.all():  # of before the attempts were kept
            yield Moment(_ended(event), ref, title, "stepped aside", event.error, "bad", **more)


def down(events: Sequence[Event]) -> Iterator[Ref]:
    """The runs of jobs that saw them, the jobs for which they were set aside, the outbox entries that their handlers
    put, and the records that they name.
    """
    triggers = Trigger.objects.filter(event__in=[event.pk for event in events])
    yield from (Ref("trigger", pk) for pk in triggers.values_list("pk", flat=True)[:_RUNS_LOOKED_AT])
    yield from (Ref("job", pk) for pk in _runs(events))
    yield from entries_of(events)
    for event in events:
        yield from records_of(event.app_id, tenant_id_of(event), _ids(event.payload))


def tenant_id_of(event: Event) -> str:
    """The id of the mailbox's tenant; empty for the mailbox of the app."""
    tenant = tenant_links.named(event.mailbox.tenant)
    return tenant.id if tenant else ""


def _runs(events: Sequence[Event]) -> list[int]:
    """Runs that saw one of these events: among those of the tenants' jobs that had not ended when it came."""
    wanted, tenants = {event.pk for event in events}, {tenant_id_of(event) for event in events} - {""}
    if not tenants:
        return []
    mine = Schedule.objects.filter(app__in={event.app_id for event in events}, tenant_id__in=tenants)
    first = min(event.received_at for event in events)
    later = Q(finished_at=None) | Q(finished_at__gte=first)
    runs = JobRun.objects.filter(later, schedule__in=list(mine.values_list("pk", flat=True)[:_RUNS_LOOKED_AT]))
    rows = runs.exclude(events=[]).order_by("pk").values_list("pk", "events")[:_RUNS_LOOKED_AT]
    return [pk for pk, seen in rows if wanted & set(seen)]


def _ids(payload: Any) -> list[str]:
    """The ids in a webhook that may be those of records."""
    if not isinstance(payload, dict):
        return []
    named = [
        value for name, value in payload.items() if name == "id" or (name.endswith("Id") and name not in _OF_TENANTS)
    ]
    return [value for value in named if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID]


def _handlers(event_type: str) -> str:
    """The functions that handle events of the type, as this process knows them."""
    names = (f"{one.__module__}.{one.__qualname__}" for one in handlers.registered(event_type))
    found = [name.removeprefix("integrations.").replace("._", ".") for name in names]
    return f"by {', '.join(found)}" if found else ""


def _ended(event: Event) -> datetime:
    return event.processed_at or event.received_at


def load_triggers(pks: Collection[int]) -> list[Trigger]:
    """Events that a job has yet to see, or that were set aside for it."""
    return list(Trigger.objects.filter(pk__in=pks).select_related("schedule", "event", "change"))


def trigger_moments(trigger: Trigger, now: datetime) -> Iterator[Moment]:
    """When it was set aside; one that waits has waited since the event was handled."""
    schedule = trigger.schedule
    ref, title = Ref("trigger", trigger.pk), f"Job {schedule.job}"
    if trigger.set_aside_at is not None:
        url = page_of("jobs_trigger", trigger.pk)
        what, words = "failed on this event, which was set aside", trigger.error
        yield Moment(trigger.set_aside_at, ref, title, what, words, "bad", schedule.tenant_id, url=url)
        return
    handled = trigger.event.processed_at if trigger.event is not None else None
    url = page_of("jobs_schedule", schedule.pk)
    at = handled or trigger.received_at
    yield Moment(at, ref, title, "has yet to see this event", "", "warn", schedule.tenant_id, url=url)
