"""Marks tests by what they cost, as their fixtures tell it: `commits`, `vendor`. For `make quick`, and for `-m`."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

_COMMITTING = {"transactional_db", "live_server"}
_VENDORS = {"vendor", "big_vendor", "scripted"}


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark the tests that commit to the database, and those that call a stand-in of the vendor."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & _COMMITTING or any(mark.kwargs.get("transaction") for mark in item.iter_markers("django_db")):
            item.add_marker(pytest.mark.commits)
        if fixtures & _VENDORS:
            item.add_marker(pytest.mark.vendor)
