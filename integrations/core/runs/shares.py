"""Shares of the worker threads: how many runs with one value in a column, such as one job, may be at work at a time.

A run is at work while a worker has its lease. A run whose message is in flight counts apart, because a message waits
in the queue and takes no thread: as many messages per thread as the dispatcher sends (`core.dispatch.PER_THREAD`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

MESSAGES_PER_THREAD = 2


@dataclass(frozen=True, slots=True)
class ThreadShare:
    """At most `most` runs with the same value in `column` are at work."""

    column: str
    most: int

    @classmethod
    def of(cls, column: str, part: float, threads: int, *, least: int = 1) -> ThreadShare:
        """A part of so many threads, but at least `least`."""
        return cls(column, max(least, int(threads * part)))


class SharesInUse:
    """How much of each share is used. `at_work` has a row per run: whether it is only a message, and its values."""

    def __init__(self, shares: Sequence[ThreadShare], at_work: Iterable[tuple[bool, Sequence[Any]]]) -> None:
        self._shares = shares
        self._working: list[Counter[Any]] = [Counter() for _ in shares]
        self._messages: list[Counter[Any]] = [Counter() for _ in shares]
        for is_message, values in at_work:
            self._add(self._messages if is_message else self._working, values)

    def used_up(self) -> Iterable[tuple[str, list[Any]]]:
        """Each column with the values that have their share already."""
        for number, share in enumerate(self._shares):
            values = self._working[number].keys() | self._messages[number].keys()
            yield share.column, [value for value in values if not self._has_room(number, value)]

    def admit(self, values: Sequence[Any]) -> bool:
        """Whether a message may be sent for a run with these values; then it counts as sent."""
        if not all(self._has_room(number, value) for number, value in enumerate(values)):
            return False
        self._add(self._messages, values)
        return True

    def _has_room(self, number: int, value: Any) -> bool:
        most = self._shares[number].most
        return self._working[number][value] < most and self._messages[number][value] < MESSAGES_PER_THREAD * most

    def _add(self, counters: list[Counter[Any]], values: Sequence[Any]) -> None:
        for counter, value in zip(counters, values, strict=True):
            counter[value] += 1
