"""A parked task in a worker's hands: begun, alive, ended.

A task that was handed out waits again when its ticket has lapsed and it has not begun. One that runs waits again when
its process has said nothing for `LEASE`: the process' pump renews all of them together, so a killed worker's tasks are
back within half a minute, where the broker takes a quarter of an hour. In a process without a pump (the children of a
prefork worker) nobody renews, and a task has `LONGEST` from its start.
"""

from __future__ import annotations

import threading
from datetime import timedelta

from django.db import connection
from django.db.models import DateTimeField, ExpressionWrapper, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from integrations.quota.models import Parked

LEASE = timedelta(seconds=30)
RENEW = 10.0  # seconds between two renewals
LONGEST = timedelta(minutes=10)
_END = "DELETE FROM quota_parked WHERE id = %s AND turn = %s AND state = %s"

_here: dict[int, int] = {}
_lock = threading.Lock()
_is_renewing = threading.Event()


def begin(row_id: int, turn: int) -> bool:
    """This process starts the task; False when the message is stale."""
    handed = Parked.objects.filter(pk=row_id, turn=turn, state=Parked.State.HANDED)
    if not handed.update(state=Parked.State.RUNNING, back_at=_in(LEASE if _is_renewing.is_set() else LONGEST)):
        return False
    with _lock:
        _here[row_id] = turn
    return True


def leave(row_id: int) -> None:
    """This process has nothing more to do with the task; the row stays as it is, and comes back if it still runs."""
    with _lock:
        _here.pop(row_id, None)


def end(row_id: int, turn: int) -> None:
    """The task has ended, however; unless it was parked anew meanwhile, its row goes.

    One statement and no transaction of several steps (as Django's `delete` is): a process that is frozen between two
    of them would keep the row locked.
    """
    with connection.cursor() as cursor:
        cursor.execute(_END, [row_id, turn, Parked.State.RUNNING])


def renew() -> None:
    """Say that the tasks of this process are alive. From now on they are believed to be for `LEASE` only."""
    _is_renewing.set()
    with _lock:
        rows = list(_here)
    if rows:
        Parked.objects.filter(pk__in=rows, state=Parked.State.RUNNING).update(back_at=_in(LEASE))


def stop_renewing() -> None:
    _is_renewing.clear()


def _in(wait: timedelta) -> Combinable:
    return ExpressionWrapper(Now() + Value(wait), output_field=DateTimeField())
