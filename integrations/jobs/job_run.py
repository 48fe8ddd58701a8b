"""`JobRun`, the argument of a job's function: tenant, typed API, progress, events and a durable checkpoint.

Everything here may raise `Interrupted`, which ends the turn: the run was cancelled, another worker has taken it over,
or the turn was long enough. The function must not catch it (it is no `Exception`). If there is more to do, the next
turn calls the function again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import transaction

from integrations.core import clock
from integrations.core.process import stopping
from integrations.core.runs.querysets import LeaseLost, error_columns
from integrations.core.tenant import UserType
from integrations.gateway.client import Page
from integrations.gateway.facade import v2, v3
from integrations.jobs.api import Api2, Api3
from integrations.jobs.listing_positions import ListingPositions
from integrations.jobs.models import Run, Trigger
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App

TURN = 10.0  # seconds; then other runs have their turn, and this one goes to the end of the queue
CALL = 20.0  # seconds for one API call
_LOOK_EVERY = 1.0  # seconds between two looks at the lease, each of which also shows the progress
_NOTE = 300
_SOURCES = ("event", "change__installation")  # of a trigger


class Interrupted(BaseException):
    """Ends the turn. `lost` says that another worker has the run or that it has ended: write nothing more."""

    def __init__(self, *, lost: bool) -> None:
        super().__init__("lost" if lost else "turn over")
        self.lost = lost


class JobRun:
    """One run of a job for one tenant.

    Its methods record progress and renew the lease of the run. Call one at least once a minute: a run that does not
    for JOB_SILENT_SECONDS counts as hung. It fails, and its worker process restarts.
    """

    def __init__(self, row: Run, owner: str, lane: Lane) -> None:
        self.note: str = row.note
        self.event: Trigger | None = None  # the one that the function handles now
        self._row, self._owner, self._lane = row, owner, lane
        self._total = row.total
        self._own: Any = row.checkpoint.get("own")
        self._counts: dict[str, int] = dict(row.counts)
        self._listings = ListingPositions(row.checkpoint, row.page)
        self._done: int = self._listings.done
        self._begun = self._looked = clock.monotonic()
        self.has_progressed = False  # whether an event, a page or a checkpoint was finished in this turn

    @property
    def app(self) -> App:
        """The marketplace app whose installation the run uses."""
        return self._row.schedule.app

    @property
    def location(self) -> str | None:
        """The location's id; None in a job for companies."""
        return self._tenant_id if self._row.schedule.level == UserType.LOCATION else None

    @property
    def company(self) -> str | None:
        """The company's id; None in a job for locations."""
        return self._tenant_id if self._row.schedule.level == UserType.COMPANY else None

    @property
    def started_at(self) -> datetime:
        """When the run started (not this turn)."""
        return self._row.started_at

    @property
    def since(self) -> datetime | None:
        """When the last complete run started: it cannot have seen what is newer. None without a complete run."""
        return self._row.schedule.since

    @cached_property
    def api(self) -> v2.Api:
        """API 2.0 for this tenant in the lane of the job. Its listings (`…_pages`) continue where the last turn
        stopped. `run.api.call("GET /path", version=…)` calls what it has no method for, and API 1.0.
        """
        return Api2(self.app, self, location=self.location, company=self.company, lane=self._lane, deadline=CALL)

    @cached_property
    def api_v3(self) -> v3.Api:
        """API v3, likewise. Both work for any app: the vendor decides by the version that a call names."""
        return Api3(self.app, self, location=self.location, company=self.company, lane=self._lane, deadline=CALL)

    def each(self, pages: Iterable[Page]) -> Iterator[dict[str, Any]]:
        """Every item of the pages, with progress. An item counts as done when the next one is asked for."""
        for page in pages:
            yield from self.track(page.items, total=page.total)

    def track(self, items: Iterable[Any], *, total: int | None = None) -> Iterator[Any]:
        """The items, counted for the progress bar. `total` is their number, if it is known."""
        if total is not None:
            self._total = total
        of_page = self._listings.holds(items)
        for item in items:
            self._listings.begin_unit()
            yield item
            self._done += 1
            self._listings.end_unit(of_page=of_page)
            self.touch()
            if of_page:
                self._rest()

    def count(self, what: str, amount: int = 1) -> None:
        """Add to a named count that pages show with the run, such as "tagged"."""
        self._counts[what] = self._counts.get(what, 0) + amount

    @property
    def checkpoint(self) -> Any:
        """What the job itself wants to know in its next turn: JSON, None at first. Setting it writes it at once, and
        ends the turn if that was long enough.
        """
        return self._own

    @checkpoint.setter
    def checkpoint(self, value: Any) -> None:
        """Write it, with the rest of the progress."""
        self._own = value
        self._progressed()
        self._rest()

    def events(self) -> Iterator[dict[str, Any]]:
        """The payloads of the events that started the run or came since, oldest first.

        An event counts as seen when the function asks for the next one. If the worker dies before, the event comes
        again.
        """
        schedule = self._row.schedule
        while (trigger := schedule.triggers.waiting().select_related(*_SOURCES).order_by("pk").first()) is not None:
            self._listings.begin_unit()
            self.event = trigger
            yield trigger.payload
            self.event = None
            self._done += 1
            self._listings.end_unit(of_page=False)
            with transaction.atomic():
                self._progressed()
                Trigger.objects.filter(pk=trigger.pk).delete()
            self._rest()

    def touch(self) -> None:
        """Renew the lease and show the progress. Cheap: it writes at most once a second."""
        if clock.monotonic() - self._looked >= _LOOK_EVERY:
            self._save()

    def turned(self) -> None:
        """Called after a page of a listing, when the position of the next page is known."""
        self._progressed()
        self._rest()

    @property
    def listings(self) -> ListingPositions:
        """The positions of its listings, for the API in the name of the run."""
        return self._listings

    def checkpoint_columns(self) -> dict[str, Any]:
        """Columns to write when the run is given up for now, with the rest of the current page."""
        self._listings.done = self._done
        return {**self.progress_columns(), "page": self._listings.rest()}

    def progress_columns(self) -> dict[str, Any]:
        """Columns that show the progress. If the worker dies, the row keeps the values of the last write."""
        return {
            "done": self._done,
            "total": self._total,
            "counts": self._counts,
            "note": str(self.note)[:_NOTE],
            "checkpoint": {**self._listings.columns(), **({} if self._own is None else {"own": self._own})},
        }

    def _progressed(self) -> None:
        self.has_progressed = True
        self._save(**self.checkpoint_columns(), attempts=0, **error_columns("", ""))

    def _save(self, **fields: Any) -> None:
        try:
            Run.objects.renew(self._row, self._owner, clock.now(), **{**self.progress_columns(), **fields})
        except LeaseLost:
            raise Interrupted(lost=True) from None
        self._looked = clock.monotonic()

    def _rest(self) -> None:
        if clock.monotonic() - self._begun >= TURN or stopping.is_requested():
            raise Interrupted(lost=False)

    @property
    def _tenant_id(self) -> str:
        return self._row.schedule.tenant_id
