"""Reads the pages of a listing ahead, several at a time, where their places are known and permits are free.

The listing itself goes on page after page: each page is parsed with the cursor of the one before it, as without this
module. Only its answer may be here already. It is used if the listing is still steady (`pagination.steady`) and the
answer has exactly the rows that have to be at its place. Otherwise all answers are thrown away, the page is requested
by its cursor, and nothing is read ahead any more.

Each request takes a permit of its own, in the lane of the listing, so the governor alone decides. A page whose request
failed is requested by its cursor, too: the listing meets the failure itself, if it lasts, and its caller decides. After
one that may pass, such as a lack of permits, one page is read ahead again, and twice as many after each page that was
of use, up to half of what was too many. After a refusal nothing is read ahead any more: a vendor that takes no page
numbers costs a few calls. A short lack of permits is waited for while pages are here, because they would be lost.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from typing import Any

from django.db import connections

from integrations.core import clock, counters
from integrations.core.errors import NoPermit, PayloadAnomalous, Retryable
from integrations.gateway.stats import attempt_hook
from integrations.highlevel.pagination import pages as pagination
from integrations.highlevel.pagination import steady
from integrations.highlevel.pagination.loop_detection import Trail
from integrations.highlevel.pagination.pages import Page, Sent, Style

MOST = 8  # pages of one listing: at the vendor's pace of ten a second enough for answers that take 800 ms
WAITED_FOR = 2.0  # seconds for a permit while pages are here
_IN_PROCESS = threading.BoundedSemaphore(32)  # requests of all listings: each holds an answer in memory

Ask = Callable[[Sent], Any]  # sends a request with these parameters (or this body), and returns the answer's JSON
_Early = Future[tuple[datetime, Any]]
_Place = tuple[str, int]  # a listing, and the rows before the page


class PagesAhead:
    """Pages that are read ahead of their listings. For one thread; `close` it.

    `may_ask` says whether more may be requested now.
    """

    def __init__(self, may_ask: Callable[[], bool]) -> None:
        self._may_ask = may_ask
        self._held: dict[_Place, _Early] = {}
        self._depth, self._most = 1, MOST
        self._threads: ThreadPoolExecutor | None = None

    @property
    def is_holding(self) -> bool:
        """Whether pages were requested that are not used yet."""
        return bool(self._held)

    def read(
        self, listing: Mapping[str, Any], style: Style, sent: Sent, *, trail: Trail | None, ask: Ask
    ) -> tuple[Page, datetime]:
        """The page that `sent` requests, and when it was requested. `listing`: what all its requests have in common.

        Raises what `ask` and `pagination.pages.read` raise.
        """
        name, before = json.dumps(listing, sort_keys=True, default=str), steady.reached(trail)
        early = None if before is None else self._held.pop((name, before), None)
        found = None if trail is None or early is None else self._fitting(style, sent, early, trail)
        if found is None:
            self._forget(keep=(name, before or 0) if self._depth else None)
            asked_at = clock.now()
            found = pagination.read(style, sent, self._patiently(ask, sent), trail=trail), asked_at
        else:
            attempt_hook.flush_if_due()  # what the thread counted that made the call
        if self._may_ask():
            self._look(name, style, found[0], ask)
        return found

    def close(self) -> None:
        """Throw away what is here. Requests under way end by themselves."""
        self._forget()
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def _fitting(self, style: Style, sent: Sent, early: _Early, trail: Trail) -> tuple[Page, datetime] | None:
        """The page of an answer that is here, if it fits. Decides how many are read ahead from now on."""
        failure = early.exception()
        if failure is not None:
            self._most = max(1, self._depth // 2)
            self._depth = min(self._depth, 1) if isinstance(failure, Retryable) else 0
            return None
        asked_at, answer = early.result()
        try:
            page = pagination.read(style, sent, answer, trail=trail)
        except PayloadAnomalous:
            page = None
        if page is None or not steady.is_next(trail, page.items, page.total):
            self._depth = 0
            return None
        self._depth = min(2 * self._depth, self._most)
        return page, asked_at

    def _patiently(self, ask: Ask, sent: Sent) -> Any:
        """The answer. Raises what `ask` raises: NoPermit at once if nothing would be lost, or the wait is long."""
        until = clock.monotonic() + WAITED_FOR
        while True:
            try:
                return ask(sent)
            except NoPermit as error:
                wait = error.retry_after
                if not self._held or wait is None or clock.monotonic() + wait > until:
                    raise
                clock.sleep(wait)

    def _look(self, name: str, style: Style, page: Page, ask: Ask) -> None:
        """Request the next pages that are not under way."""
        for before, sent in pagination.requests_ahead(style, page, self._depth).items():
            if (name, before) in self._held:
                continue
            if not _IN_PROCESS.acquire(blocking=False):
                break
            self._threads = self._threads or ThreadPoolExecutor(MOST, thread_name_prefix="page-ahead")
            # A copy: log lines and spans of the thread name the run. A ticket of its task is used up by now.
            early = self._threads.submit(copy_context().run, _fetched, ask, sent)
            early.add_done_callback(lambda _: _IN_PROCESS.release())
            self._held[name, before] = early

    def _forget(self, keep: _Place | None = None) -> None:
        """Throw away what is here, but for pages behind the place `keep` of its listing."""
        kept = {place for place in self._held if keep is not None and place[0] == keep[0] and place[1] > keep[1]}
        for place in self._held.keys() - kept:
            self._held.pop(place).cancel()


def _fetched(ask: Ask, sent: Sent) -> tuple[datetime, Any]:
    asked_at = clock.now()
    try:
        with counters.only_adding():
            return asked_at, ask(sent)
    finally:
        connections.close_all()  # this thread's
