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
    """The tests in an order in which each of `workers` gets its share of the slow ones first.

    With `--dist worksteal` each worker begins with one part of the list, and one that is done takes tests from the end
    of another's part. So a test of half a minute never begins last, while the other workers have nothing left to do.
    """
    slow = [item for item in items if item.get_closest_marker("slow")]
    light = [item for item in items if not item.get_closest_marker("slow")]
    dealt: list[pytest.Item] = []
    for worker in range(workers):
        dealt += slow[worker::workers]
        missing = max(0, len(items) * (worker + 1) // workers - len(dealt))
        dealt += light[:missing]
        light = light[missing:]
    return dealt
