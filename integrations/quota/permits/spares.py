"""Spare permits: a process that calls one resource often takes some along, and asks Redis once for several calls.

A question costs a process as much CPU as half of a request does. A process that asked `_ROW` times, each within
`_AHEAD` of the time before, therefore asks for as many permits as it should need in `_AHEAD`, at most `MOST` more than
one.

Only calls that a person waits for take spares: one that is not used has advanced the pace for nothing, and work that
runs at the pace would hold itself up. `permit.lua` grants spares only while a quarter of the slots is free, and only
such as start at once. A spare is sent as soon after its start as any permit (`timings.SEND_WITHIN`), so the proof
covers it. A process returns the spares that it did not use within `USE_WITHIN`, and all of a resource when the vendor
refused a call or changed the limit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from integrations.core import clock
from integrations.quota.permits import timings
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.permit import Permit

MOST = 7
USE_WITHIN = 1.0  # seconds after the question
_AHEAD = 0.5  # seconds
_ROW = 3

assert USE_WITHIN < timings.SEND_WITHIN, "a spare could be too late when it is taken"


@dataclass(slots=True)
class _Pool:
    """The spares of one resource and lane, and the last question: when, how many of its permits were used, its row."""

    asked_at: float
    used: int = 1
    row: int = 0  # questions that followed each other quickly
    spares: list[tuple[Permit, float, float]] = field(default_factory=list)  # with `ttl`, and when it goes back


class Spares:
    """The spare permits of this process. Thread-safe."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin empty: in a forked process the spares are the parent's."""
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, Lane], _Pool] = {}

    def take(self, key: str, lane: Lane, *, ttl: float) -> Permit | None:
        """A spare that lies out for `ttl` seconds or longer, if there is one."""
        pool = self._pools.get((key, lane))
        if pool is None:
            return None
        with self._lock:
            if not pool.spares or pool.spares[-1][1] < ttl or pool.spares[-1][2] < clock.monotonic():
                return None
            pool.used += 1
            return pool.spares.pop()[0]

    def wanted(self, key: str, lane: Lane) -> int:
        """How many spares the next question should ask for."""
        pool = self._pools.get((key, lane))
        if pool is None or pool.row < _ROW:
            return 0
        elapsed = clock.monotonic() - pool.asked_at
        return max(0, min(MOST, int(pool.used * _AHEAD / max(elapsed, 1e-6)) - 1))

    def keep(self, key: str, lane: Lane, permits: Iterable[Permit], *, ttl: float, asked_at: float) -> None:
        """Note a question, and keep the permits that it gave beside the first. Of other lanes nothing is noted."""
        if lane is not Lane.INTERACTIVE:
            return
        with self._lock:
            pool = self._pools.setdefault((key, lane), _Pool(asked_at))
            pool.row = pool.row + 1 if asked_at - pool.asked_at < _AHEAD else 1
            pool.asked_at, pool.used = asked_at, 1
            pool.spares += [(permit, ttl, asked_at + USE_WITHIN) for permit in permits]

    def leave(self, key: str | None = None) -> list[Permit]:
        """Take out those that are too old to be used, or all of the resource `key`. The caller returns them."""
        now, left = clock.monotonic(), []
        with self._lock:
            for name, pool in list(self._pools.items()):
                stay = [one for one in pool.spares if one[2] >= now and name[0] != key]
                left += [one[0] for one in pool.spares if one not in stay]
                pool.spares = stay
                if not stay and pool.asked_at + USE_WITHIN < now:
                    del self._pools[name]
        return left

    def __bool__(self) -> bool:
        """Whether there is something to leave, now or later."""
        return bool(self._pools)
