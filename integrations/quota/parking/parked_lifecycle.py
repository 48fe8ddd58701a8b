"""Life cycle of a parked task in a worker: begin, renew, end.

A task that was sent waits again when its ticket has lapsed and no worker has begun it. A running one waits again when
its process has not renewed its lease for `LEASE_TERM`. A thread of the process (`parked_task_sender.py`) renews all
of them together, so the tasks of a killed worker wait again within half a minute; the broker takes 15 minutes.
Before that thread has begun and after it has ended none renews them: then a task has `UNRENEWED_TERM` from its start.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, ExpressionWrapper, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from integrations.quota.models import Parked

LEASE_TERM = timedelta(seconds=30)
RENEW = 10.0  # seconds between two renewals
UNRENEWED_TERM = timedelta(minutes=10)
_END = "DELETE FROM quota_parked WHERE id = %s AND turn = %s AND state = %s"

_begun_here: dict[int, int] = {}
_lock = threading.Lock()
_is_renewing = threading.Event()


def begin(row_id: int, turn: int, *, task: str, kwargs: Mapping[str, Any]) -> bool:
    """Mark the task as running in this process; False when the message is stale, or names other work than the row."""
    handed = Parked.objects.filter(pk=row_id, turn=turn, task=task, kwargs=dict(kwargs))
    if not handed.begin(back_at=_in(LEASE_TERM if _is_renewing.is_set() else UNRENEWED_TERM)):
        return False
    with _lock:
        _begun_here[row_id] = turn
    return True


def leave(row_id: int) -> None:
    """Stop renewing the task here. Its row stays, and waits again later if it is still marked as running."""
    with _lock:
        _begun_here.pop(row_id, None)


def end(row_id: int, turn: int) -> None:
    """Delete the row of a task that has ended, in whatever way, unless it was parked again meanwhile.

    One statement and no transaction of several steps (as Django's `delete` is): a process that is frozen between two
    of them would keep the row locked.
    """
    with connection.cursor() as cursor:
        cursor.execute(_END, [row_id, turn, Parked.State.RUNNING])


def renew() -> None:
    """Renew the tasks of this process. From now on each of them has `LEASE_TERM` only."""
    _is_renewing.set()
    with _lock:
        rows = list(_begun_here)
    if rows:
        Parked.objects.filter(pk__in=rows).renew(back_at=_in(LEASE_TERM))


def stop_renewing() -> None:
    """From now on a task that begins here gets `UNRENEWED_TERM`, because no thread renews it."""
    _is_renewing.clear()


def _in(wait: timedelta) -> Combinable:
    return ExpressionWrapper(Now() + Value(wait), output_field=DateTimeField())
