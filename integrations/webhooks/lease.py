"""The lease on a mailbox: at most one worker handles it at a time, and only until the lease runs out.

Claim, fence and release are single conditional UPDATEs whose row count is the result. The owner is a fresh random
name for every turn, so a stalled worker never mistakes its successor's lease for its own.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from integrations.core import clock
from integrations.webhooks.models import Mailbox

TERM = timedelta(seconds=60)  # renewed with every event; handlers work on the database and take milliseconds


class LeaseLost(Exception):
    """Another worker has taken the mailbox over. `mailbox.drain` catches it and stops."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A mailbox that one worker has claimed."""

    mailbox_id: int
    owner: str
    orphaned: bool = False  # taken from a worker that died


def free(now: datetime) -> Q:
    """Mailboxes without a lease, or with one that ran out."""
    return Q(lease_until=None) | Q(lease_until__lte=now)


def claim(mailbox_id: int) -> Lease | None:
    """Claim the mailbox. None while another worker has the lease."""
    now, owner = clock.now(), uuid.uuid4().hex
    box = Mailbox.objects.filter(id=mailbox_id)
    if box.filter(lease_until=None).update(lease_owner=owner, lease_until=now + TERM):
        return Lease(mailbox_id, owner)
    if box.filter(lease_until__lte=now).update(lease_owner=owner, lease_until=now + TERM):
        return Lease(mailbox_id, owner, orphaned=True)
    return None


def fence(lease: Lease) -> None:
    """Renew the lease and lock its row until the transaction ends. Raises LeaseLost if another worker has it."""
    ours = Mailbox.objects.filter(id=lease.mailbox_id, lease_owner=lease.owner)
    if not ours.update(lease_until=clock.now() + TERM):
        raise LeaseLost


def release(lease: Lease, due_at: datetime | None) -> None:
    """Give the mailbox back, due again at `due_at`. The caller has fenced in the same transaction."""
    ours = Mailbox.objects.filter(id=lease.mailbox_id, lease_owner=lease.owner)
    ours.update(due_at=due_at, lease_owner="", lease_until=None)
