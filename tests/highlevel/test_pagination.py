"""Walking listings: every style to its end, and the ways in which a server must not fool it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.core.errors import PayloadAnomalous
from integrations.highlevel.pagination import pages as pagination
from integrations.highlevel.pagination.pages import Style, read
from integrations.highlevel.pagination.styles import STYLES, style_of
from tests.support.tables import check_every

Server = Callable[[dict[str, Any]], dict[str, Any]]


def rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "searchAfter": [n, f"r{n}"], "sort": [1000 + n]} for n in range(count)]


def listed(style: Style, server: Server, size: int, *, limit: int = 300) -> list[Any]:
    """Follows the pages as a sync would."""
    found: list[Any] = []
    sent, previous = style.first(size), None
    for _ in range(limit):
        page = read(style, sent, server(sent), trail=previous)
        found += page.items
        if page.next is None:
            return found
        sent, previous = page.next, page.trail
    raise AssertionError("the listing does not end")


# One server per style, as the vendor is described (FACTS section 7). `cap`: the most it returns, whatever is asked.
def skipping(name: str, items: str, total: str | None, everything: list[Any], cap: int) -> Server:
    def server(sent: dict[str, Any]) -> dict[str, Any]:
        begin = int(sent.get(name, 0))
        answer: dict[str, Any] = {items: everything[begin : begin + min(cap, int(sent["limit"]))]}
        return answer | ({total: len(everything)} if total else {})

    return server


def searching(items: str, size: str, everything: list[Any], cap: int) -> Server:
    def server(sent: dict[str, Any]) -> dict[str, Any]:
        after = sent.get("searchAfter") or [-1]
        begin = after[0] + 1
        return {items: everything[begin : begin + min(cap, sent[size])], "total": len(everything)}

    return server


def opportunities(everything: list[Any], cap: int) -> Server:
    def server(sent: dict[str, Any]) -> dict[str, Any]:
        begin = int(sent.get("startAfter", -1)) + 1
        assert ("startAfterId" in sent) == ("startAfter" in sent)
        part = everything[begin : begin + min(cap, sent["limit"])]
        more = begin + len(part) < len(everything)
        meta = {"total": len(everything), "nextPage": 2 if more else None}
        if part:
            meta |= {"startAfter": begin + len(part) - 1, "startAfterId": part[-1]["id"]}
        return {"opportunities": part, "meta": meta}

    return server


def tokens(everything: list[Any], cap: int) -> Server:
    def server(sent: dict[str, Any]) -> dict[str, Any]:
        begin = int(sent.get("pageToken", "p0")[1:])
        end = begin + min(cap, sent["pageSize"])
        more = end < len(everything)
        pagination = {
            "hasNextPage": more,
            "totalRecords": len(everything),
            "nextPageToken": f"p{end}" if more else None,
        }
        return {"items": everything[begin:end], "pagination": pagination}

    return server


def numbered(items: str, everything: list[Any], cap: int) -> Server:
    def server(sent: dict[str, Any]) -> dict[str, Any]:
        size = min(cap, sent["pageSize"])
        begin = (sent.get("page", 1) - 1) * size
        return {items: everything[begin : begin + size], "total": len(everything)}

    return server


def submissions(everything: list[Any], cap: int) -> Server:
    def server(sent: dict[str, Any]) -> dict[str, Any]:
        number, size = sent.get("page", 1), min(cap, sent["limit"])
        part = everything[(number - 1) * size : number * size]
        more = number * size < len(everything)
        meta = {"total": len(everything), "currentPage": number, "nextPage": number + 1 if more else None}
        return {"submissions": part, "meta": meta}

    return server


def messages(everything: list[Any], cap: int) -> Server:
    def server(sent: dict[str, Any]) -> dict[str, Any]:
        begin = int(sent.get("lastMessageId", "r-1")[1:]) + 1
        part = everything[begin : begin + min(cap, sent["limit"])]
        more = begin + len(part) < len(everything)
        return {"messages": {"messages": part, "nextPage": more, "lastMessageId": part[-1]["id"] if part else None}}

    return server


def conversations(everything: list[Any], cap: int) -> Server:
    def server(sent: dict[str, Any]) -> dict[str, Any]:
        begin = sent.get("startAfterDate", 999) - 1000 + 1
        return {"conversations": everything[begin : begin + min(cap, sent["limit"])], "total": len(everything)}

    return server


SERVERS: dict[tuple[str, str], Callable[[list[Any], int], Server]] = {
    ("v2", "contacts.search-contacts-advanced"): lambda e, c: searching("contacts", "pageLimit", e, c),
    ("v2", "opportunities.search-opportunities-advanced"): lambda e, c: searching("opportunities", "limit", e, c),
    ("v2", "objects.search-object-records"): lambda e, c: searching("records", "pageLimit", e, c),
    ("v2", "opportunities.search-opportunity"): opportunities,
    ("v2", "oauth.get-installed-location"): lambda e, c: skipping("skip", "locations", "count", e, c),
    ("v3", "oauth.get-installed-location"): tokens,
    ("v2", "invoices.list-invoices"): lambda e, c: skipping("offset", "invoices", "total", e, c),
    ("v2", "users.search-users"): lambda e, c: skipping("skip", "users", None, e, c),
    ("v2", "voice-ai.get-call-logs"): lambda e, c: numbered("callLogs", e, c),
    ("v2", "forms.get-forms-submissions"): submissions,
    ("v2", "conversations.get-messages"): messages,
    ("v2", "conversations.search-conversation"): conversations,
}


@pytest.mark.parametrize("cap", [1000, 7], ids=["as asked", "server caps the page"])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 57])
def test_a_walk_finds_every_row_once(count, cap):
    everything = rows(count)

    def finds_every_row(dialect, key):
        assert listed(style_of(key, dialect), SERVERS[dialect, key](everything, cap), 10) == everything

    check_every(SERVERS, finds_every_row)


CHANGES: dict[str, Callable[[list[Any], int], None]] = {
    "one comes last": lambda everything, turn: everything.append({**rows(1)[0], "id": f"late{turn}"}),
    "one comes first": lambda everything, turn: everything.insert(0, {**rows(1)[0], "id": f"new{turn}"}),
    "the first goes": lambda everything, _: everything.pop(0),
    "the last goes": lambda everything, _: everything.pop(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_walk_over_a_moving_listing_ends_and_brings_no_page_twice(change):
    """Rows may shift between pages, but no page comes again and every listing ends."""
    check_every([(*row, change) for row in SERVERS], ends_and_brings_no_page_twice)


def ends_and_brings_no_page_twice(dialect, key, change):
    everything = rows(45)
    answered: list[tuple[Any, ...]] = []
    inner = SERVERS[dialect, key](everything, 1000)

    def server(sent):
        answer = inner(sent)
        answered.append(tuple(map(str, pagination.found(answer, style_of(key, dialect).items))))
        if len(answered) <= 6:
            _renumbered(everything, CHANGES[change], len(answered))
        return answer

    try:
        listed(style_of(key, dialect), server, 10)
    except PayloadAnomalous:
        answered.pop()  # the page that came again was refused, and a later listing starts again
    full = [page for page in answered if page]
    assert len(full) >= 3
    assert len(full) == len(set(full))


def _renumbered(everything, change, turn):
    """Apply a change; the cursors of these servers are positions, so the rows get their new ones."""
    change(everything, turn)
    for position, row in enumerate(everything):
        row |= {"searchAfter": [position, row["id"]], "sort": [1000 + position]}


@pytest.mark.slow
@given(st.integers(0, 120), st.integers(1, 40), st.integers(1, 40))
def test_any_size_finds_every_row_once(count, size, cap):
    everything = rows(count)
    for (dialect, key), make in SERVERS.items():
        assert listed(style_of(key, dialect), make(everything, cap), size) == everything


def style(key: str, dialect: str = "v2") -> Style:
    return STYLES[dialect][key]


def test_a_server_that_ignores_the_offset_is_found_out():
    stuck = {"users": rows(10)}
    users = style("users.search-users")
    first = read(users, users.first(10), stuck)
    with pytest.raises(PayloadAnomalous, match="repeats a page"):
        read(users, first.next, stuck, trail=first.trail)


def test_a_cursor_that_stands_still_is_found_out():
    search = style("contacts.search-contacts-advanced")
    sent = {"pageLimit": 1, "searchAfter": [0, "r0"]}
    with pytest.raises(PayloadAnomalous, match="its own successor"):
        read(search, sent, {"contacts": rows(1), "total": 9})


@pytest.mark.parametrize(
    ("key", "dialect", "answer"),
    [
        ("contacts.search-contacts-advanced", "v2", {"contacts": [{"id": 1}, {"id": 2}], "total": 9}),
        ("contacts.search-contacts-advanced", "v2", {"contacts": ["odd", "rows"]}),
        ("opportunities.search-opportunity", "v2", {"opportunities": [{}, {}], "meta": {"total": 9}}),
        ("conversations.search-conversation", "v2", {"conversations": [{}, {}], "total": 9}),
        ("conversations.get-messages", "v2", {"messages": [{}, {}], "nextPage": True}),
        ("oauth.get-installed-location", "v3", {"items": [{}, {}], "pagination": {"hasNextPage": True}}),
    ],
)
def test_a_full_page_without_successor_is_not_the_end(key, dialect, answer):
    found = style(key, dialect)
    with pytest.raises(PayloadAnomalous):
        read(found, found.first(2), answer)


@pytest.mark.parametrize("answer", [None, [], "text", {}, {"contacts": None}, {"contacts": {"a": 1}}, {"contacts": 5}])
def test_an_answer_without_a_list_is_not_an_empty_page(answer):
    search = style("contacts.search-contacts-advanced")
    with pytest.raises(PayloadAnomalous, match="no list under contacts"):
        read(search, search.first(10), answer)


def test_a_wrong_total_does_not_stop_a_listing_early():
    """`count` in a company's listing counts locations that the filter leaves out, and may count fewer than
    shown.
    """
    installed = style("oauth.get-installed-location")
    page = read(installed, installed.first(10), {"locations": rows(10), "count": 3})
    assert page.next == {"limit": 10, "skip": 10}


def test_totals_of_odd_types_are_ignored():
    products = style("products.list-invoices")
    page = read(products, products.first(10), {"products": rows(10), "total": [{"total": 10}]})
    assert (page.total, page.next) == (None, {"limit": 10, "offset": 10})


def test_conversations_go_on_from_the_date_they_are_sorted_by():
    found = style("conversations.search-conversation")
    row = {"id": "c", "lastMessageDate": 1700000000123, "lastManualMessageDate": "2026-01-01T00:00:00.500+00:00"}
    sent = found.first(1)
    assert read(found, sent, {"conversations": [row]}).next["startAfterDate"] == 1700000000123
    manual = {**sent, "sortBy": "last_manual_message_date"}
    assert read(found, manual, {"conversations": [row]}).next["startAfterDate"] == 1767225600500


def test_both_shapes_of_the_message_list_are_read():
    found = style("conversations.get-messages")
    flat = {"messages": rows(2), "nextPage": True, "lastMessageId": "r1"}
    nested = {"messages": flat}
    assert read(found, found.first(2), flat).next == read(found, found.first(2), nested).next
    assert read(found, found.first(2), nested).items == rows(2)
