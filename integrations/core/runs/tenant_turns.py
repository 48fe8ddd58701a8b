"""The tenants take turns, the one that has waited longest first. So a backlog delays no other tenant.

The times at which runs fell due do not suffice: while one tenant has many runs that are older than all others, each
thread that becomes free would get one of them. So it counts when a tenant was last served. Then the first due run of
a tenant comes after at most one run of every other tenant, and after the messages that are on their way already.

The process that leads the dispatcher remembers it. A new leader knows nothing, and begins with the oldest runs.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict, deque
from collections.abc import Callable, Iterable

MOST_TENANTS = 20_000  # that are remembered; of more, those that were served last

Waiting = tuple[int, object, int]  # id, tenant and rank of a due run


class TenantTurns:
    """When each tenant was last served, as a number that grows."""

    def __init__(self) -> None:
        self._served: dict[object, int] = {}  # in the order of the numbers
        self._numbers = itertools.count(1)

    def take(self, waiting: Iterable[Waiting], limit: int, admit: Callable[[int], bool] = lambda _: True) -> list[int]:
        """Up to `limit` ids of runs, which are given with the oldest first: by rank, then the tenants in turns.

        `admit` is asked about one run after the other. One that it refuses is left, and is no turn of its tenant.
        """
        queues: defaultdict[tuple[int, object], deque[tuple[int, int]]] = defaultdict(deque)
        for age, (run_id, tenant, rank) in enumerate(waiting):
            queues[rank, tenant].append((age, run_id))
        heads = [(*self._key(rank, tenant, queue), rank, tenant) for (rank, tenant), queue in queues.items()]
        heapq.heapify(heads)
        taken: list[int] = []
        while heads and len(taken) < limit:
            *key, rank, tenant = heapq.heappop(heads)
            queue = queues[rank, tenant]
            if key == [*self._key(rank, tenant, queue)]:  # else the tenant was served in another rank since
                _, run_id = queue.popleft()
                if admit(run_id):
                    taken.append(run_id)
                    self._serve(tenant)
            if queue:
                heapq.heappush(heads, (*self._key(rank, tenant, queue), rank, tenant))
        return taken

    def _key(self, rank: int, tenant: object, queue: deque[tuple[int, int]]) -> tuple[int, int, int]:
        """What is next has the least: its rank, when the tenant was last served, its age. The ages all differ."""
        return rank, self._served.get(tenant, 0), queue[0][0]

    def _serve(self, tenant: object) -> None:
        self._served.pop(tenant, None)
        self._served[tenant] = next(self._numbers)
        if len(self._served) > MOST_TENANTS:
            del self._served[next(iter(self._served))]


_turns: dict[str, TenantTurns] = {}


def of(kind: str) -> TenantTurns:
    """The turns of one kind of run in this process."""
    return _turns.setdefault(kind, TenantTurns())


def reset() -> None:
    """Forget all, as a new process does."""
    _turns.clear()
