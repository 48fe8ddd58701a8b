"""Pages that are read ahead: at the same time, and only where nothing is lost by it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from integrations.core import clock
from integrations.core.counters import BufferedCounter
from integrations.core.errors import NoPermit, PayloadAnomalous, RequestRejected, ServerFault
from integrations.gateway.pages_ahead import MOST, PagesAhead
from integrations.gateway.stats import attempt_hook
from integrations.highlevel.pagination import pages as pagination
from integrations.highlevel.pagination.pages import Page, Style
from integrations.highlevel.pagination.styles import STYLES
from tests.support.waiting import wait_until

INVOICES = STYLES["v2"]["invoices.list-invoices"]  # by offset
CALLS = STYLES["v2"]["voice-ai.get-call-logs"]  # by page number
CONTACTS = STYLES["v2"]["contacts.search-contacts-advanced"]  # by cursor, or page number
SIZE = 10


@dataclass
class Vendor:
    """A listing of `rows`. `before` is called with what each request asks for, before it is answered."""

    style: Style
    rows: list[int]
    before: Callable[[dict[str, Any]], None] = lambda sent: None
    total: Callable[[int], int] = lambda count: count
    sent: list[dict[str, Any]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def ask(self, sent: Mapping[str, Any]) -> Any:
        with self.lock:
            self.sent.append(dict(sent))
        self.before(dict(sent))
        with self.lock:
            shown = [{"id": str(row), "searchAfter": [row]} for row in self._after(sent)[:SIZE]]
            return {self.style.items[0]: shown, self.style.total[0]: self.total(len(self.rows))}

    def _after(self, sent: Mapping[str, Any]) -> list[int]:
        if sent.get("searchAfter"):
            return [row for row in self.rows if row > sent["searchAfter"][0]]
        return self.rows[self.place(sent) :]

    def place(self, sent: Mapping[str, Any]) -> int:
        """The rows before the page, as the rows were at first."""
        after = sent.get("searchAfter")
        return int(after[0]) + 1 if after else sent.get("offset", 0) + SIZE * (sent.get("page", 1) - 1)


def listed(
    vendor: Vendor, *, may_ask: Callable[[], bool] = lambda: True, each: Callable[[], None] = lambda: None
) -> list[int]:
    """All rows, read as a run does; `each` is called after each page."""
    found: list[int] = []
    with closing(PagesAhead(may_ask)) as ahead:
        for page in pages(vendor, ahead):
            found += [int(row["id"]) for row in page.items]
            each()
    return found


def pages(vendor: Vendor, ahead: PagesAhead) -> Iterator[Page]:
    sent, trail = {**vendor.style.first(SIZE)}, None
    while True:
        page, asked_at = ahead.read({"operation": "it"}, vendor.style, sent, trail=trail, ask=vendor.ask)
        assert asked_at <= clock.now()
        yield page
        if page.next is None:
            return
        sent, trail = page.next, page.trail


def requests(vendor: Vendor) -> int:
    """Of a listing without reading ahead. Only an empty page ends one by cursor."""
    return len(vendor.rows) // SIZE + (vendor.style is CONTACTS)


@pytest.fixture(params=[INVOICES, CALLS, CONTACTS], ids=["offset", "number", "cursor"])
def vendor(request: pytest.FixtureRequest) -> Vendor:
    return Vendor(request.param, list(range(25 * SIZE)))


def test_every_page_is_requested_once_and_several_at_a_time(vendor: Vendor) -> None:
    together, met = threading.Barrier(MOST), threading.Event()

    def before(sent: dict[str, Any]) -> None:
        # The first pages come alone. Of the later ones so many have to be under way at once.
        if not met.is_set() and len(vendor.sent) > 8:
            together.wait(timeout=20)
            met.set()

    vendor.before = before
    assert listed(vendor) == vendor.rows
    assert met.is_set()
    assert len(vendor.sent) == requests(vendor)


@pytest.mark.parametrize(
    "change", [lambda rows: rows.pop(0), lambda rows: rows.insert(0, -1), lambda rows: rows.append(999)]
)
def test_a_listing_that_changes_is_read_page_after_page(vendor: Vendor, change: Callable[[list[int]], object]) -> None:
    """Reading ahead loses no row more than an offset loses by itself, when a row before it goes."""
    alone = Vendor(vendor.style, list(vendor.rows))

    def each(one: Vendor) -> Callable[[], None]:
        turns = iter(range(99))
        return lambda: change(one.rows) if next(turns) == 5 else None

    found, expected = listed(vendor, each=each(vendor)), listed(alone, may_ask=lambda: False, each=each(alone))
    assert len(set(vendor.rows) - set(found)) <= len(set(alone.rows) - set(expected))


def test_a_total_that_lies_ends_the_reading_ahead(vendor: Vendor) -> None:
    totals = iter([250, 250, 250, 250, 330, 250, *[250] * 99])
    vendor.total = lambda count: next(totals)
    assert listed(vendor) == vendor.rows
    assert len(vendor.sent) <= requests(vendor) + MOST


def test_a_total_beyond_the_rows_is_found_as_without(vendor: Vendor) -> None:
    """The vendor counts more than it lists: the listing says so itself, whatever was read ahead."""
    vendor.total = lambda count: count + 40
    alone = Vendor(vendor.style, vendor.rows, total=vendor.total)
    assert outcome(vendor) == outcome(alone, may_ask=lambda: False)


def outcome(vendor: Vendor, may_ask: Callable[[], bool] = lambda: True) -> list[int] | str:
    try:
        return listed(vendor, may_ask=may_ask)
    except PayloadAnomalous as error:
        return str(error)


def test_a_page_that_is_missing_is_requested_again_by_the_listing(vendor: Vendor) -> None:
    """An answer without rows in the middle, once."""
    original, hidden = list(vendor.rows), threading.Event()

    def before(sent: dict[str, Any]) -> None:
        vendor.rows = original
        if len(vendor.sent) == 6 and not hidden.is_set():
            hidden.set()
            vendor.rows = original[:20]

    vendor.before, vendor.total = before, lambda count: 250
    found = outcome(vendor)
    assert hidden.is_set()
    assert found == original or "more rows follow" in str(found)


@pytest.mark.parametrize(
    ("error", "goes_on"), [(NoPermit("none"), True), (ServerFault("502"), True), (RequestRejected("no pages"), False)]
)
def test_a_failure_is_not_the_listings(vendor: Vendor, error: Exception, goes_on: bool) -> None:
    """What may pass lets it begin with one page again; a refusal ends the reading ahead."""
    main, failed, ahead_after = threading.get_ident(), threading.Event(), threading.Event()

    def before(sent: dict[str, Any]) -> None:
        if threading.get_ident() == main:
            return
        if not failed.is_set():
            failed.set()
            raise error
        ahead_after.set()

    vendor.before = before
    assert listed(vendor) == vendor.rows
    assert (failed.is_set(), ahead_after.is_set()) == (True, goes_on)
    if goes_on:
        assert len(vendor.sent) == requests(vendor) + 1, "what was here already is used"


def test_a_failure_that_lasts_is_the_listings_own(vendor: Vendor) -> None:
    def before(sent: dict[str, Any]) -> None:
        if len(vendor.sent) > 4:
            raise NoPermit("none", retry_after=3.0)

    vendor.before = before
    with pytest.raises(NoPermit):
        listed(vendor)


def test_a_short_lack_of_permits_is_waited_for_while_pages_are_here(vendor: Vendor) -> None:
    """One page has no permit when it is read ahead, nor twice when the listing asks: those behind it stay of use."""
    refused: list[dict[str, Any]] = []

    def before(sent: dict[str, Any]) -> None:
        if vendor.place(sent) == 6 * SIZE and len(refused) < 3:
            refused.append(sent)
            raise NoPermit("none", retry_after=0.01)

    vendor.before = before
    assert listed(vendor) == vendor.rows
    assert (len(refused), len(vendor.sent)) == (3, requests(vendor) + 3)


def test_nothing_is_requested_when_the_turn_is_over(vendor: Vendor) -> None:
    assert listed(vendor, may_ask=lambda: False) == vendor.rows
    assert len(vendor.sent) == requests(vendor)


def test_a_page_is_dated_by_its_own_request() -> None:
    """It was requested before the page before it was used: later changes of its rows are not in it."""
    vendor = Vendor(INVOICES, list(range(3 * SIZE)))
    with closing(PagesAhead(lambda: True)) as ahead:
        sent, trail = vendor.style.first(SIZE), None
        first, _ = ahead.read({}, vendor.style, sent, trail=trail, ask=vendor.ask)
        wait_until(lambda: len(vendor.sent) == 2)
        before = clock.now()
        assert first.next is not None
        _, asked_at = ahead.read({}, vendor.style, first.next, trail=first.trail, ask=vendor.ask)
    assert asked_at < before


def test_searches_have_numbered_pages_to_a_depth_only() -> None:
    rows = [{"id": str(n), "searchAfter": [n]} for n in range(100)]
    trail: dict[str, Any] = {"pages": 96, "empty": 0, "marks": [], "last": [], "steady": [100, 20_000]}
    sent = {"pageLimit": 100, "searchAfter": [9_599]}
    page = pagination.read(CONTACTS, sent, {"contacts": rows, "total": 20_000}, trail=trail)
    asked = pagination.requests_ahead(CONTACTS, page, MOST)
    assert asked == {before: {"pageLimit": 100, "page": before // 100 + 1} for before in (9_700, 9_800, 9_900)}


def test_offsets_that_have_to_be_text_are() -> None:
    style = STYLES["v2"]["users.filter-users-by-email"]
    trail: dict[str, Any] = {"pages": 2, "empty": 0, "marks": [], "last": [], "steady": [10, 40]}
    page = Page([], 40, {"limit": "10", "skip": "20"}, trail)
    assert pagination.requests_ahead(style, page, 1) == {20: {"limit": "10", "skip": "20"}}


def test_only_the_listings_own_thread_writes_what_was_counted(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    """Its transaction decides, and a thread for one request opens no connection for statistics."""
    written: list[str] = []

    def write(rows: Sequence[tuple[str, int]]) -> None:
        written.append(threading.current_thread().name)

    counter = BufferedCounter[str, int]("tests.pages", write, most=1_000)
    counter.pause = 0.0
    monkeypatch.setattr(attempt_hook, "flush_if_due", counter.flush)

    def count(_: dict[str, Any]) -> None:
        counter.add(threading.current_thread().name, 1)
        counter.flush_if_due()  # as the gateway does after each attempt

    vendor.before = count
    assert listed(vendor) == vendor.rows
    assert set(written) == {threading.current_thread().name}
    assert len(written) > 1
