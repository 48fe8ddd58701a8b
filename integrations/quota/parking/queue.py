"""Queue of parked tasks: tasks that wait for a permit without occupying a worker.

A parked task is a row in PostgreSQL, written in the transaction of the caller that parks it. It survives a flushed
Redis and a lost broker, and its order is a column. A leader thread (`parked_task_sender.py`) sends it to a worker
together with a ticket. From then on the row says when it waits again if that worker dies (`parked_lifecycle.py`). Each
message increments the row's `turn` and names it, so of two messages for one task only the newer starts it.

One row per task and arguments: parking what is parked already changes nothing, because messages are hints
(core.celery_tasks).
Higher lanes go first, each in order of arrival. Lower lanes wait for them for a limited time: events ten seconds, bulk
a minute. After it the first task of the lane, and only that one, is sorted by its arrival. So no task waits for ever,
and a long queue of one lane delays no other.

An uninstall deletes no rows here: each task finds that its installation is gone and ends its own work.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import DateTimeField, ExpressionWrapper, F, QuerySet, Value
from django.db.models.functions import Now

from integrations.core.errors import Retryable, VendorThrottled
from integrations.core.tenant import quota_key
from integrations.quota.models import Parked
from integrations.quota.permits import tickets
from integrations.quota.permits.lanes import Lane

CHANNEL = "quota_parked"
# Seconds that the first task of a lane waits for those of higher lanes.
_WAIT_FOR_HIGHER_LANES = {Lane.INTERACTIVE: 0.0, Lane.EVENTS: 10.0, Lane.BULK: 60.0}
_LARGEST = 2000  # bytes of arguments; they are part of an index, and identifiers never come near
_FRONT = timedelta(days=3650)

# A row on its way to a worker stays as it is: its start is imminent. The others wait (again), at their former position
# if they were waiting or never got their call.
_PARK = """
WITH parked AS (
  INSERT INTO quota_parked AS entry (key, lane, task, kwargs, state, turn, reason, parked_at, place_at, due_at)
  VALUES (%(key)s, %(lane)s, %(task)s, %(kwargs)s, 'waiting', 0, %(reason)s,
          now(), now() + make_interval(secs => %(wait_for_higher_lanes)s), now() + make_interval(secs => %(wait)s))
  ON CONFLICT (task, kwargs) DO UPDATE SET
    key = excluded.key, lane = excluded.lane, state = 'waiting', reason = excluded.reason, back_at = NULL,
    due_at = excluded.due_at,
    parked_at = CASE WHEN entry.state = 'waiting' OR %(keep)s THEN entry.parked_at ELSE excluded.parked_at END,
    place_at = CASE WHEN entry.state = 'waiting' OR %(keep)s THEN entry.place_at ELSE excluded.place_at END
  WHERE entry.state <> 'handed'
  RETURNING 1
)
SELECT pg_notify(%(channel)s, %(notice)s) FROM parked
"""


@dataclass(frozen=True, slots=True)
class _WantedPermit:
    """A permit to wait for. `hint`: seconds until it is worth asking; `wait`: seconds in which it must not be used."""

    key: str
    lane: Lane
    hint: float = 0.0
    wait: float = 0.0
    reason: str = ""


def enqueue(task: str, *, app: str, resource: str, lane: Lane = Lane.BULK, **kwargs: Any) -> None:
    """Start `task` as soon as there is a permit for its first call: one delivery, whatever the traffic.

    `app` is the client id; `kwargs` are the task's own (identifiers, never secrets). It takes part in the surrounding
    transaction. It is a row itself, so it needs no other row with a due time.
    """
    _park(task, kwargs, _WantedPermit(quota_key(app, resource), lane))


def park(task: str, kwargs: dict[str, Any], error: Retryable) -> bool:
    """Let `task` wait for what `error` says was missing: quota, or the store that keeps it.

    False when the error names no permit, or the arguments are too large to be identifiers. Then the caller waits in its
    own way.
    """
    permit = error.permit
    if permit is None or len(json.dumps(kwargs)) > _LARGEST:
        return False
    key, hint = quota_key(permit.app, permit.resource), error.retry_after or 0.0
    # Our own refusal is a forecast and the leader makes better ones; the vendor's is an order.
    ordered = hint if isinstance(error, VendorThrottled) else 0.0
    _park(task, kwargs, _WantedPermit(key, Lane(permit.lane), hint, ordered, permit.reason))
    return True


def move_to_front(rows: QuerySet[Parked]) -> list[int]:
    """Move waiting tasks to the front of all lanes. Returns their ids."""
    waiting = rows.filter(state=Parked.State.WAITING)
    moved = list(waiting.values_list("pk", "lane", "key"))
    place_at = ExpressionWrapper(F("parked_at") - Value(_FRONT), output_field=DateTimeField())
    waiting.filter(pk__in=[pk for pk, _, _ in moved]).update(place_at=place_at, due_at=Now())
    _notify((Lane.INTERACTIVE, key) for key in {key for _, _, key in moved})
    return [pk for pk, _, _ in moved]


def drop(rows: QuerySet[Parked]) -> list[int]:
    """Delete waiting tasks; their ids. Their work is kept in other rows, which the dispatcher or a sweep may send
    again.
    """
    waiting = rows.filter(state=Parked.State.WAITING)
    ids = list(waiting.values_list("pk", flat=True))
    waiting.filter(pk__in=ids).delete()
    return ids


def _park(task: str, kwargs: dict[str, Any], wanted: _WantedPermit) -> None:
    values = {
        "key": wanted.key,
        "lane": wanted.lane.value,
        "task": task,
        "kwargs": json.dumps(kwargs),
        "reason": wanted.reason,
        "wait_for_higher_lanes": _WAIT_FOR_HIGHER_LANES[wanted.lane],
        "wait": wanted.wait,
        "keep": tickets.keeps_position(),
        "channel": CHANNEL,
        "notice": f"{wanted.lane.rank} {wanted.hint:.3f} {wanted.key}",
    }
    with connection.cursor() as cursor:
        cursor.execute(_PARK, values)


def _notify(notices: Iterable[tuple[Lane, str]]) -> None:
    with connection.cursor() as cursor:
        for lane, key in notices:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"{lane.rank} 0 {key}"])
