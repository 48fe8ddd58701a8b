"""The styles that many operations share, by the names of the parameters; `pagination_styles` fills them in."""

from __future__ import annotations

from typing import Any

from integrations.highlevel.pagination.pages import Step, Style
from integrations.highlevel.pagination.steps import last_id, offset, page_number, token


def query(items: str, total: str, size: str, step: Step, cursor: str, **more: Any) -> Style:
    """`items`, `total` and `cursor` are several names separated by spaces; `more` are the style's other fields."""
    return Style(tuple(items.split()), tuple(total.split()), size, step, tuple(cursor.split()), **more)


def skips(items: str, total: str = "", more: str = "", **how: Any) -> Style:
    """`limit` and `skip`."""
    return query(items, total, "limit", offset("skip", more), "skip", start=(("skip", 0),), **how)


def offsets(items: str, total: str = "", more: str = "", **how: Any) -> Style:
    """`limit` and `offset`."""
    return query(items, total, "limit", offset("offset", more), "offset", start=(("offset", 0),), **how)


def body_skips(items: str, total: str = "", more: str = "", **how: Any) -> Style:
    """`limit` and `skip` of a listing that is asked for by POST."""
    return skips(items, total, more, place="body", **how)


def numbers(items: str, total: str, size: str, more: str = "", *, first: int = 1, **how: Any) -> Style:
    """`page`, and the page size under one of its names, or none."""
    step = page_number(more=more, first=first)
    return query(items, total, size, step, "page", start=(("page", first),), **how)


def tokens(items: str, total: str, size: str, name: str, path: str, more: str = "") -> Style:
    """A token of the answer, found at `path`, that goes into the parameter `name`."""
    return query(items, total, size, token(name, path, more), name)


def last_ids(items: str, name: str) -> Style:
    """The last row's id in the parameter `name`, which the vendor wants empty with the first page."""
    return query(items, "", "limit", last_id(name), name, start=((name, ""),))
