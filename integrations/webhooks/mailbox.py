"""Drains one tenant's mailbox: its events in order, by one worker at a time.

1. Claim the lease. A worker that finds it taken returns.
2. Settle the oldest pending events (`occurred_at`, then `id`), a batch in one transaction, and again, until nothing is
   due or the turn is over.
3. Release, with the last batch. `lease.release` sees every event that was stored before it, or leaves the mailbox due.
4. A mailbox that one turn does not finish is due since its oldest event: the dispatcher sends it again, behind those
   that wait longer.

**Turns.** The dispatcher takes the mailbox with the event that has waited longest, so tenants wait equally long,
however many events they have. One worker at a time drains a mailbox, so a tenant takes one thread. A turn goes on until
nothing is due, for `TURN_SECONDS` at most: a turn of fixed length would limit a busy tenant to a few events between two
messages. Every `SHARE_SECONDS` it ends if a mailbox that no worker has begun has waited longer.

**Messages.** A message costs more than an event. So a worker that has drained the mailbox of its message goes on with
those that have waited longest, for `GO_ON_SECONDS` (`drain_others`): then other urgent work gets its thread.

**Deaths.** A killed worker leaves its lease behind. The dispatcher ends it when the process has been silent for some
seconds (`core.process.silence`); else it runs out. Then the dispatcher finds the mailbox, and the events in flight are
handled again from the start: nothing of them was committed. They are handled one at a time, and each is recorded before
(`lease.record_event_alone`). So an event that kills its worker again is identified (`settle.worker_died`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import takewhile
from typing import Any

import structlog
from django.db import DEFAULT_DB_ALIAS, Error, InterfaceError, OperationalError, transaction
from django.db.models import Exists, Min, OuterRef, QuerySet

from integrations.core import clock, dispatch, prepared
from integrations.core.errors import StoreUnavailable
from integrations.core.observing import log_scope
from integrations.core.process import stopping
from integrations.webhooks import event_mac, handlers
from integrations.webhooks import lease as leases
from integrations.webhooks.lease import BATCH, Lease, LeaseLost
from integrations.webhooks.models import Event, Mailbox
from integrations.webhooks.settle import settle, settle_batch, worker_died

log = structlog.get_logger(__name__)

TURN_SECONDS = 15.0
SHARE_SECONDS = 0.3
GO_ON_SECONDS = 0.3  # other urgent work waits behind a few messages of mailboxes at most, so each has to be short

# Django raises the third one when a transaction goes on after its connection was lost.
_DATABASE_LOST = OperationalError, InterfaceError, transaction.TransactionManagementError

_FIELDS = [field.attname for field in Event._meta.concrete_fields]  # noqa: SLF001 - Django's documented name
_PAYLOAD = _FIELDS.index("payload")
_NEXT = f"""
SELECT {", ".join(_FIELDS)} FROM webhooks_event
WHERE mailbox_id = %(id)s::bigint AND status = 'pending' ORDER BY occurred_at, id LIMIT %(limit)s::integer
"""  # noqa: S608 - the model's own columns


def drain(mailbox_id: int) -> int:
    """Settle the due events of this mailbox. Returns how many were settled (handled, ignored or poisoned).

    Returns 0 at once when another worker has the lease. Raises StoreUnavailable when the database becomes unavailable.
    """
    with _database(mailbox_id):
        lease = leases.claim(mailbox_id)
        return 0 if lease is None else _drain(lease)


def drain_others(seconds: float) -> int:
    """Drain other due mailboxes, the longest waiting first, until none is due or so much time is over.

    Returns how many were drained. Ends early in a process that is about to end. Raises StoreUnavailable.
    """
    drained = 0
    until = clock.monotonic() + seconds
    with _database(None):
        while clock.monotonic() < until and not stopping.is_requested():
            lease = leases.claim_next()
            if lease is None:
                break
            _drain(lease)
            drained += 1
    return drained


@contextmanager
def _database(mailbox_id: int | None) -> Iterator[None]:
    try:
        yield
    except Error as error:
        raise StoreUnavailable("the mailbox's database is unavailable", mailbox_id=mailbox_id) from error


def _drain(lease: Lease) -> int:
    with log_scope.scope(tenant=lease.tenant):
        return _drain_claimed(lease)


def _drain_claimed(lease: Lease) -> int:
    try:
        if lease.orphaned:
            worker_died(lease)
        settled = _Turn(lease).run()
        leases.release(lease)
    except LeaseLost:
        log.warning("mailbox.lease_lost", mailbox_id=lease.mailbox_id)
        return 0
    except _DATABASE_LOST:
        leases.release_later(lease)
        raise
    return settled


def take_due(limit: int, now: datetime) -> Sequence[int]:
    """Due mailboxes without a lease, the longest waiting first (`core.dispatch.DueSource`).

    A tenant has one mailbox, so a tenant with a large backlog takes one worker and no more.
    """
    with transaction.atomic():
        return dispatch.mark_sent(due_rows(now).order_by("due_at"), limit, due_at=now + leases.LOST_AFTER)


def due_rows(now: datetime) -> QuerySet[Mailbox]:
    """Due mailboxes that no worker has."""
    return Mailbox.objects.filter(leases.free(now), due_at__lte=now)


def make_forgotten_due(now: datetime) -> int:
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
        self.alone = lease.alone
        self.started = self.shared_at = clock.monotonic()

    def run(self) -> int:
        """Settle events until nothing is due or the turn is over. Returns how many."""
        while events := self._due():
            settled = self._settle(events)
            self.settled += settled
            if not settled or self.lease.is_released or self._is_over():
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
        batch = list(takewhile(_may_share, events))
        is_last = len(batch) == len(events) < BATCH
        return settle_batch(self.lease, batch, until=self.started + TURN_SECONDS, last=is_last)

    def _due(self) -> list[Event]:
        """The next events that are due, in order; one that is not due holds up those behind it."""
        now = clock.now()
        events = _next(self.lease.mailbox_id, self.lease.tenant, 1 if self.alone else BATCH)
        return list(takewhile(lambda event: event.due_at <= now, events))

    def _is_over(self) -> bool:
        now = clock.monotonic()
        if now - self.started >= TURN_SECONDS:
            return True
        if now - self.shared_at >= SHARE_SECONDS:
            self.shared_at = now
            return _another_waits_longer(self.lease.mailbox_id)
        return False


def _may_share(event: Event) -> bool:
    """Whether it may share a transaction: an event that failed before may fail again."""
    return not event.attempts and not handlers.needs_own_transaction(event.type)


def _next(mailbox_id: int, tenant: str, limit: int) -> list[Event]:
    """The first pending events, in the vendor's order. Prepared, because every turn asks it."""
    with prepared.cursor() as cursor:
        cursor.execute(_NEXT, {"id": mailbox_id, "limit": limit})
        rows = [list(row) for row in cursor.fetchall()]
    return [_event(row, tenant) for row in rows]


def _event(row: list[Any], tenant: str) -> Event:
    """The event of this row, which says whether this application received it."""
    text = row[_PAYLOAD]  # Django's connections give JSON as text
    row[_PAYLOAD] = json.loads(text)
    event = Event.from_db(DEFAULT_DB_ALIAS, _FIELDS, row)
    event.is_ours = event_mac.fits(event, tenant, text)
    return event


def _another_waits_longer(mailbox_id: int) -> bool:
    """Whether a mailbox that no worker has begun is due since before the oldest event here."""
    mine = Event.objects.filter(mailbox_id=mailbox_id, status=Event.Status.PENDING)
    oldest = mine.aggregate(oldest=Min("due_at"))["oldest"]
    return oldest is not None and Mailbox.objects.filter(leases.free(clock.now()), due_at__lt=oldest).exists()
