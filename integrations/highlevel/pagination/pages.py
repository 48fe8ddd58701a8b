"""Pagination: computes the next page's parameters from a request and its response. Pure functions without state.

The vendor has a dozen styles (FACTS section 7): `pagination.steps` implements them, `pagination.styles` says which
operation uses which. Four rules keep a listing complete, because a page lost silently later looks like deleted records:

- an offset moves by the rows received, not by the rows requested, because servers cap page sizes silently;
- a full page that names no successor where its style must is an error, not the end;
- a page or a cursor that comes again is an error, not progress (`pagination.loop_detection`);
- an end that contradicts the response's own total, or its own statement that more follows, is an error too. An empty
  page is the end only where nothing contradicts that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from integrations.core import texts
from integrations.core.errors import PayloadAnomalous
from integrations.highlevel.pagination import loop_detection, steady
from integrations.highlevel.pagination.jumps import Jump
from integrations.highlevel.pagination.loop_detection import Trail

Sent = Mapping[str, Any]
Changes = dict[str, Any] | None  # None: this was the last page

ANYWHERE = "*"  # for undescribed responses: the response itself, or its only list
LARGEST = 100  # rows of a page: what nearly all of the vendor's listings take; `Style.most` has the others
MOST_ROWS = 2**31 - 1  # of a listing; a larger total counts as missing
_NOT_ROWS = frozenset({"total"})  # a list beside the rows: some listings count as `[{"total": 40}]`


@dataclass(frozen=True, slots=True)
class Received:
    """One response as input of a step. `requested` is the page size that was sent, None when none was."""

    sent: Sent
    answer: Any
    items: list[Any]
    total: int | None
    requested: int | None

    @property
    def full(self) -> bool:
        """Whether the page has as many rows as requested; true when no size was sent."""
        return self.requested is None or len(self.items) >= self.requested


Step = Callable[[Received], Changes]


@dataclass(frozen=True, slots=True)
class Style:
    """How one operation pages. `items` and `total` are dotted paths; the first that exists counts.

    `part`: the part of the request for the parameters; `text`: they have to be strings there. `size` is the name of the
    page size, `most` the largest. `cursor` names the parameters that the step changes; `start` is sent with the first
    page. `jump` requests a page by the rows before it, where the operation can (`pagination.steady`).
    """

    items: tuple[str, ...]
    total: tuple[str, ...]
    size: str
    step: Step
    cursor: tuple[str, ...]
    start: tuple[tuple[str, Any], ...] = ()
    part: Literal["query", "body"] = "query"
    most: int = LARGEST
    text: bool = False
    jump: Jump | None = None

    def first(self, size: int = LARGEST) -> dict[str, Any]:
        """The parameters of the first page."""
        return self.spelled({**({self.size: min(size, self.most)} if self.size else {}), **dict(self.start)})

    def begins(self, sent: Sent) -> bool:
        """Whether the parameters request the listing's start, so that its total can be compared with the response."""
        start = self.spelled(dict(self.start))
        return all(sent.get(name) == start.get(name) for name in self.cursor)

    def spelled(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values as the operation takes them: as strings where `text` requires it."""
        return {name: str(value) for name, value in values.items()} if self.text else values


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `next` has all parameters of the following page, None at the end. `trail` goes to the next `read`."""

    items: list[Any]
    total: int | None
    next: dict[str, Any] | None
    trail: Trail


def read(style: Style, sent: Sent, answer: Any, *, trail: Trail | None = None) -> Page:
    """Parse one response. `sent` are the parameters (or the body) of its request, `trail` the previous page's.

    Raises PayloadAnomalous when the items are missing, a page or a cursor comes again, or the response contradicts
    itself about what follows it.
    """
    items = rows_in(answer, style.items)
    total = as_count(found(answer, style.total))
    changes = style.step(Received(sent, answer, items, total, as_number(sent.get(style.size))))
    if changes is None and total is not None and total > len(items) and style.begins(sent):
        raise PayloadAnomalous("the first page is the last and lacks rows of the total", items=len(items), total=total)
    following = None if changes is None else {**sent, **style.spelled(changes)}
    longer = loop_detection.extended(trail, items, following)
    if following == dict(sent):
        raise PayloadAnomalous("HighLevel names a page as its own successor", items=len(items))
    return Page(items, total, following, longer | steady.extended(trail, items, total))


def requests_ahead(style: Style, page: Page, most: int) -> dict[int, dict[str, Any]]:
    """The requests of pages after `page` by the number of rows before them, at most so many.

    None where the style has no jump, or the listing is not steady.
    """
    asked: dict[int, dict[str, Any]] = {}
    if style.jump is None or page.next is None:
        return asked
    same = {name: value for name, value in page.next.items() if name not in style.cursor}
    for before, size in steady.places(page.trail, most):
        changes = style.jump(before, size)
        if changes is None:
            break
        asked[before] = {**same, **style.spelled({**dict(style.start), **changes})}
    return asked


def found(answer: Any, paths: tuple[str, ...]) -> Any:
    """The value under the first path that leads to a list, a count or any other value."""
    for path in paths:
        value = answer
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None and not isinstance(value, dict):
            return value
    return None


def as_number(value: Any) -> int | None:
    """A whole number that was sent, also as text."""
    if isinstance(value, str):
        return texts.whole(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_count(value: Any) -> int | None:
    """A plausible total: whole, not negative, not astronomical. Anything else (text, NaN) gives None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_ROWS:
        return None
    return int(value) if value == int(value) else None


def rows_in(answer: Any, paths: tuple[str, ...]) -> list[Any]:
    """The rows of an answer under the first of these paths. Raises PayloadAnomalous when there is no list."""
    if paths == (ANYWHERE,):
        lists = _lists(answer)
        if len(lists) == 1:
            return lists[0]
        raise PayloadAnomalous(f"the answer holds {len(lists)} lists where its rows should be the only one")
    items = found(answer, paths)
    if not isinstance(items, list):
        raise PayloadAnomalous(f"the answer holds no list under {' or '.join(paths)}")
    return items


def _lists(answer: Any, depth: int = 2) -> list[list[Any]]:
    """The response itself, or the lists at its top; if there are none, those one level below."""
    if isinstance(answer, list):
        return [answer]
    if not isinstance(answer, dict) or depth == 0:
        return []
    inner = [value for name, value in answer.items() if name not in _NOT_ROWS]
    return [value for value in inner if isinstance(value, list)] or [
        rows for value in inner for rows in _lists(value, depth - 1)
    ]
