"""What a job's function is given: its tenant, the API in its name, and a memory that outlives the worker.

Everything here may raise `Interrupted`, which ends the turn: the run was cancelled, another worker has taken it over,
or the turn was long enough. The function lets it pass (it is no `Exception`), and is begun anew where there is more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import transaction

from integrations.core import clock
from integrations.core.runs.querysets import LeaseLost
from integrations.gateway.client import Page
from integrations.gateway.facade import v2, v3
from integrations.jobs.api import Api2, Api3
from integrations.jobs.models import Run, Trigger
from integrations.jobs.walk import Walks
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App, UserType

TURN = 30.0  # seconds; then others have their turn, and this run goes on at the end of the queue
CALL = 20.0  # seconds for one API call
_LOOK_EVERY = 1.0  # seconds between two looks at the lease, each of which also shows the progress
_NOTE = 300


class Interrupted(BaseException):
    """The turn is over. `lost` says that the run is no longer ours to write to."""

    def __init__(self, *, lost: bool) -> None:
        super().__init__("lost" if lost else "turn over")
        self.lost = lost


class JobRun:
    """One run of a job for one tenant. Its methods show progress and keep the run's lease, so use them at least once a
    minute; a run that is silent for longer is given to another worker."""

    def __init__(self, row: Run, owner: str, lane: Lane) -> None:
        self.note: str = row.note
        self.event: Trigger | None = None  # in hand
        self._row, self._owner, self._lane = row, owner, lane
        self._total = row.total
        self._own: Any = row.checkpoint.get("own")
        self._counts: dict[str, int] = dict(row.counts)
        self._walks = Walks(row.checkpoint, row.page)
        self._done: int = self._walks.done
        self._begun = self._looked = clock.monotonic()

    @property
    def app(self) -> App:
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
        return self._row.started_at

    @property
    def since(self) -> datetime | None:
        """When the latest run that came to its end was started: what is newer, it cannot have seen. None: there is
        none."""
        return self._row.schedule.since

    @cached_property
    def api(self) -> v2.Api:
        """API 2.0 for this tenant in the job's lane. Listings of it (`…_pages`) go on where the last turn stopped."""
        return Api2(self.app, self, location=self.location, company=self.company, lane=self._lane, deadline=CALL)

    @cached_property
    def api_v3(self) -> v3.Api:
        """The same for an app that speaks v3."""
        return Api3(self.app, self, location=self.location, company=self.company, lane=self._lane, deadline=CALL)

    def each(self, pages: Iterable[Page]) -> Iterator[dict[str, Any]]:
        """Every item of the pages, with progress. An item counts as done when the next one is asked for."""
        for page in pages:
            yield from self.track(page.items, total=page.total)

    def track(self, items: Iterable[Any], *, total: int | None = None) -> Iterator[Any]:
        """The items, counted for the progress bar; `total` is how many there are in all, if it is known."""
        if total is not None:
            self._total = total
        of_page = self._walks.holds(items)
        for item in items:
            self._walks.begin_unit()
            yield item
            self._done += 1
            self._walks.end_unit(of_page=of_page)
            self.touch()
            if of_page:
                self._rest()

    def count(self, what: str, amount: int = 1) -> None:
        """Add to a figure that is shown with the run, such as "tagged"."""
        self._counts[what] = self._counts.get(what, 0) + amount

    @property
    def checkpoint(self) -> Any:
        """What the job itself wants to know in its next turn: JSON, None at first. Setting it writes it at once."""
        return self._own

    @checkpoint.setter
    def checkpoint(self, value: Any) -> None:
        self._own = value
        self._progressed()

    def events(self) -> Iterator[dict[str, Any]]:
        """The payloads of the events that brought the run about, oldest first, those that come meanwhile included.

        An event counts as seen when the next one is asked for; one in hand when a worker dies comes again.
        """
        schedule = self._row.schedule
        while (trigger := schedule.triggers.select_related("event").order_by("pk").first()) is not None:
            self._walks.begin_unit()
            self.event = trigger
            yield trigger.event.payload
            self.event = None
            self._done += 1
            self._walks.end_unit(of_page=False)
            with transaction.atomic():
                self._progressed()
                Trigger.objects.filter(pk=trigger.pk).delete()
            self._rest()

    def touch(self) -> None:
        """Say that the run is alive. Cheap: it writes once a second."""
        if clock.monotonic() - self._looked >= _LOOK_EVERY:
            self._save()

    def turned(self) -> None:
        """A page of a walk is done and the place of the next one known."""
        self._progressed()
        self._rest()

    @property
    def walks(self) -> Walks:
        """How far its listings are; for the API in the run's name."""
        return self._walks

    def place(self) -> dict[str, Any]:
        """The row's columns, written when the run is given up for now: what is left of the page in hand included."""
        self._walks.done = self._done
        return {**self.standing(), "page": self._walks.rest()}

    def standing(self) -> dict[str, Any]:
        """The row's columns that show how far it is. A worker that dies now leaves what `place` last told."""
        return {
            "done": self._done,
            "total": self._total,
            "counts": self._counts,
            "note": str(self.note)[:_NOTE],
            "checkpoint": {**self._walks.place(), **({} if self._own is None else {"own": self._own})},
        }

    def _progressed(self) -> None:
        self._save(**self.place(), attempts=0, error_code="", error="", trace_id="")

    def _save(self, **fields: Any) -> None:
        try:
            Run.objects.renew(self._row, self._owner, clock.now(), **{**self.standing(), **fields})
        except LeaseLost:
            raise Interrupted(lost=True) from None
        self._looked = clock.monotonic()

    def _rest(self) -> None:
        if clock.monotonic() - self._begun >= TURN:
            raise Interrupted(lost=False)

    @property
    def _tenant_id(self) -> str:
        return self._row.schedule.tenant_id
