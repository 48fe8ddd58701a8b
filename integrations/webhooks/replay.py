"""Replay of stored events: after a handler was fixed, or for a poisoned event that would succeed now.

The events become pending again in their mailboxes, as they were received, and are handled in the vendor's order.
Handlers compare timestamps, so an old event that is replayed does not undo newer data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from integrations.core import audit, clock, texts
from integrations.core.errors import BadRequest
from integrations.core.tenant import Tenant
from integrations.webhooks.models import Event, EventQuerySet, Mailbox


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events to replay. Empty fields do not narrow; `ids` are webhook ids or our own primary keys."""

    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: datetime | None = None
    location: str = ""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many events became pending again, and the ids of their mailboxes."""

    events: int
    mailboxes: list[int] = field(default_factory=list)


def select(selection: Selection) -> EventQuerySet:
    """The selected events. Raises BadRequest when nothing narrows them, so that no operator replays all by accident."""
    if not (selection.ids or selection.types or selection.since):
        raise BadRequest("say which events: by id, by type or since when")
    events = Event.objects.all()
    if selection.ids:
        rows = [number for one in selection.ids if (number := texts.whole(one)) is not None]
        events = events.filter(Q(webhook_id__in=selection.ids) | Q(id__in=rows))
    if selection.types:
        events = events.filter(type__in=selection.types)
    if selection.since:
        events = events.filter(received_at__gte=selection.since)
    if selection.location:
        events = events.filter(mailbox__tenant=Tenant.location(selection.location).mailbox_key)
    return events


def replay(events: EventQuerySet, *, actor: str, **why: object) -> Replayed:
    """Mark the events as pending and their mailboxes as due. Writes an audit entry with `why`, unless none matched.

    Mailboxes are locked before events and in the order of their ids, as everywhere in this room.
    """
    now = clock.now()
    with transaction.atomic():
        mailboxes = Mailbox.objects.filter(id__in=events.order_by().values("mailbox")).order_by("id")
        ids = list(mailboxes.select_for_update().values_list("id", flat=True))
        count = events.order_by().replay(now)
        if not count:
            return Replayed(events=0)
        Mailbox.objects.filter(id__in=ids).update(due_at=now)
        audit.record("webhooks.replay", actor=actor, subject=f"{count} events", **why)
    return Replayed(events=count, mailboxes=ids)
