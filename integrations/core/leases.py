"""Who may work on a row: a lease in it, taken and kept by conditional UPDATEs. One logic for every room's runs.

The lease says who may begin. The *fence* says who may write: every write of a holder goes through `keep`, which updates
the row where it is still running and still theirs, in the transaction of what it belongs to. A worker that stalled,
whose lease was taken by another, or whose run was cancelled, updates no row and so writes nothing at all.

A message on its way holds a lease too, under the name `QUEUED`, which any worker may take: so the sweep does not send
a second message every two seconds while the first waits for a free worker or for a permit.

A model whose rows are leased has the columns `status` ("running" while there is work), `due_at`, `lease_owner`,
`lease_until` and `attempts`.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db import models, transaction
from django.db.models import Case, F, PositiveIntegerField, Q, When

from integrations.core.jobs import LONGEST_COUNTDOWN, enqueue

QUEUED = "queued"
PARKED = timedelta(minutes=10)  # beyond the wait foretold; then the sweep takes its place in line for lost
BATCH = 200  # rows handed out by one sweep
RUNNING = Q(status="running")
NOT_COMPLETE = ["running", "failed", "cancelled"]  # few, and found by an index of their own; complete are millions

Row = TypeVar("Row", bound=models.Model)


class LeaseLost(Exception):
    """The row is no longer ours to write to."""


def new_owner() -> str:
    """A name no other attempt has: host, process and a random part."""
    return f"{socket.gethostname()[:24]}:{os.getpid()}:{secrets.token_hex(6)}"


class Leases(Generic[Row]):
    """The leases of one model's rows; `task`, called with `run_id`, goes on with a row."""

    def __init__(self, model: type[Row], *, task: str, term: timedelta, related: str) -> None:
        self.task = task
        self.term = term
        self._model = model
        self._related = related

    def claim(self, row_id: int, owner: str, now: datetime) -> Row | None:
        """Take a due row; None when it is not due, not running, or another's. A dead holder counts as a failure."""
        free = _free(now) | Q(lease_owner=QUEUED)
        rows = self._rows().filter(free, RUNNING, pk=row_id, due_at__lte=now)
        if not rows.update(**self._taken(owner, now)):
            return None
        return self._rows().select_related(self._related).get(pk=row_id)

    def keep(self, row: Row, owner: str, now: datetime, **fields: Any) -> None:
        """Write `fields` and renew the lease, or raise LeaseLost. First in a transaction, the row's lock holds off
        whoever would take the lease until what belongs to it is committed."""
        fields.setdefault("lease_until", now + self.term)
        if not self._rows().filter(RUNNING, pk=row.pk, lease_owner=owner).update(**fields):
            raise LeaseLost

    def hand_back(self, row: Row, owner: str, now: datetime, *, wait: float = 0.0, **fields: Any) -> None:
        """Give the row up for `wait` seconds. Short waits travel with a message, long ones are the sweep's."""
        due_at = now + timedelta(seconds=wait)
        if wait <= LONGEST_COUNTDOWN:
            self.keep(row, owner, now, due_at=due_at, lease_owner=QUEUED, lease_until=due_at + self.term, **fields)
            enqueue(self.task, delay=wait, run_id=row.pk)
        else:
            self.keep(row, owner, now, due_at=due_at, lease_owner="", lease_until=None, **fields)

    def park(self, row: Row, owner: str, now: datetime, *, wait: float, into: Callable[[], bool]) -> bool:
        """Give the row up until its parked task is handed to a worker. False when `into` parks nothing: still ours."""
        with transaction.atomic():
            lease_until = now + timedelta(seconds=wait) + PARKED
            self.keep(row, owner, now, due_at=now, lease_owner=QUEUED, lease_until=lease_until)
            if into():
                return True
            self.keep(row, QUEUED, now, lease_owner=owner)
        return False

    def due(self, now: datetime, *which: Q) -> list[int]:
        """Running rows that nobody holds: killed workers' and lost messages'. Each is marked as queued."""
        waiting = self._rows().filter(_free(now), RUNNING, *which, due_at__lte=now)
        ids = list(waiting.order_by("due_at").values_list("pk", flat=True)[:BATCH])
        if ids:
            self._rows().filter(_free(now), RUNNING, pk__in=ids).update(**self._taken(QUEUED, now))
        return ids

    def queued(self, now: datetime) -> dict[str, Any]:
        """The columns of a new row whose message is sent in the same transaction."""
        return {"lease_owner": QUEUED, "lease_until": now + self.term}

    def _rows(self) -> models.QuerySet[Row]:
        return self._model._default_manager.all()  # noqa: SLF001 - Django's documented name

    def _taken(self, owner: str, now: datetime) -> dict[str, Any]:
        orphaned = When(~Q(lease_owner__in=("", QUEUED)), then=F("attempts") + 1)
        return {
            "lease_owner": owner,
            "lease_until": now + self.term,
            "attempts": Case(orphaned, default=F("attempts"), output_field=PositiveIntegerField()),
        }


def _free(now: datetime) -> Q:
    return Q(lease_until__isnull=True) | Q(lease_until__lt=now)
