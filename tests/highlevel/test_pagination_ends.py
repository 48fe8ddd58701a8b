"""When a listing ends, and when it must not: circles, absurd totals, empty pages, contradictions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.core.errors import PayloadAnomalous
from integrations.highlevel.pagination import loop_detection
from integrations.highlevel.pagination.loop_detection import MOST_EMPTY, Trail
from integrations.highlevel.pagination.pages import Page, Style, as_count, read
from integrations.highlevel.pagination.styles import STYLES

EXPORT = "conversations.export-messages-by-location"
INSTALLED = "oauth.get-installed-location"


def style(key: str, dialect: str = "v2") -> Style:
    return STYLES[dialect][key]


def steps(style: Style, answers: Any, limit: int = 400) -> list[Page]:
    """List the pages `answers(n)`; each cursor goes through JSON, as between two workers. An endless one fails."""
    sent, trail, pages = style.first(2), None, []
    for n in range(limit):
        page = read(style, sent, answers(n), trail=trail)
        pages.append(page)
        if page.next is None:
            return pages
        sent, trail = json.loads(json.dumps([page.next, page.trail]))
    raise AssertionError("the listing does not end")


def circle(before: int, length: int) -> list[int]:
    """Which page comes: some that are met once, then the same ones over and over."""
    return [n if n < before else before + (n - before) % length for n in range(4 * (before + length) + 8)]


@pytest.mark.slow
@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from(["rows", "cursors"]))
def test_no_circle_is_walked_for_ever(before, length, what):
    """Of the rows while the cursor is always new, or of the cursors while the rows are; found within two rounds."""
    order, export, delivered = circle(before, length), style(EXPORT), []

    def answer(n: int) -> dict[str, Any]:
        delivered.append(n)
        row, cursor = (order[n], f"new{n}") if what == "rows" else (f"new{n}", order[n])
        return {"messages": [{"id": row}], "nextCursor": f"c{cursor}"}

    with pytest.raises(PayloadAnomalous, match="repeats a page" if what == "rows" else "repeats a cursor|successor"):
        steps(export, answer)
    assert len(delivered) <= 2 * max(before, length) + length + 2


@pytest.mark.parametrize("length", [1, 2, 3, 5, 64, 99])
def test_a_listing_that_begins_anew_is_found_out_at_once(length):
    """The commonest circle of all: the token is lost, and the first page comes again."""
    seen = []

    def answer(n: int) -> dict[str, Any]:
        seen.append(n)
        return {"messages": [{"id": n % length}], "nextCursor": f"c{n}"}

    with pytest.raises(PayloadAnomalous, match="repeats a page"):
        steps(style(EXPORT), answer)
    assert len(seen) == length + 1


@pytest.mark.parametrize("page", [2, 3, 4, 7, 8, 100])
def test_a_last_page_for_ever_is_found_out_at_once(page):
    seen = []

    def answer(n: int) -> dict[str, Any]:
        seen.append(n)
        return {"users": [{"id": min(n, page)}]}

    with pytest.raises(PayloadAnomalous, match="repeats a page"):
        steps(style("users.search-users"), answer)
    assert len(seen) == page + 2


def test_a_long_listing_raises_no_alarm_and_its_trail_stays_small():
    trail: Trail | None = None
    for n in range(20_000):
        trail = loop_detection.extended(trail, [{"id": n}], {"skip": n})
    assert trail is not None
    assert trail["pages"] == 20_000
    assert len(json.dumps(trail)) < 1_000


def test_empty_pages_do_not_promise_others_for_ever():
    with pytest.raises(PayloadAnomalous, match=f"{MOST_EMPTY + 1} pages in a row are empty"):
        steps(style(EXPORT), lambda n: {"messages": [], "nextCursor": f"c{n}"})


def test_rows_in_between_begin_the_count_of_empty_pages_anew():
    def answer(n: int) -> dict[str, Any]:
        rows = [] if n % 50 else [{"id": n}]
        return {"messages": rows, "nextCursor": f"c{n}" if n < 300 else None}

    assert sum(len(page.items) for page in steps(style(EXPORT), answer)) == 7


@pytest.mark.parametrize(
    ("key", "dialect", "empty"),
    [
        (EXPORT, "v2", {"messages": [], "nextCursor": "c", "total": 40}),
        (INSTALLED, "v3", {"items": [], "pagination": {"hasNextPage": True, "nextPageToken": "c", "totalRecords": 9}}),
        ("conversations.get-messages", "v2", {"messages": [], "nextPage": True, "lastMessageId": "c"}),
        ("knowledge-base.list", "v2", {"faqs": [], "hasMore": True, "lastFaqId": "c"}),
        (
            "opportunities.search-opportunity",
            "v2",
            {"opportunities": [], "meta": {"nextPage": 2, "startAfter": 5, "startAfterId": "c"}},
        ),
    ],
)
def test_an_empty_page_that_names_the_next_one_is_gone_on_from(key, dialect, empty):
    page = read(style(key, dialect), style(key, dialect).first(2), empty)
    assert page.items == []
    assert "c" in page.next.values()


@pytest.mark.parametrize(
    ("key", "dialect", "answer"),
    [
        ("forms.get-forms", "v2", {"forms": [], "total": 40}),
        ("contacts.search-contacts-advanced", "v2", {"contacts": [], "total": 40}),
        ("conversations.search-conversation", "v2", {"conversations": [], "total": 40}),
        ("opportunities.search-opportunity", "v2", {"opportunities": [], "meta": {"total": 40, "nextPage": None}}),
        ("phone-system.active-numbers", "v3", {"data": {"numbers": [], "total": 40}}),
        ("forms.get-forms-submissions", "v2", {"submissions": [], "meta": {"nextPage": 2}}),
        ("agent-studio.getAgents", "v2", {"agents": [], "pagination": {"hasMore": True}}),
        (INSTALLED, "v3", {"items": [], "pagination": {"hasNextPage": False, "totalRecords": 500}}),
        (INSTALLED, "v3", {"items": [{"_id": "a"}], "pagination": {"hasNextPage": False, "totalRecords": 500}}),
        (INSTALLED, "v3", {"items": [], "pagination": {"hasNextPage": True, "totalRecords": 500}}),
        ("contacts.search-contacts-advanced", "v2", {"contacts": [{"id": "a"}], "total": 40}),
    ],
)
def test_an_end_that_the_answer_itself_contradicts_is_none(key, dialect, answer):
    with pytest.raises(PayloadAnomalous):
        read(style(key, dialect), style(key, dialect).first(2), answer)


@pytest.mark.parametrize(("sent", "total"), [({"skip": 40}, 40), ({"skip": "40"}, 40), ({"skip": 60}, 40)])
def test_an_empty_page_behind_the_total_is_the_end(sent, total):
    """A caller's own position, or a listing that shrank meanwhile."""
    assert read(style("forms.get-forms"), sent, {"forms": [], "total": total}).next is None


