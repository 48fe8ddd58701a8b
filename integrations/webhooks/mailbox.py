"""Drains one tenant's mailbox: its events in order, by one worker at a time.

1. Claim the lease. A worker that finds it taken returns.
2. Settle the oldest pending event (`occurred_at`, then `id`), and again, until nothing is due or the turn is over.
3. Release under the mailbox's row lock, which `inbox` takes to store an event: read what is left and write when it is
   due. Without that lock an event stored between the read and the write would wait until the next one comes.
4. A mailbox that one turn does not finish is due at once: the dispatcher sends it again, behind those that wait longer.

A killed worker leaves its lease behind. When that runs out, the dispatcher finds the mailbox, and the event in flight
is handled again from the start: nothing of it was committed. The death counts as one of the event's attempts, because
an event that kills its worker must not do so for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import structlog
from django.db import Error, transaction

from integrations.core import clock, dispatch
from integrations.core.errors import StoreUnavailable
from integrations.webhooks import lease as leases
from integrations.webhooks.lease import Lease, LeaseLost
from integrations.webhooks.models import Event, Mailbox
from integrations.webhooks.settle import settle, worker_died

log = structlog.get_logger(__name__)

TURN_EVENTS = 100
TURN_SECONDS = 15.0  # well below the lease's term


def drain(mailbox_id: int) -> int:
    """Settle the due events of this mailbox. Returns how many were settled (handled, ignored or poisoned).

    Returns 0 at once when another worker has the lease. Raises StoreUnavailable when the database goes away: the lease
    then runs out by itself.
    """
    try:
        lease = leases.claim(mailbox_id)
        if lease is None:
            return 0
        if lease.orphaned and (event := _head(mailbox_id)) is not None:
            worker_died(lease, event)
        settled = _turn(lease)
        _release(lease)
    except LeaseLost:
        log.warning("mailbox.lease_lost", mailbox_id=mailbox_id)
        return 0
    except Error as error:
        raise StoreUnavailable("the mailbox's database is away", mailbox_id=mailbox_id) from error
    return settled


def take_due(limit: int, now: datetime) -> Sequence[int]:
    """Due mailboxes without a lease, the longest waiting first (`core.dispatch.DueSource`).

    A tenant has one mailbox, so a tenant with a large backlog takes one worker and no more.
    """
    waiting = Mailbox.objects.filter(leases.free(now), due_at__lte=now).order_by("due_at")
    with transaction.atomic():
        return dispatch.mark_due(waiting, limit, due_at=now + dispatch.LOST_AFTER)


def unstarted(sent: Mapping[int, datetime]) -> Collection[int]:
    """Those of the mailboxes that no worker has begun (`core.dispatch.DueSource`)."""
    return dispatch.unstarted(Mailbox, "due_at", leases.free(clock.now()), sent)


def _turn(lease: Lease) -> int:
    settled = 0
    deadline = clock.monotonic() + TURN_SECONDS
    while settled < TURN_EVENTS and clock.monotonic() < deadline:
        event = _head(lease.mailbox_id)
        if event is None or event.due_at > clock.now() or not settle(lease, event):
            break
        settled += 1
    return settled


def _head(mailbox_id: int) -> Event | None:
    pending = Event.objects.filter(mailbox_id=mailbox_id, status=Event.Status.PENDING)
    return pending.select_related("app").order_by("occurred_at", "id").first()


def _release(lease: Lease) -> None:
    with transaction.atomic():
        leases.fence(lease)  # a separate statement: the next one sees all that was committed before the lock
        head = _head(lease.mailbox_id)
        leases.release(lease, head.due_at if head else None)
