"""The leader's SQL on parked tasks: the next tasks of each queue, claims, and LISTEN for newly parked ones.

It has a connection outside Django's pool, because LISTEN belongs to one connection, and because a leader whose
connection is gone must not claim anything. All times are the database's, so hosts whose clocks differ agree on which
tasks wait and which are late. No statement depends on there being one leader: claims are conditional, so two would only
waste time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

from integrations.quota.parking.queue import CHANNEL
from integrations.quota.permits.lanes import Lane

HEADS = 32  # tasks of one resource and lane that one query returns

# The lanes in their order; but the first task of each is sorted by its arrival once it has waited for the higher lanes
# (`place_at`). So a long queue delays no higher lane, and no higher lane delays it for ever.
_HEADS = """
SELECT head.key, head.id, head.lane FROM unnest(%s::text[]) AS wanted(key)
CROSS JOIN unnest(%s::text[]) WITH ORDINALITY AS lane(name, rank)
CROSS JOIN LATERAL (
  SELECT entry.key, entry.id, entry.lane, entry.place_at,
         entry.place_at <= now() AND row_number() OVER (ORDER BY entry.place_at, entry.id) = 1 AS is_overdue
  FROM quota_parked AS entry
  WHERE entry.key = wanted.key AND entry.lane = lane.name AND entry.state = 'waiting' AND entry.due_at <= now()
  ORDER BY entry.place_at, entry.id LIMIT %s
) AS head ORDER BY head.key, CASE WHEN is_overdue THEN 1 ELSE lane.rank END, head.place_at, head.id
"""
# Rows that another transaction has locked are left for the next time: a process that is frozen in the middle of a
# transaction must not stop the leader, and with it every parked task.
_CLAIM = """
WITH claim AS (
  SELECT entry.id, wanted.back_in FROM unnest(%s::bigint[], %s::float8[]) AS wanted(id, back_in)
  JOIN quota_parked AS entry ON entry.id = wanted.id AND entry.state = 'waiting' FOR UPDATE OF entry SKIP LOCKED
)
UPDATE quota_parked AS entry
SET state = 'handed', turn = entry.turn + 1, back_at = now() + make_interval(secs => claim.back_in)
FROM claim WHERE entry.id = claim.id
RETURNING entry.id, entry.turn, entry.task, entry.kwargs, entry.lane
"""
_DUE = """
SELECT key, lane, extract(epoch FROM min(due_at) - now())::float8 FROM quota_parked
WHERE state = 'waiting' AND (%(keys)s::text[] IS NULL OR key = ANY(%(keys)s)) GROUP BY key, lane
"""
_RETURN = """
UPDATE quota_parked SET state = 'waiting', back_at = NULL
WHERE state = 'handed' AND (id, turn) IN (SELECT * FROM unnest(%s::bigint[], %s::int[]))
"""
_LAPSED = """
UPDATE quota_parked SET state = 'waiting', back_at = NULL WHERE id IN (
  SELECT id FROM quota_parked WHERE state <> 'waiting' AND back_at < now() FOR UPDATE SKIP LOCKED
) RETURNING key
"""


@dataclass(frozen=True, slots=True)
class Head:
    """A task that is next in its queue."""

    row_id: int
    lane: Lane


@dataclass(frozen=True, slots=True)
class Claimed:
    """A task that this leader may send, under this turn."""

    row_id: int
    turn: int
    task: str
    kwargs: dict[str, Any]
    lane: Lane


@dataclass(frozen=True, slots=True)
class Notice:
    """A parked task: its resource and lane, and in how many seconds it is worth asking for a permit."""

    rank: int
    hint: float
    key: str


class ParkedRows:
    """Every method may raise psycopg.Error. After that the connection must not be used again."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(**_parameters(), autocommit=True)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def listen(self) -> None:
        """Subscribe to the channel of newly parked tasks."""
        self._connection.execute(f"LISTEN {CHANNEL}")

    def notices(self, timeout: float) -> list[Notice]:
        """The tasks parked since the last call, as soon as there is one; empty after `timeout` seconds."""
        notes = self._connection.notifies(timeout=timeout, stop_after=1)
        return [_notice(note.payload) for note in notes]

    def due(self, keys: Sequence[str] | None = None) -> list[Notice]:
        """Resources with waiting tasks (all, or of `keys`), with the lane, and when the first task of each is due."""
        rows = self._rows(_DUE, {"keys": None if keys is None else list(keys)})
        return [Notice(Lane(lane).rank, max(due_in, 0.0), key) for key, lane, due_in in rows]

    def heads(self, keys: Sequence[str]) -> dict[str, list[Head]]:
        """The next tasks in order, of each resource that has a due one."""
        found: dict[str, list[Head]] = {}
        for key, row_id, lane in self._rows(_HEADS, [list(keys), [lane.value for lane in Lane], HEADS]):
            found.setdefault(key, []).append(Head(row_id, Lane(lane)))
        return found

    def claim(self, back_in: dict[int, float]) -> dict[int, Claimed]:
        """Mark waiting rows as handed out for so many seconds. Leaves out rows that no longer wait."""
        rows = self._rows(_CLAIM, [list(back_in), list(back_in.values())])
        return {row[0]: Claimed(row[0], row[1], row[2], row[3], Lane(row[4])) for row in rows}

    def put_back(self, claimed: Sequence[Claimed]) -> None:
        """Let claimed tasks wait again that were not sent."""
        self._connection.execute(_RETURN, [[task.row_id for task in claimed], [task.turn for task in claimed]])

    def lapsed(self) -> set[str]:
        """Let tasks wait again whose worker died or whose message was lost. Returns their resources."""
        return {key for (key,) in self._rows(_LAPSED, [])}

    def unstarted_count(self) -> int:
        """How many tasks are handed out and not begun."""
        return int(self._rows("SELECT count(*) FROM quota_parked WHERE state = 'handed'", [])[0][0])

    def _rows(self, query: str, values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()


def _parameters() -> dict[str, Any]:
    parameters = connection.get_connection_params()
    names = ("dbname", "host", "port", "user", "password", "sslmode", "sslrootcert", "connect_timeout")
    through = {name: parameters[name] for name in names if name in parameters}
    past_pooler = {**settings.DATABASE_DIRECT, "dbname": parameters["dbname"]} if settings.DATABASE_DIRECT else {}
    return {**through, **past_pooler, "options": "-c lock_timeout=2000"}


def _notice(payload: str) -> Notice:
    rank, hint, key = payload.split(" ", 2)
    return Notice(int(rank), float(hint), key)
