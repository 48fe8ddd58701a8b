"""Retention of events: deletes settled ones `WEBHOOK_RETENTION_DAYS` after they were received.

An event is settled when it was handled or has no handler, and no row points at it any more (a job that has yet to see
an event does). Pending events stay for ever, and poisoned ones unless `POISONED_RETENTION_DAYS` is set. Until an event
is deleted, its row recognises every repetition of it: the vendor keeps its log, from which an event can be sent once
more by hand, for 30 days (FACTS 3.2). Failed attempts go at the same age, whatever becomes of their event.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from integrations.core import clock
from integrations.core.sql import batched_deletion
from integrations.webhooks.models import Event, FailedAttempt

SETTLED = (Event.Status.DONE, Event.Status.IGNORED)
TURN_SECONDS = 30.0  # of one call; the next one continues

log = structlog.get_logger(__name__)


def kept_since(now: datetime) -> datetime:
    """Settled events received before this are deleted, or about to be."""
    return now - timedelta(days=settings.WEBHOOK_RETENTION_DAYS)


def tidy(now: datetime) -> int:
    """Delete settled events that are old enough, the oldest first, for half a minute at most. Returns how many."""
    until = clock.monotonic() + TURN_SECONDS
    # Also those of events that stay.
    batched_deletion.delete(FailedAttempt.objects.filter(at__lt=kept_since(now)).order_by("at"), until)
    deleted = batched_deletion.delete(expired(now), until)
    if deleted:
        log.info("webhook.tidied", deleted=deleted)
    return deleted


def expired(now: datetime) -> QuerySet[Event]:
    """The events whose time is over, the oldest first."""
    return unseen().filter(_has_expired(now)).order_by("received_at")


def overdue(now: datetime) -> timedelta:
    """How long ago the oldest settled event that is still here should have been deleted; zero if none should."""
    settled = unseen().filter(status__in=SETTLED, received_at__lt=kept_since(now))
    oldest = settled.order_by("received_at").values_list("received_at", flat=True).first()
    return timedelta() if oldest is None else kept_since(now) - oldest


def _has_expired(now: datetime) -> Q:
    expired = Q(status__in=SETTLED, received_at__lt=kept_since(now))
    if settings.POISONED_RETENTION_DAYS:
        before = now - timedelta(days=settings.POISONED_RETENTION_DAYS)
        expired |= Q(status=Event.Status.POISONED, received_at__lt=before)
    return expired


def unseen() -> QuerySet[Event]:
    """Events at which no row of a room above points."""
    found = Event.objects.all()
    for relation in _pointing_here():
        waiting = relation.related_model.objects.filter(**{relation.field.name: OuterRef("pk")})
        found = found.filter(~Exists(waiting))
    return found


def _pointing_here() -> list[Any]:
    """The foreign keys of the rooms above that point at events; this room cannot name them."""
    fields = Event._meta.get_fields(include_hidden=True)  # noqa: SLF001 - Django's public way to a model's relations
    above = [field for field in fields if field.one_to_many and field.auto_created]
    return [field for field in above if field.related_model is not FailedAttempt]  # this room's own, which goes along
