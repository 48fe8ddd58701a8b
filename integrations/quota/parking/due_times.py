"""DueTimeHeap of the leader: when to ask for permits of which resource. Its successor rebuilds it from the rows."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

LONGEST = 300.0  # seconds; a refusal for the whole day may end sooner, when headers say so
_ALL_LANES = 99


@dataclass(frozen=True, slots=True)
class DueTime:
    """Ask at `at` (monotonic). Lanes below `rank` were not refused, so their tasks need not wait for it."""

    at: float
    rank: int


class DueTimeHeap:
    """Heap with one valid appointment per resource. Replaced ones stay in it until their time comes."""

    def __init__(self) -> None:
        self._of: dict[str, DueTime] = {}
        self._heap: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._of)

    def __contains__(self, key: str) -> bool:
        return key in self._of

    def ask(self, key: str, at: float, *, rank: int = _ALL_LANES) -> None:
        """Replace the resource's appointment. `rank` is that of the highest lane that was refused, if one was."""
        self._of[key] = DueTime(at, rank)
        heapq.heappush(self._heap, (at, key))

    def parked(self, key: str, rank: int, at: float) -> None:
        """Note a parked task. It waits for the present appointment, unless only lanes below its own were refused."""
        known = self._of.get(key)
        if known is None or (rank < known.rank and at < known.at):
            self.ask(key, at)

    def forget(self, key: str) -> None:
        """Remove the appointment of the resource."""
        self._of.pop(key, None)

    def next_at(self) -> float | None:
        """The monotonic time of the next appointment; None without one."""
        while self._heap and not self._is_current(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float, most: int) -> list[str]:
        """Up to `most` resources whose appointment is due, longest overdue first."""
        found: list[str] = []
        while len(found) < most and (at := self.next_at()) is not None and at <= now:
            found.append(heapq.heappop(self._heap)[1])
        return found

    def _is_current(self, entry: tuple[float, str]) -> bool:
        at, key = entry
        known = self._of.get(key)
        return known is not None and known.at == at
