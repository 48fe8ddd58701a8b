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
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from integrations.core import clock
from integrations.webhooks.models import Event, FailedAttempt

SETTLED = (Event.Status.DONE, Event.Status.IGNORED)
BATCH = 1_000  # events of one transaction
TURN_SECONDS = 30.0  # of one call; the next one continues

log = structlog.get_logger(__name__)


def kept_since(now: datetime) -> datetime:
    """Settled events received before this are deleted, or about to be."""
    return now - timedelta(days=settings.WEBHOOK_RETENTION_DAYS)


def tidy(now: datetime) -> int:
    """Delete settled events that are old enough, the oldest first, for half a minute at most. Returns how many."""
    deleted, deadline = 0, clock.monotonic() + TURN_SECONDS
    _delete_attempts(now, deadline)
    while clock.monotonic() < deadline:
        batch = _delete_batch(now)
        deleted += batch
        if batch < BATCH:
            break
    if deleted:
        log.info("webhook.tidied", deleted=deleted)
    return deleted


def _delete_batch(now: datetime) -> int:
    """Delete one batch. It skips locked rows, so it waits for no lock; others wait no longer than one batch takes."""
    with transaction.atomic():
        old = unseen().filter(_expired(now)).order_by("received_at")
        ids = list(old.select_for_update(skip_locked=True, of=("self",)).values_list("id", flat=True)[:BATCH])
        Event.objects.filter(id__in=ids).only("id").delete()
    return len(ids)


def _delete_attempts(now: datetime, deadline: float) -> None:
    """Delete failed attempts of that age, also those of events that stay."""
    while clock.monotonic() < deadline:
        old = FailedAttempt.objects.filter(at__lt=kept_since(now)).order_by("at")
        ids = list(old.values_list("id", flat=True)[:BATCH])
        FailedAttempt.objects.filter(id__in=ids).delete()
        if len(ids) < BATCH:
            break


def _expired(now: datetime) -> Q:
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
