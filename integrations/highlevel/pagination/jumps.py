"""Pagination jumps: the request of a page by the number of rows before it, for pages that are read ahead.

A step needs the page before; a jump needs its rows only. So only listings that count have jumps: those by offset, those
by page number, and searches that take a page number within their first `DEEPEST` rows and a cursor at any depth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Jump = Callable[[int, int], dict[str, Any] | None]  # rows before the page, rows of each page; None: not that far

DEEPEST = 10_000  # rows of a search that have a page number (FACTS 7.4)


def to_offset(name: str) -> Jump:
    """By the number of records to skip."""
    return lambda before, size: {name: before}


def to_number(name: str = "page", *, first: int = 1, deepest: int | None = None) -> Jump:
    """By the number of the page, from `first`; no further than `deepest` rows."""

    def jump(before: int, size: int) -> dict[str, Any] | None:
        return None if deepest is not None and before + size > deepest else {name: before // size + first}

    return jump


BY_NUMBER = to_number(deepest=DEEPEST)
