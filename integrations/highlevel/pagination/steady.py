"""Steady listings: those whose pages all had as many rows, and the same total, since the first one.

Only in such a listing does the number of rows before a page say where the page is, so only its pages can be read ahead.
A row that is inserted or deleted meanwhile changes the total. Then the listing counts as steady no more, and is read
page after page to its end. What is known of it travels in the trail (`loop_detection`), because a listing may be
continued by another worker.
"""

from __future__ import annotations

from typing import Any

from integrations.highlevel.pagination.loop_detection import Trail

_KEY = "steady"  # of the trail: [rows of each page, total], or None


def extended(trail: Trail | None, items: list[Any], total: int | None) -> dict[str, Any]:
    """What the trail says after one more page; to be merged into it."""
    now = [len(items), total] if items and total else None
    return {_KEY: now if trail is None or trail.get(_KEY) == now else None}


def reached(trail: Trail | None) -> int | None:
    """The rows before the next page; None if the listing is not steady."""
    return trail["pages"] * trail[_KEY][0] if trail and trail.get(_KEY) else None


def places(trail: Trail, most: int) -> list[tuple[int, int]]:
    """The places of the next pages, at most so many: the rows before each, and the rows of a page."""
    before = reached(trail)
    if before is None:
        return []
    size, total = trail[_KEY]
    return [(place, size) for place in range(before, total, size)[:most]]


def is_next(trail: Trail, items: list[Any], total: int | None) -> bool:
    """Whether a page that was requested by its place has the rows that have to be there, of the same total."""
    before = reached(trail)
    if before is None:
        return False
    size, known = trail[_KEY]
    return bool(total == known and len(items) == min(size, known - before))
