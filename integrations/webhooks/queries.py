"""What pages show of the inbox. Every read here goes by an index and stays fast with millions of events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max

from integrations.tenants.models import App
from integrations.webhooks.models import Event, Mailbox

RECENT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Inbox:
    """The inbox at a glance. `recent` counts what was received in the last 24 hours by status; the rest is all time."""

    recent: dict[str, int]
    pending: int
    oldest_pending: datetime | None
    poisoned: int
    behind: int


def inbox(now: datetime) -> Inbox:
    """Counts for the dashboard and the `status` command."""
    waiting = Event.objects.filter(status=Event.Status.PENDING)
    return Inbox(
        recent=counts(since=now - RECENT),
        pending=waiting.count(),
        oldest_pending=oldest_pending(),
        poisoned=Event.objects.filter(status=Event.Status.POISONED).count(),
        behind=Mailbox.objects.filter(due_at__lte=now).count(),
    )


def counts(since: datetime) -> dict[str, int]:
    """Events received since then, by status; every status is there."""
    found = Event.objects.filter(received_at__gte=since).values_list("status").annotate(Count("id"))
    return dict.fromkeys(Event.Status.values, 0) | dict(found.order_by())


def backlog() -> list[tuple[Mailbox, int]]:
    """The mailboxes that hold pending events and how many, the fullest first, at most a hundred."""
    pending = Event.objects.filter(status=Event.Status.PENDING).values_list("mailbox").annotate(number=Count("id"))
    numbers = dict(pending.order_by("-number")[:100])
    boxes = Mailbox.objects.select_related("app").in_bulk(list(numbers))
    return [(boxes[box], number) for box, number in numbers.items()]


def oldest_pending() -> datetime | None:
    """When the event that waits longest was received."""
    oldest = Event.objects.filter(status=Event.Status.PENDING).order_by("received_at")
    return oldest.values_list("received_at", flat=True).first()


def last_received() -> list[tuple[App, datetime | None]]:
    """Each app and when it last sent anything: silence where there was traffic means a paused subscription."""
    return [(app, Event.objects.filter(app=app).aggregate(at=Max("received_at"))["at"]) for app in App.objects.all()]