def test_an_empty_page_in_the_midst_is_not():
    with pytest.raises(PayloadAnomalous, match="more rows follow"):
        read(style("forms.get-forms"), {"skip": 20}, {"forms": [], "total": 40})
    numbers = style("phone-system.active-numbers", "v3")
    with pytest.raises(PayloadAnomalous, match="more rows follow"):
        read(numbers, {"page": 2, "pageSize": 10}, {"data": {"numbers": [], "total": 40}})
    assert read(numbers, {"page": 4, "pageSize": 10}, {"data": {"numbers": [], "total": 40}}).next is None


@pytest.mark.parametrize(
    "total", [float("inf"), float("nan"), 1e30, 2**31, -1, -1.0, 2.5, "2", True, None, [2], {"total": 2}]
)
def test_an_absurd_total_is_none(total):
    assert as_count(total) is None
    forms = style("forms.get-forms")
    page = read(forms, forms.first(2), {"forms": [{"id": 1}, {"id": 2}], "total": total})
    assert (page.total, page.next) == (None, {"limit": 2, "skip": 2})
    assert read(forms, page.next, {"forms": [], "total": total}, trail=page.trail).next is None


@pytest.mark.parametrize(
    ("key", "rows", "answer"),
    [
        ("forms.get-forms", "forms", {"total": 1}),
        ("contacts.search-contacts-advanced", "contacts", {"total": 0}),
        ("conversations.search-conversation", "conversations", {"total": 1}),
    ],
)
def test_a_total_below_what_came_ends_nothing(key, rows, answer):
    found = style(key)
    items = [{"id": n, "sort": [n], "searchAfter": [n]} for n in range(1, 3)]
    assert read(found, found.first(2), {rows: items, **answer}).next is not None


