"""Drains one tenant's mailbox: its events in order, by one worker at a time.

1. Claim the lease. A worker that finds it taken returns.
2. Settle the oldest pending events (`occurred_at`, then `id`), a batch in one transaction, and again, until nothing is
   due or the turn is over.
3. Release. `lease.release` sees every event that was stored before it, or leaves the mailbox due.
4. A mailbox that one turn does not finish is due at once: the dispatcher sends it again, behind those that wait longer.

**Turns.** The dispatcher takes the mailbox with the event that has waited longest, so tenants wait equally long,
however many events they have. One worker at a time drains a mailbox. A turn of fixed length would therefore limit a
busy tenant to a few events between two messages, so the length follows the backlog: half of it. After `SHARE_SECONDS`
the turn ends anyway if the next event of another mailbox has waited longer.

**Deaths.** A killed worker leaves its lease behind. When that runs out, the dispatcher finds the mailbox, and the
events in flight are handled again from the start: nothing of them was committed. They are handled one at a time, and
each is recorded before (`lease.record_event_alone`). So an event that kills its worker again is identified
(`settle.worker_died`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import takewhile

import structlog
from django.db import Error, transaction
from django.db.models import Exists, OuterRef, QuerySet

from integrations.core import clock, dispatch
from integrations.core.errors import StoreUnavailable
from integrations.tenants.models import App
from integrations.webhooks import handlers
from integrations.webhooks import lease as leases
from integrations.webhooks.lease import BATCH, Lease, LeaseLost
from integrations.webhooks.models import Event, Mailbox
from integrations.webhooks.settle import settle, settle_batch, worker_died

log = structlog.get_logger(__name__)

TURN_EVENTS = 100  # of a mailbox with a small backlog
TURN_SECONDS = 15.0
SHARE_SECONDS = 2.0


def drain(mailbox_id: int) -> int:
    """Settle the due events of this mailbox. Returns how many were settled (handled, ignored or poisoned).

    Returns 0 at once when another worker has the lease. Raises StoreUnavailable when the database goes away: the lease
    then runs out by itself.
    """
    try:
        lease = leases.claim(mailbox_id)
        if lease is None:
            return 0
        if lease.orphaned:
            worker_died(lease)
        settled = _Turn(lease).run()
        leases.release(lease)
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
        return dispatch.mark_sent(waiting, limit, due_at=now + dispatch.LOST_AFTER)


def wake_forgotten(now: datetime) -> int:
    """Make mailboxes due that have pending events and are not due. Returns how many.

    None should be. Processes of an older version, which lock the row in another way, may leave one behind while an
    upgrade is rolled out.
    """
    pending = Event.objects.filter(mailbox=OuterRef("pk"), status=Event.Status.PENDING)
    found = Mailbox.objects.filter(Exists(pending), due_at=None).update(due_at=now)
    if found:
        log.error("mailbox.forgotten", mailboxes=found)
    return found


def find_unstarted(sent: Mapping[int, datetime]) -> Collection[int]:
    """Those of the mailboxes that no worker has begun (`core.dispatch.DueSource`)."""
    return dispatch.find_unstarted(Mailbox, "due_at", leases.free(clock.now()), sent)


class _Turn:
    """One worker's turn with a mailbox."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.settled = 0
        self.longest = TURN_EVENTS
        self.alone = lease.alone
        self.started = self.shared_at = clock.monotonic()
        self.app: App | None = None

    def run(self) -> int:
        """Settle events until nothing is due or the turn is over. Returns how many."""
        while events := self._due():
            settled = self._settle(events)
            self.settled += settled
            if not settled or self._is_over():
                break
        return self.settled

    def _settle(self, events: Sequence[Event]) -> int:
        first = events[0]
        if self.alone:
            self.alone -= 1
            leases.record_event_alone(self.lease, first.pk)
            return int(settle(self.lease, first))
        if not _may_share(first):
            return int(settle(self.lease, first))
        return settle_batch(self.lease, list(takewhile(_may_share, events)), until=self.started + TURN_SECONDS)

    def _due(self) -> list[Event]:
        """The next events that are due, in order; one that is not due holds up those behind it."""
        now = clock.now()
        limit = 1 if self.alone else max(1, min(BATCH, self.longest - self.settled))
        events = list(takewhile(lambda event: event.due_at <= now, _pending(self.lease.mailbox_id)[:limit]))
        for event in events:
            self.app = self.app or App.objects.get(pk=self.lease.app_id)
            event.app = self.app
        return events

    def _is_over(self) -> bool:
        now = clock.monotonic()
        if now - self.started >= TURN_SECONDS:
            return True
        if self.settled >= self.longest:
            self.longest = max(TURN_EVENTS, (self.settled + _pending(self.lease.mailbox_id).count()) // 2)
            if self.settled >= self.longest:
                return True
        if now - self.shared_at >= SHARE_SECONDS:
            self.shared_at = now
            return _another_waits_longer(self.lease.mailbox_id)
        return False


def _may_share(event: Event) -> bool:
    """Whether it may share a transaction: an event that failed before may fail again."""
    return not event.attempts and event.type not in handlers.OWN_TRANSACTION


def _pending(mailbox_id: int) -> QuerySet[Event]:
    return Event.objects.filter(mailbox_id=mailbox_id, status=Event.Status.PENDING).order_by("occurred_at", "id")


def _another_waits_longer(mailbox_id: int) -> bool:
    head = _pending(mailbox_id).values_list("due_at", flat=True).first()
    return head is not None and Mailbox.objects.filter(leases.free(clock.now()), due_at__lt=head).exists()
