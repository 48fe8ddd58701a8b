"""Pagination families: styles that many operations share, by their parameters' names, for `pagination.styles`."""

from __future__ import annotations

from typing import Any

from integrations.highlevel.pagination.jumps import to_number, to_offset
from integrations.highlevel.pagination.pages import Step, Style
from integrations.highlevel.pagination.steps import last_id, offset, page_number, token


def query(items: str, total: str, size: str, step: Step, cursor: str, **more: Any) -> Style:
    """A style with query parameters. `items`, `total`, `cursor`: names separated by spaces; `more`: other fields."""
    return Style(tuple(items.split()), tuple(total.split()), size, step, tuple(cursor.split()), **more)


def skips(items: str, total: str = "", more: str = "", **how: Any) -> Style:
    """Paging by `limit` and `skip`."""
    paged = {"start": (("skip", 0),), "jump": to_offset("skip"), **how}
    return query(items, total, "limit", offset("skip", more), "skip", **paged)


def offsets(items: str, total: str = "", more: str = "", **how: Any) -> Style:
    """Paging by `limit` and `offset`."""
    paged = {"start": (("offset", 0),), "jump": to_offset("offset"), **how}
    return query(items, total, "limit", offset("offset", more), "offset", **paged)


def body_skips(items: str, total: str = "", more: str = "", **how: Any) -> Style:
    """Paging by `limit` and `skip` in the body of a listing that uses POST."""
    return skips(items, total, more, part="body", **how)


def numbers(items: str, total: str, size: str, more: str = "", *, first: int = 1, **how: Any) -> Style:
    """Paging by `page`, with the page size under one of its names, or none."""
    paged = {"start": (("page", first),), "jump": to_number(first=first), **how}
    return query(items, total, size, page_number(more=more, first=first), "page", **paged)


def tokens(items: str, total: str, size: str, name: str, path: str, more: str = "") -> Style:
    """Paging by a token of the response, found at `path`, that goes into the parameter `name`."""
    return query(items, total, size, token(name, path, more), name)


def last_ids(items: str, name: str) -> Style:
    """Paging by the last row's id in the parameter `name`, which the vendor wants empty for the first page."""
    return query(items, "", "limit", last_id(name), name, start=((name, ""),))
