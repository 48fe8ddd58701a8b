"""When which resource is worth asking again: the leading pump's memory, made anew from the rows by its successor."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

LONGEST = 300.0  # seconds; what was refused for a day may be granted sooner after all, when headers say so
_EVERYBODY = 99


@dataclass(frozen=True, slots=True)
class Appointment:
    """Ask at `at` (monotonic). Lanes below `rank` were not refused, so their tasks need not wait for it."""

    at: float
    rank: int


class Agenda:
    """One appointment per resource. Overtaken ones stay in the heap until they come up."""

    def __init__(self) -> None:
        self._of: dict[str, Appointment] = {}
        self._heap: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._of)

    def __contains__(self, key: str) -> bool:
        return key in self._of

    def ask(self, key: str, at: float, *, rank: int = _EVERYBODY) -> None:
        """Replace the resource's appointment. `rank` of the highest lane that was refused, if one was."""
        self._of[key] = Appointment(at, rank)
        heapq.heappush(self._heap, (at, key))

    def parked(self, key: str, rank: int, at: float) -> None:
        """A task was parked. Its lane waits for the appointment there is, unless only lower ones were refused."""
        known = self._of.get(key)
        if known is None or (rank < known.rank and at < known.at):
            self.ask(key, at)

    def forget(self, key: str) -> None:
        self._of.pop(key, None)

    def next_at(self) -> float | None:
        while self._heap and not self._stands(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float, most: int) -> list[str]:
        """Resources whose appointment has come, longest overdue first."""
        found: list[str] = []
        while len(found) < most and (at := self.next_at()) is not None and at <= now:
            found.append(heapq.heappop(self._heap)[1])
        return found

    def _stands(self, entry: tuple[float, str]) -> bool:
        at, key = entry
        known = self._of.get(key)
        return known is not None and known.at == at
