"""What tests cost: marks by fixtures (`commits`, `vendor`), and an order in which workers begin with the slow ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

_COMMITTING = {"transactional_db", "live_server"}
_VENDORS = {"highlevel", "vendor", "big_vendor", "scripted"}


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark the tests that commit to the database, and those that call the sandbox."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & _COMMITTING or any(mark.kwargs.get("transaction") for mark in item.iter_markers("django_db")):
            item.add_marker(pytest.mark.commits)
        if fixtures & _VENDORS:
            item.add_marker(pytest.mark.vendor)


def deal(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in an order in which every second of `workers` begins with slow ones, and the others with light ones.

    Slow tests mostly wait, for a clock or a process that starts; light ones mostly compute. Side by side they leave no
    core idle. With `--dist worksteal` each worker begins with one part of the list, and one that is done takes tests
    from the end of another's part. So a test of half a minute never begins last, while the others have nothing to do.
    """
    slow = [item for item in items if _is_slow(item)]
    light = [item for item in items if not _is_slow(item)]
    beginning_slow = range(0, workers, 2)
    dealt: list[pytest.Item] = []
    for worker in range(workers):
        if worker in beginning_slow:
            dealt += slow[worker // 2 :: len(beginning_slow)]
        missing = max(0, len(items) * (worker + 1) // workers - len(dealt))
        dealt += light[:missing]
        light = light[missing:]
    return dealt


def _is_slow(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("slow", "browser"))
