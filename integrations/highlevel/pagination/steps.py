"""Pagination steps: the vendor's ways to go from page to page (FACTS section 7), as functions of the response."""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import Any

from integrations.core.errors import PayloadAnomalous
from integrations.highlevel.pagination.pages import Changes, Received, Sent, Step, as_number, found


def offset(name: str, more: str = "") -> Step:
    """`offset` or `skip`: the number of records to skip.

    Ends by the field `more`, else at the total, else at an empty page.
    """

    def step(received: Received) -> Changes:
        reached = (as_number(received.sent.get(name)) or 0) + len(received.items)
        return None if _is_last(received, more, reached) else {name: reached}

    return step


def page_number(name: str = "page", more: str = "", *, first: int = 1) -> Step:
    """Page numbers from `first`. `more` is the path of a field that is empty or false on the last page."""

    def step(received: Received) -> Changes:
        sent = as_number(received.sent.get(name))
        number = first if sent is None else sent
        # By the size received: the server's own pages may be smaller than requested. A short last page ends one later,
        # and the rows before an empty one are at most those requested.
        before = number - first
        reached = (
            (before + 1) * len(received.items)
            if received.items
            else before * (received.requested or received.total or 0)
        )
        return None if _is_last(received, more, reached) else {name: number + 1}

    return step


def token(name: str, path: str, more: str = "") -> Step:
    """An opaque token of the response goes into the next request.

    `more` false means the end, with any token. An empty page may come with a token, because the vendor filters
    after it cuts pages.
    """

    def step(received: Received) -> Changes:
        promised = found(received.answer, (more,)) if more else None
        following = None if promised is False else found(received.answer, (path,))
        if not following and promised:
            raise PayloadAnomalous("the answer promises another page but does not name it")
        return {name: following} if following else None

    return step


def last_id(name: str) -> Step:
    """The last row's id. Only the empty page after it identifies the last page."""

    def step(received: Received) -> Changes:
        if not received.items:
            return None
        last = received.items[-1] if isinstance(received.items[-1], dict) else {}
        after = last.get("id") or last.get("_id")
        if not after:
            raise PayloadAnomalous("the last row has no id to continue from")
        return {name: after}

    return step


def search_after(received: Received) -> Changes:
    """The last row's sort values. Only the first page can end by its total: later pages do not know their position."""
    if not received.items or len(received.items) == received.total:
        return None
    last = received.items[-1]
    after = next((last[k] for k in ("searchAfter", "sort") if isinstance(last, dict) and last.get(k)), None)
    after = after or found(received.answer, ("searchAfter", "meta.searchAfter"))
    if after is None and received.full:
        raise PayloadAnomalous("a full page has no searchAfter to continue from")
    return None if after is None else {"searchAfter": after}


def start_after(received: Received) -> Changes:
    """`startAfter` and `startAfterId` from the answer's `meta` (opportunities, and contacts before v3)."""
    meta = received.answer.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    promised = bool(meta["nextPage"]) if "nextPage" in meta else None
    if promised is False or not (received.items or promised):
        return None
    if meta.get("startAfterId") and meta.get("startAfter") is not None:
        return {"startAfter": meta["startAfter"], "startAfterId": meta["startAfterId"]}
    if received.full and (received.total is None or len(received.items) < received.total):
        raise PayloadAnomalous("a full page has no startAfter to continue from")
    return None


def start_after_date(received: Received) -> Changes:
    """Conversations: the last row's sort value, in epoch milliseconds.

    `total` counts the remaining rows or all of them.
    """
    if not received.items or len(received.items) == received.total:
        return None
    last = received.items[-1] if isinstance(received.items[-1], dict) else {}
    sort = last.get("sort")
    after = sort[0] if isinstance(sort, list) and sort else _epoch_ms(last.get(_sorted_by(received.sent)))
    if after is None and received.full:
        raise PayloadAnomalous("a full page has no date to continue from")
    return None if after is None else {"startAfterDate": after}


def last_message(received: Received) -> Changes:
    """Messages, newest first: `nextPage` says whether older ones follow.

    Live responses nest all these fields in `messages`.
    """
    inner = received.answer.get("messages")
    envelope = inner if isinstance(inner, dict) else received.answer
    if not envelope.get("nextPage"):
        return None
    last = envelope.get("lastMessageId")
    if not last:
        raise PayloadAnomalous("the answer promises older messages and does not name the last one")
    return {"lastMessageId": last}


def _is_last(received: Received, more: str, reached: int) -> bool:
    """Whether a counted page is the last one.

    Raises PayloadAnomalous for an empty page before the end: counting on from there would skip rows.
    """
    promised = _states_more(received.answer, more)
    if promised is not None:
        ended = not promised
    else:
        # Rows beyond the total show it to be wrong: then only an empty page is the end.
        ended = reached == received.total if received.items else reached >= (received.total or 0)
    if not ended and not received.items:
        raise PayloadAnomalous("an empty page, and the answer says that more rows follow", total=received.total)
    return ended


def _states_more(answer: Any, path: str) -> bool | None:
    """Whether the response states that a next page exists, by the field's truth value; None without such a field."""
    parent, _, name = path.rpartition(".")
    found_parent = answer
    for part in parent.split(".") if parent else ():
        found_parent = found_parent.get(part) if isinstance(found_parent, dict) else None
    return bool(found_parent[name]) if isinstance(found_parent, dict) and name in found_parent else None


_SORT_FIELDS = {"last_manual_message_date": "lastManualMessageDate", "last_message_date": "lastMessageDate"}


def _sorted_by(sent: Sent) -> str:
    return _SORT_FIELDS.get(sent.get("sortBy", "last_message_date"), "")


def _epoch_ms(value: Any) -> int | None:
    if isinstance(value, str):
        try:
            return int(datetime.fromisoformat(value).timestamp() * 1000)
        except (ValueError, OverflowError):
            return None
    return None if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) else int(value)