def test_pages_may_be_counted_from_zero():
    numbers = style("phone-system.active-numbers", "v3")
    pages = steps(numbers, lambda n: {"data": {"numbers": [{"id": 2 * n}, {"id": 2 * n + 1}], "total": 4}})
    assert numbers.first(2)["page"] == 0
    assert [page.next and page.next["page"] for page in pages] == [1, None]


@pytest.mark.parametrize(
    "answer",
    [
        [{"id": 1}],
        {"associations": [{"id": 1}]},
        {"data": {"count": 1, "data": [{"id": 1}]}, "traceId": "t"},
        {"builders": [{"id": 1}], "total": [{"total": 1}]},
    ],
)
def test_rows_of_an_undescribed_answer_are_its_only_list(answer):
    found = style("associations.find-associations")
    assert read(found, found.first(2), answer).items == [{"id": 1}]


@pytest.mark.parametrize("answer", [None, "text", {}, {"a": 1}, {"a": [], "b": []}, {"total": []}])
def test_an_undescribed_answer_without_such_a_list_is_refused(answer):
    found = style("associations.find-associations")
    with pytest.raises(PayloadAnomalous, match="should be the only one"):
        read(found, found.first(2), answer)


def test_fingerprints_name_rows_and_order():
    rows = [{"id": f"r{n}"} for n in range(3)]
    name = loop_detection.fingerprint
    assert name(rows) == name([dict(row, seen=True) for row in rows])
    assert name(rows) != name(rows[::-1])
    assert name([{"a": 1}]) != name([{"a": 2}])


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just("0001-01-01")
ANYTHING = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "a"]), inner, max_size=2)
)
HINTS = (
    "total",
    "meta",
    "pagination",
    "nextPage",
    "hasMore",
    "nextCursor",
    "searchAfter",
    "startAfter",
    "lastMessageId",
)
ROW = st.dictionaries(st.sampled_from(["id", "searchAfter", "sort", "lastMessageDate"]), ANYTHING, max_size=4)


@pytest.mark.slow
@given(st.data())
def test_nothing_that_an_answer_holds_breaks_the_walk(data):
    """Whatever JSON stands where the vendor puts a hint: the next page, the end or PayloadAnomalous."""
    table = data.draw(st.sampled_from(["v2", "v3"]))
    found = STYLES[table][data.draw(st.sampled_from(sorted(STYLES[table])))]
    rows = data.draw(st.lists(ROW | ANYTHING, max_size=3) | ANYTHING)
    answer: Any = data.draw(
        st.dictionaries(
            st.sampled_from(HINTS), ANYTHING | st.dictionaries(st.sampled_from(HINTS), ANYTHING, max_size=4), max_size=6
        )
    )
    parent = answer
    for name in found.items[0].split(".")[:-1]:
        parent = parent.setdefault(name, {})
    parent[found.items[0].split(".")[-1]] = rows
    try:
        page = read(found, found.first(2), answer)
    except PayloadAnomalous:
        return
    carried = json.dumps([page.next, page.trail])
    assert json.dumps(json.loads(carried)) == carried, "the next worker reads what this one wrote"
    assert page.next != found.first(2)
