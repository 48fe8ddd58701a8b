"""Typed HighLevel API for a job run: calls renew the run's lease, listings continue where the last turn stopped.

A write whose repetition could do harm goes through `sending`, so that it happens once or the run stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from integrations.core import clock
from integrations.core.errors import QuotaExhausted
from integrations.gateway import client, safe_writes, target
from integrations.gateway.client import Page, Result
from integrations.gateway.facade import v2, v3
from integrations.gateway.tenant_api import Json, TenantApi, given
from integrations.jobs.listing_positions import ListingKind, ListingPositions
from integrations.jobs.sending import WriteCall, WriteSender

# A unit of work that has begun waits for its permit here: a parked one would begin again with its first call.
PERMIT_WAIT_SECONDS = 10.0  # seconds
T = TypeVar("T")


class Caller(Protocol):
    """The run in whose name calls are made: its listings and writes, and its methods to call around them."""

    @property
    def listings(self) -> ListingPositions:
        """The positions of its listings."""

    @property
    def writes(self) -> WriteSender:
        """Sends its writes."""

    def touch(self) -> None:
        """Renew the lease. Called before each call."""

    def turned(self) -> None:
        """Called after each page."""


@dataclass(frozen=True)
class InRun(TenantApi):
    """API client of one tenant for one run. Its calls keep the lease, and its listings keep their positions.

    `repeatable`: the job says that its writes do no harm when they happen twice.
    """

    run: Caller = field(repr=False)
    repeatable: bool = field(default=False, kw_only=True)

    def call(
        self, operation: str, params: Json | None = None, body: Any = None, *, version: str | None = None
    ) -> Result:
        """As `client.call`, but waits up to PERMIT_WAIT_SECONDS for a permit in the middle of an item.

        A write whose repetition could do harm is remembered: if the turn is repeated, its answer is returned again.
        """
        wanted = self._target(operation, params, body, version)
        if self.repeatable or safe_writes.may_repeat(wanted):
            return self._send(operation, params, body, version)
        return self.run.writes.plain(self.prepare(operation, params, body, version=version))

    def prepare(
        self, operation: str, params: Json | None = None, body: Any = None, *, version: str | None = None
    ) -> WriteCall:
        """The write as `sending` takes it."""
        wanted = self._target(operation, params, body, version)
        sent = partial(self._send, operation, params, body, version)
        return WriteCall(wanted.operation.key, given(params), body, sent)

    def _target(self, operation: str, params: Json | None, body: Any, version: str | None) -> target.Target:
        return target.find(operation, self.app, version=self._how(version)["version"], params=given(params), body=body)

    def _send(self, operation: str, params: Json | None, body: Any, version: str | None) -> Result:
        return self._asked(lambda: super(InRun, self).call(operation, params, body, version=version))

    def pages(
        self, operation: str, params: Json | None = None, body: Any = None, *, version: str | None = None
    ) -> Iterator[Page]:
        """As `client.pages`, from the position that the run has stored."""
        listings = self.run.listings
        entry = listings.enter(operation)
        if entry is ListingKind.NESTED:
            yield from self._plain(operation, params, body, version)
        if entry is not ListingKind.CURRENT:
            return
        try:
            more = True
            while more:
                page = listings.kept_page() or self._page(operation, params, body, version, listings.cursor)
                listings.take(page)
                yield page
                listings.move()
                self.run.turned()
                more = page.next is not None
        finally:
            listings.leave()

    def _plain(self, operation: str, params: Json | None, body: Any, version: str | None) -> Iterator[Page]:
        cursor = None
        while True:
            page = self._page(operation, params, body, version, cursor)
            yield page
            if page.next is None:
                return
            cursor = page.next

    def _page(
        self, operation: str, params: Json | None, body: Any, version: str | None, cursor: dict[str, Any] | None
    ) -> Page:
        how = {"params": given(params), "body": body, "cursor": cursor, **self._how(version)}
        return self._asked(lambda: client.page(operation, **how))

    def _asked(self, act: Callable[[], T]) -> T:
        until = clock.monotonic() + PERMIT_WAIT_SECONDS
        while True:
            self.run.touch()
            try:
                answer = act()
            except QuotaExhausted as error:
                wait = error.retry_after
                if not self.run.listings.mid_unit or wait is None or clock.monotonic() + wait > until:
                    raise
                clock.sleep(wait)
            else:
                self.run.listings.called()
                return answer


@dataclass(frozen=True)
class Api2(InRun, v2.Api):
    """API 2.0 for a run."""


@dataclass(frozen=True)
class Api3(InRun, v3.Api):
    """API v3 for a run."""
