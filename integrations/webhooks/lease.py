"""The lease on a mailbox: at most one worker handles it at a time, and only until the lease runs out.

Claim, fence and release are conditional UPDATEs, each one statement; `release` locks the row with a statement before
it. Their row count is the result. The owner is a new random name for every turn, so a stalled worker never mistakes
its successor's lease for its own.

A claim skips a row that another session has locked, and a release does not wait for deliveries, which lock the row FOR
KEY SHARE. The fence waits: it needs the row that this worker owns.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from integrations.core import clock, prepared
from integrations.core.lease_owner import new_owner

# Renewed with every batch. Handlers work on the database and take milliseconds. After a worker was killed, its tenants
# wait so long.
LEASE_TERM = timedelta(seconds=30)
BATCH = 50  # events that a worker handles in one transaction

# If the last lease ran out, its worker died or stalled. Then the next `batch` events, which that worker may have been
# handling together, are handled one at a time (`alone`). If it was handling one event alone (`in_hand`), the death
# counts for that event (`deaths`).
_CLAIM = """
WITH free AS (
    SELECT id, lease_until FROM webhooks_mailbox
    WHERE id = %(id)s::bigint AND (lease_until IS NULL OR lease_until <= %(now)s::timestamptz)
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE webhooks_mailbox AS mailbox SET
    lease_owner = %(owner)s::text,
    lease_until = %(until)s::timestamptz,
    alone = CASE WHEN free.lease_until IS NULL THEN alone ELSE %(batch)s::smallint END,
    deaths = CASE WHEN free.lease_until IS NULL OR in_hand IS NULL THEN deaths ELSE deaths + 1 END
FROM free WHERE mailbox.id = free.id
RETURNING mailbox.app_id, mailbox.alone, mailbox.in_hand, mailbox.deaths, free.lease_until IS NOT NULL
"""
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
_RELEASE = """
UPDATE webhooks_mailbox SET
    lease_owner = '', lease_until = NULL,
    due_at = COALESCE((
        SELECT due_at FROM webhooks_event WHERE mailbox_id = webhooks_mailbox.id AND status = 'pending'
        ORDER BY occurred_at, id LIMIT 1
    ), %(otherwise)s::timestamptz)
WHERE id = %(id)s::bigint AND lease_owner = %(owner)s::text
"""


class LeaseLost(Exception):
    """Another worker has taken the mailbox over. `mailbox.drain` catches it and stops."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A mailbox that one worker has claimed.

    `orphaned`: the lease of the worker before ran out. `alone`: how many of the next events are handled one at a time.
    `in_hand`: the id of the event that a worker was handling alone when it died; `deaths`: how many died over it.
    """

    mailbox_id: int
    owner: str
    app_id: int
    orphaned: bool = False
    alone: int = 0
    in_hand: int | None = None
    deaths: int = 0


def free(now: datetime) -> Q:
    """Mailboxes without a lease, or with one that ran out."""
    return Q(lease_until=None) | Q(lease_until__lte=now)


def claim(mailbox_id: int) -> Lease | None:
    """Claim the mailbox. None while another worker has the lease."""
    owner = new_owner()
    now = clock.now()
    values = {"id": mailbox_id, "owner": owner, "now": now, "until": now + LEASE_TERM, "batch": BATCH}
    with prepared.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        row = cursor.fetchone()
    if row is None:
        return None
    app_id, alone, in_hand, deaths, orphaned = row
    return Lease(mailbox_id, owner, app_id, orphaned=orphaned, alone=alone, in_hand=in_hand, deaths=deaths)


def record_event_alone(lease: Lease, event_id: int) -> None:
    """Record that this event is about to be handled alone. Raises LeaseLost if another worker has the mailbox."""
    _update(_RECORD_EVENT_ALONE, lease, event=event_id)


def fence(lease: Lease) -> None:
    """Renew the lease and lock its row until the transaction ends. Raises LeaseLost if another worker has it.

    The commit also clears the record of the event that was handled alone.
    """
    _update(_FENCE, lease)


def release(lease: Lease) -> None:
    """Give the mailbox back, due again when its first pending event is.

    Without one it is not due, unless a delivery is being stored at this moment: then the mailbox is due now, and the
    next worker sees that event. Raises LeaseLost if another worker has it.
    """
    values = _values(lease)
    with transaction.atomic(), prepared.cursor() as cursor:
        cursor.execute(_EXCLUDE_DELIVERIES, values)
        excluded = cursor.fetchone() is not None
        # A separate statement: it sees all that was committed before the lock.
        cursor.execute(_RELEASE, {**values, "otherwise": None if excluded else clock.now()})
        if not cursor.rowcount:
            raise LeaseLost


def _update(statement: str, lease: Lease, **more: Any) -> None:
    with prepared.cursor() as cursor:
        cursor.execute(statement, {**_values(lease), "until": clock.now() + LEASE_TERM, **more})
        if not cursor.rowcount:
            raise LeaseLost


def _values(lease: Lease) -> dict[str, Any]:
    return {"id": lease.mailbox_id, "owner": lease.owner}
