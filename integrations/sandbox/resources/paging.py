"""The `meta` of lists that page by `startAfter` and `startAfterId` (GET /opportunities/search, GET /contacts/).

As in live answers, the last page has a cursor too; its `nextPage` and `nextPageUrl` are null. The link is a path,
because the sandbox does not know its host name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from integrations.sandbox.data.row_store import StoredRow
from integrations.sandbox.protocol import ApiCall
from integrations.sandbox.refusals import invalid

R = TypeVar("R", bound=StoredRow)


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Rows of one page, and whether more follow."""

    rows: list[R]
    more: bool


def cut(rows: Iterator[R], *, size: int, skip: int = 0) -> Page[R]:
    """The page of `size` rows after the first `skip`."""
    found = list(islice(rows, skip, skip + size + 1))
    return Page(found[:size], len(found) > size)


def cursor(given: dict[str, Any]) -> list[Any] | None:
    """The cursor in the query, None if there is none. Raises ApiError 422 for an id without its date."""
    if "startAfterId" in given and "startAfter" not in given:
        raise invalid("startAfter should not be empty")
    return [given[name] for name in ("startAfter", "startAfterId") if name in given] or None


def number(given: dict[str, Any]) -> int:
    """The requested page number. Raises ApiError 422 below 1."""
    page = int(given.get("page", 1))
    if page < 1:
        raise invalid("page must not be less than 1")
    return page


def meta(call: ApiCall, path: str, page: Page[R], *, total: int, current: int, column: str) -> dict[str, Any]:
    """The `meta` object of a list's answer."""
    last = page.rows[-1] if page.rows else None
    behind = {"startAfter": getattr(last, column), "startAfterId": last.id} if last else {}
    link = f"{path}?{urlencode({**call.query, **behind})}"
    return {
        "total": total,
        **behind,
        "currentPage": current,
        "nextPage": current + 1 if page.more else None,
        "nextPageUrl": link if page.more else None,
        "prevPage": current - 1 if current > 1 else None,
    }
