"""The lease on a mailbox: at most one worker handles it at a time, and only until the lease runs out.

Claim, fence and release are conditional UPDATEs, each one statement; `release` locks the row with a statement before
it. Their row count is the result. The owner is a new random name for every turn, so a stalled worker never mistakes
its successor's lease for its own.

A claim skips a row that another session has locked, and a release does not wait for deliveries, which lock the row FOR
KEY SHARE. The fence waits: it needs the row that this worker owns.

The dispatcher ends the leases of worker processes that fell silent (`end_of`), so a tenant waits seconds for a worker
that was killed or frozen. The lease runs out by itself only when one thread of a living process stalls.

A lease that runs out counts as a dead worker. So a worker that loses the database in the middle of a turn keeps the
lease in mind (`release_later`) and releases it with its next claim: its tenant does not wait until the lease runs out,
and the event that it was handling is not blamed for the outage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import Error, transaction
from django.db.models import Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from integrations.core import clock, dispatch, prepared
from integrations.core.lease_owner import new_owner
from integrations.webhooks.models import Event, Mailbox

# Renewed with every batch. Handlers work on the database and take milliseconds.
LEASE_TERM = timedelta(seconds=30)
_MOST = 10_000  # leases that one look ends
# A message begins within three seconds, however much waits: few are in flight, and each ends soon (`mailbox.drain`).
LOST_AFTER = timedelta(seconds=6)
BATCH = 50  # events that a worker handles in one transaction

# If the last lease ran out, its worker died or stalled. Then the next `batch` events, which that worker may have been
# handling together, are handled one at a time (`alone`). If it was handling one event alone (`in_hand`), the death
# counts for that event (`deaths`).
_CLAIM = """
WITH free AS (
    SELECT id, lease_until FROM webhooks_mailbox
    WHERE {wanted} AND (lease_until IS NULL OR lease_until <= %(now)s::timestamptz)
    {order} FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhooks_mailbox AS mailbox SET
    lease_owner = %(owner)s::text,
    lease_until = %(until)s::timestamptz,
    alone = CASE WHEN free.lease_until IS NULL THEN alone ELSE %(batch)s::smallint END,
    deaths = CASE WHEN free.lease_until IS NULL OR in_hand IS NULL THEN deaths ELSE deaths + 1 END
FROM free WHERE mailbox.id = free.id
RETURNING mailbox.id, mailbox.tenant, mailbox.alone, mailbox.in_hand, mailbox.deaths, free.lease_until IS NOT NULL
"""
_CLAIM_ONE = _CLAIM.format(wanted="id = %(id)s::bigint", order="")
_CLAIM_NEXT = _CLAIM.format(wanted="due_at <= %(now)s::timestamptz", order="ORDER BY due_at LIMIT 1")
_RECORD_EVENT_ALONE = """
UPDATE webhooks_mailbox SET
    lease_until = %(until)s::timestamptz,
    deaths = CASE WHEN in_hand = %(event)s::bigint THEN deaths ELSE 0 END,
    in_hand = %(event)s::bigint
WHERE id = %(id)s::bigint AND lease_owner = %(owner)s::text
"""
_FENCE = """
UPDATE webhooks_mailbox SET
    lease_until = %(until)s::timestamptz, alone = GREATEST(alone - 1, 0), in_hand = NULL, deaths = 0
WHERE id = %(id)s::bigint AND lease_owner = %(owner)s::text
"""
# FOR UPDATE excludes the deliveries, which lock the row FOR KEY SHARE. A row that one of them has locked is skipped.
_EXCLUDE_DELIVERIES = """
SELECT FROM webhooks_mailbox WHERE id = %(id)s::bigint AND lease_owner = %(owner)s::text FOR UPDATE SKIP LOCKED
"""
# With events that are due, the mailbox is due since the oldest of them is. That is not always the next one, because the
# vendor's order is not that of their arrival. A next event that is postponed holds up all behind it.
_RELEASE = """
UPDATE webhooks_mailbox SET
    lease_owner = '', lease_until = NULL, in_hand = NULL,
    due_at = COALESCE((
        SELECT CASE WHEN due_at > %(now)s::timestamptz THEN due_at ELSE (
            SELECT min(due_at) FROM webhooks_event WHERE mailbox_id = %(id)s::bigint AND status = 'pending'
        ) END
        FROM webhooks_event WHERE mailbox_id = %(id)s::bigint AND status = 'pending'
        ORDER BY occurred_at, id LIMIT 1
    ), %(otherwise)s::timestamptz)
WHERE id = %(id)s::bigint AND lease_owner = %(owner)s::text
"""


_unreleased: deque[Lease] = deque()  # of turns of this process that lost the database


class LeaseLost(Exception):
    """Another worker has taken the mailbox over. `mailbox.drain` catches it and stops."""


@dataclass(slots=True)
class Lease:
    """A mailbox that one worker has claimed.

    `orphaned`: the lease of the worker before ran out. `alone`: how many of the next events are handled one at a time.
    `in_hand`: the id of the event that a worker was handling alone when it died; `deaths`: how many died over it.
    `is_released`: given back by this worker.
    """

    mailbox_id: int
    owner: str
    tenant: str = ""
    orphaned: bool = False
    alone: int = 0
    in_hand: int | None = None
    deaths: int = 0
    is_released: bool = False


def free(now: datetime) -> Q:
    """Mailboxes without a lease, or with one that ran out."""
    return Q(lease_until=None) | Q(lease_until__lte=now)


def end_of(owners: Collection[str], now: datetime) -> int:
    """End the leases whose owners' names begin so. Returns how many.

    A mailbox that a frozen worker's transaction has locked is left for the next time.
    """
    theirs = reduce(or_, (Q(lease_owner__startswith=owner) for owner in owners))
    return _make_due(Mailbox.objects.filter(theirs, lease_until__gt=now), now, lease_until=now)


def resend(now: datetime) -> int:
    """Make mailboxes due whose messages no worker has begun, and those that soon are due anyway. Returns how many."""
    return _make_due(Mailbox.objects.filter(lease_until=None, due_at__gt=now, due_at__lte=now + LOST_AFTER), now)


def _make_due(mailboxes: QuerySet[Mailbox], now: datetime, **fields: datetime) -> int:
    """Due since their oldest event is, so that they do not lose their position."""
    pending = Event.objects.filter(mailbox=OuterRef("pk"), status=Event.Status.PENDING)
    oldest = pending.order_by().values("mailbox").annotate(oldest=Min("due_at")).values("oldest")
    with transaction.atomic():
        return len(dispatch.mark_sent(mailboxes, _MOST, due_at=Coalesce(Subquery(oldest), now), **fields))


def claim(mailbox_id: int) -> Lease | None:
    """Claim the mailbox. None while another worker has the lease."""
    return _claim(_CLAIM_ONE, id=mailbox_id)


def claim_next() -> Lease | None:
    """Claim the mailbox that has been due for longest and for which no message is on its way. None without one."""
    return _claim(_CLAIM_NEXT)


def _claim(statement: str, **values: int) -> Lease | None:
    _release_unreleased()
    owner = new_owner()
    now = clock.now()
    with prepared.cursor() as cursor:
        cursor.execute(statement, {"owner": owner, "now": now, "until": now + LEASE_TERM, "batch": BATCH, **values})
        row = cursor.fetchone()
    if row is None:
        return None
    mailbox_id, tenant, alone, in_hand, deaths, orphaned = row
    return Lease(mailbox_id, owner, tenant, orphaned=orphaned, alone=alone, in_hand=in_hand, deaths=deaths)


def record_event_alone(lease: Lease, event_id: int) -> None:
    """Record that this event is about to be handled alone. Raises LeaseLost if another worker has the mailbox."""
    _update(_RECORD_EVENT_ALONE, lease, event=event_id)


def fence(lease: Lease) -> None:
    """Renew the lease and lock its row until the transaction ends. Raises LeaseLost if another worker has it.

    The commit also clears the record of the event that was handled alone.
    """
    _update(_FENCE, lease)


def release(lease: Lease) -> None:
    """Give the mailbox back, due since or when its pending events are. Nothing if that was done before.

    Without one it is not due, unless a delivery is being stored at this moment: then the mailbox is due now, and the
    next worker sees that event. Raises LeaseLost if another worker has it.
    """
    if lease.is_released:
        return
    with transaction.atomic():
        _release(lease, otherwise=None if _exclude_deliveries(lease) else clock.now())


def release_later(lease: Lease) -> None:
    """Release the mailbox with this process's next claim, because the database is unavailable now."""
    _unreleased.append(lease)


def _release_unreleased() -> None:
    while _unreleased:
        lease = _unreleased.popleft()
        try:
            release(lease)
        except LeaseLost:
            continue
        except Error:
            _unreleased.append(lease)
            raise


def fence_or_release(lease: Lease) -> bool:
    """Release the mailbox in the caller's transaction. While a delivery is being stored, `fence` it and return False.

    Raises LeaseLost if another worker has it.
    """
    if not _exclude_deliveries(lease):
        fence(lease)
        return False
    _release(lease, otherwise=None)
    return True


def _exclude_deliveries(lease: Lease) -> bool:
    with prepared.cursor() as cursor:
        cursor.execute(_EXCLUDE_DELIVERIES, _values(lease))
        return cursor.fetchone() is not None


def _release(lease: Lease, otherwise: datetime | None) -> None:
    """A statement after `_exclude_deliveries`, so it sees all that was committed before the lock."""
    _update(_RELEASE, lease, now=clock.now(), otherwise=otherwise)


def _update(statement: str, lease: Lease, **more: Any) -> None:
    with prepared.cursor() as cursor:
        cursor.execute(statement, {**_values(lease), "until": clock.now() + LEASE_TERM, **more})
        if not cursor.rowcount:
            raise LeaseLost


def _values(lease: Lease) -> dict[str, Any]:
    return {"id": lease.mailbox_id, "owner": lease.owner}
