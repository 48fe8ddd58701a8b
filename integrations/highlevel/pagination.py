"""What the next page is, from what was sent and what came back. Pure: no call, no clock, nothing
remembered.

The vendor has a dozen styles (FACTS section 7); `pagination_styles` says which operation uses which. Three
rules keep a listing complete, because a page lost silently later looks like deleted records:

- an offset moves by what was received, not by what was asked for, as servers cap page sizes without saying;
- a full page that names no successor where its style must is an error, not the end;
- a page that repeats the one before it is an error, not progress.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from integrations.core.errors import PayloadAnomalous

Sent = Mapping[str, Any]
Changes = dict[str, Any] | None  # None: this was the last page


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer as the steps see it. `asked` is the page size that was sent, None when none was."""

    sent: Sent
    answer: Mapping[str, Any]
    items: list[Any]
    total: int | None
    asked: int | None

    @property
    def full(self) -> bool:
        return self.asked is None or len(self.items) >= self.asked


Step = Callable[[Seen], Changes]


@dataclass(frozen=True, slots=True)
class Style:
    """How one operation pages. `items` and `total` are dotted paths, the first that exists counts.

    `place` says where the parameters go; `size` is the name of the page size; `start` is sent with the
    first page.
    """

    items: tuple[str, ...]
    total: tuple[str, ...]
    place: Literal["query", "body"]
    size: str
    step: Step
    start: tuple[tuple[str, Any], ...] = ()

    def first(self, size: int) -> dict[str, Any]:
        """The parameters of the first page."""
        return {self.size: size, **dict(self.start)} if self.size else dict(self.start)


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is everything to send for the following page, None at the end. `fingerprint` names this page's
    items.
    """

    items: list[Any]
    total: int | None
    next: dict[str, Any] | None
    fingerprint: str


def read(style: Style, sent: Sent, answer: Any, *, previous: str | None = None) -> Page:
    """Reads one answer. `sent` are the parameters (or the body) it answers, `previous` the last page's
    fingerprint.

    Raises PayloadAnomalous when the items are missing, the page repeats or a full page does not say what
    follows it.
    """
    items = _found(answer, style.items)
    if not isinstance(items, list):
        raise PayloadAnomalous(f"the answer holds no list under {' or '.join(style.items)}")
    total = _found(answer, style.total)
    seen = Seen(sent, answer, items, total if _is_count(total) else None, _number(sent.get(style.size)))
    changes = style.step(seen) if items else None
    fingerprint = _fingerprint(items)
    if items and fingerprint == previous:
        raise PayloadAnomalous("HighLevel repeats a page: the listing would never end", items=len(items))
    following = None if changes is None else {**sent, **changes}
    if following == dict(sent):
        raise PayloadAnomalous("HighLevel names a page as its own successor", items=len(items))
    return Page(items, seen.total, following, fingerprint)


def offset(name: str) -> Step:
    """`offset` or `skip`: records to leave out. Ends at the total, or without one at an empty page."""

    def step(seen: Seen) -> Changes:
        reached = (_number(seen.sent.get(name)) or 0) + len(seen.items)
        return None if seen.total is not None and reached >= seen.total else {name: reached}

    return step


def page_number(name: str = "page", more: str = "") -> Step:
    """Pages counted from one. `more` is the path of a field that is empty or false on the last page."""

    def step(seen: Seen) -> Changes:
        number = _number(seen.sent.get(name)) or 1
        if more and _has(seen.answer, more):
            return {name: number + 1} if _found(seen.answer, (more,)) else None
        # By the size received: the server's own pages may be smaller than asked. A short last page ends one later.
        reached = number * len(seen.items)
        return None if seen.total is not None and reached >= seen.total else {name: number + 1}

    return step


def token(name: str, path: str, more: str = "") -> Step:
    """An opaque token of the answer goes into the next request. `more` false means the end, whatever the
    token.
    """

    def step(seen: Seen) -> Changes:
        if more and _found(seen.answer, (more,)) is False:
            return None
        following = _found(seen.answer, (path,))
        if not following and more and _found(seen.answer, (more,)):
            raise PayloadAnomalous("the answer promises another page and does not name it")
        return {name: following} if following else None

    return step


def search_after(seen: Seen) -> Changes:
    """The last row's sort values. Only the first page can end by its total: later ones do not know their
    place.
    """
    if seen.total is not None and len(seen.items) >= seen.total:
        return None
    last = seen.items[-1]
    after = next((last[k] for k in ("searchAfter", "sort") if isinstance(last, dict) and last.get(k)), None)
    after = after or _found(seen.answer, ("searchAfter", "meta.searchAfter"))
    if after is None and seen.full:
        raise PayloadAnomalous("a full page carries no searchAfter to go on from")
    return None if after is None else {"searchAfter": after}


def start_after(seen: Seen) -> Changes:
    """`startAfter` and `startAfterId` from the answer's `meta` (opportunities, and contacts before v3)."""
    meta = seen.answer.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    if "nextPage" in meta and not meta["nextPage"]:
        return None
    if meta.get("startAfterId") and meta.get("startAfter") is not None:
        return {"startAfter": meta["startAfter"], "startAfterId": meta["startAfterId"]}
    if seen.full and (seen.total is None or len(seen.items) < seen.total):
        raise PayloadAnomalous("a full page carries no startAfter to go on from")
    return None


def start_after_date(seen: Seen) -> Changes:
    """Conversations: the last row's sort value, in epoch milliseconds; `total` counts what is left or all
    of it.
    """
    if seen.total is not None and len(seen.items) >= seen.total:
        return None
    last = seen.items[-1] if isinstance(seen.items[-1], dict) else {}
    sort = last.get("sort")
    after = sort[0] if isinstance(sort, list) and sort else _epoch_ms(last.get(_sorted_by(seen.sent)))
    if after is None and seen.full:
        raise PayloadAnomalous("a full page carries no date to go on from")
    return None if after is None else {"startAfterDate": after}


def last_message(seen: Seen) -> Changes:
    """Messages: newest first, `nextPage` says whether older ones follow. Live answers nest it all in
    `messages`.
    """
    inner = seen.answer.get("messages")
    envelope = inner if isinstance(inner, dict) else seen.answer
    if not envelope.get("nextPage"):
        return None
    last = envelope.get("lastMessageId")
    if not last:
        raise PayloadAnomalous("the answer promises older messages and does not name the last one")
    return {"lastMessageId": last}


_SORT_FIELDS = {"last_manual_message_date": "lastManualMessageDate", "last_message_date": "lastMessageDate"}


def _sorted_by(sent: Sent) -> str:
    return _SORT_FIELDS.get(sent.get("sortBy", "last_message_date"), "")


def _epoch_ms(value: Any) -> int | None:
    if isinstance(value, str):
        try:
            return int(datetime.fromisoformat(value).timestamp() * 1000)
        except ValueError:
            return None
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _found(answer: Any, paths: tuple[str, ...]) -> Any:
    """The value under the first path that leads to a list, a count or any other value."""
    for path in paths:
        value = answer
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None and not isinstance(value, dict):
            return value
    return None


def _has(answer: Mapping[str, Any], path: str) -> bool:
    parent, _, name = path.rpartition(".")
    holder = answer.get(parent) if parent else answer
    return isinstance(holder, dict) and name in holder


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _fingerprint(items: list[Any]) -> str:
    """Names the page by its rows' ids; rows without one count as they are."""
    names = (repr((row.get("id") or row.get("_id") or row) if isinstance(row, dict) else row) for row in items)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
