"""`JobRun`, the argument of a job's function: tenant, typed API, progress, events and a durable checkpoint.

Everything here may raise `Interrupted`, which ends the turn: the run was cancelled, another worker has taken it over,
or the turn was long enough. The function must not catch it (it is no `Exception`). If there is more to do, the next
turn calls the function again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

import structlog
from django.db import transaction

from integrations.core import clock
from integrations.core.errors import BadRequest, SealBroken
from integrations.core.process import stopping
from integrations.core.runs.querysets import LeaseLost, error_columns
from integrations.core.tenant import UserType
from integrations.gateway.client import Page, Result
from integrations.gateway.facade import v2, v3
from integrations.gateway.tenant_api import Json
from integrations.jobs import macs
from integrations.jobs.api import Api2, Api3
from integrations.jobs.listing_positions import ListingPositions
from integrations.jobs.models import Run, Schedule, Trigger
from integrations.jobs.sending import LookUp, UnknownFate, WriteSender
from integrations.quota.permits.lanes import Lane
from integrations.tenants.models import App

log = structlog.get_logger(__name__)

LARGEST_MEMORY = 64 * 1024
TURN = 10.0  # seconds; then other runs have their turn, and this one goes to the end of the queue
CALL = 20.0  # seconds for one API call
_LOOK_EVERY = 1.0  # seconds between two looks at the lease, each of which also shows the progress
_NOTE = 300
_MOST_EVENTS = 100  # webhooks that a run's row names
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
        self.writes = WriteSender(row, owner, self._listings)
        self._done: int = self._listings.done
        self._begun = self._looked = clock.monotonic()
        self._events: list[int] = list(row.events)
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

        If no complete answer to a write comes, and its repetition could do harm (`gateway.safe_writes`), the run stops
        until a person says whether it happened.
        """
        return self._api2

    @cached_property
    def repeatable(self) -> v2.Api:
        """As `api`, for writes that do no harm when they happen twice: without an answer they are sent again."""
        return replace(self._api2, repeatable=True)

    @cached_property
    def api_v3(self) -> v3.Api:
        """API v3, likewise. Both work for any app: the vendor decides by the version that a call names."""
        return Api3(self.app, self, location=self.location, company=self.company, lane=self._lane, deadline=CALL)

    def once(
        self,
        key: str,
        operation: str,
        params: Json | None = None,
        body: Any = None,
        *,
        look_up: LookUp | None = None,
        version: str | None = None,
    ) -> Result:
        """Call an operation once for this key, in all runs of this job for this tenant. Later calls get its answer.

        `look_up` says what became of a call without a complete answer: it returns the answer (JSON) if the write
        happened, None if it did not. Without one the run stops, and a person decides. `status` of the result is 0 and
        `json` is what `look_up` or the person gave, where the vendor's answer was lost. Answers are kept for
        ONCE_RETENTION_DAYS. Raises BadRequest when the key was used for another operation.
        """
        return self.writes.once(key, self._api2.prepare(operation, params, body, version=version), look_up)

    def begin(self) -> None:
        """Begin the turn. Raises UnknownFate when a write of a former turn may have happened or not."""
        unknown = self.writes.memory.load(clock.now())
        if unknown is not None:
            raise UnknownFate(unknown)

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
            if of_page:
                self.writes.memory.item_done()
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
        self.writes.memory.job_saved()
        self._progressed()
        self._rest()

    @property
    def memory(self) -> Any:
        """What the job keeps for this tenant from one run to the next: JSON of up to 64 KB, None at first. Setting it
        writes it at once; a change inside it is written when it is set again. Raises BadRequest for a larger value.
        """
        return self._row.schedule.memory

    @memory.setter
    def memory(self, value: Any) -> None:
        """Write it, while the run is still this worker's."""
        if len(json.dumps(value)) > LARGEST_MEMORY:
            raise BadRequest(f"run.memory holds at most {LARGEST_MEMORY} characters of JSON: keep more in a table")
        with transaction.atomic():
            self._save()
            schedule = Schedule.objects.select_for_update().get(pk=self._row.schedule_id)
            columns = macs.schedule_columns(schedule, memory=value)
            Schedule.objects.filter(pk=schedule.pk).update(**columns)
        self._row.schedule.memory = value

    def events(self) -> Iterator[dict[str, Any]]:
        """The payloads of the events that started the run or came since, oldest first.

        An event counts as seen when the function asks for the next one. If the worker dies before, the event comes
        again.
        """
        schedule = self._row.schedule
        while (trigger := schedule.triggers.waiting().select_related(*_SOURCES).order_by("pk").first()) is not None:
            if not macs.trigger_fits(trigger):
                self._hold(trigger)
                continue
            self._listings.begin_unit()
            self.event = self.writes.trigger = trigger
            self._saw(trigger)
            yield trigger.payload
            self.event = self.writes.trigger = None
            self._done += 1
            self._listings.end_unit(of_page=False)
            with transaction.atomic():
                self._progressed()
                self.writes.memory.forget_event(trigger)
                Trigger.objects.filter(pk=trigger.pk).delete()
            self._rest()

    def _hold(self, trigger: Trigger) -> None:
        """Set an event aside that this application did not give to the job."""
        with transaction.atomic():
            self._save()
            columns = error_columns(SealBroken.code, f"this event was not given to the job: {macs.NOT_OURS}")
            aside = {"set_aside_at": clock.now(), "error_code": columns["error_code"], "error": columns["error"]}
            Trigger.objects.filter(pk=trigger.pk).update(**aside)
        log.error("job.event_not_ours", trigger=trigger.pk, schedule=trigger.schedule_id)

    def _saw(self, trigger: Trigger) -> None:
        """Note the webhook; the run's row gets it with the next progress, or with the failure."""
        if trigger.event_id is not None and trigger.event_id not in self._events:
            self._events = [*self._events, trigger.event_id][-_MOST_EVENTS:]

    def touch(self) -> None:
        """Renew the lease and show the progress. Cheap: it writes at most once a second."""
        if clock.monotonic() - self._looked >= _LOOK_EVERY:
            self._save()

    def turned(self) -> None:
        """Called after a page of a listing, when the position of the next page is known."""
        self.writes.memory.page_done()
        self._progressed()
        self._rest()

    @property
    def listings(self) -> ListingPositions:
        """The positions of its listings, for the API in the name of the run."""
        return self._listings

    def checkpoint_columns(self) -> dict[str, Any]:
        """Columns to write when the run is given up for now, with the rest of the current page."""
        self._listings.done = self._done
        rest = self._listings.rest()
        if rest is not None and (mark := self.writes.memory.rest_mark):
            rest.setdefault("writes", mark)
        return {**self.progress_columns(), "page": rest}

    def progress_columns(self) -> dict[str, Any]:
        """Columns that show the progress. If the worker dies, the row keeps the values of the last write."""
        return {
            "done": self._done,
            "total": self._total,
            "counts": self._counts,
            "events": self._events,
            "note": str(self.note)[:_NOTE],
            "checkpoint": {
                **self._listings.columns(),
                **self.writes.memory.columns(),
                **({} if self._own is None else {"own": self._own}),
            },
        }

    def _progressed(self) -> None:
        self.has_progressed = True
        self._save(**self.checkpoint_columns(), attempts=0, **error_columns("", ""))
        self.writes.memory.forget_covered()

    def _save(self, **fields: Any) -> None:
        try:
            Run.objects.renew(self._row, self._owner, **{**self.progress_columns(), **fields})
        except LeaseLost:
            raise self._interruption(lost=True) from None
        self._looked = clock.monotonic()

    def _rest(self) -> None:
        if clock.monotonic() - self._begun >= TURN or stopping.is_requested():
            raise self._interruption(lost=False)

    def _interruption(self, *, lost: bool) -> Interrupted:
        self.writes.stop = interrupted = Interrupted(lost=lost)
        return interrupted

    @cached_property
    def _api2(self) -> Api2:
        return Api2(self.app, self, location=self.location, company=self.company, lane=self._lane, deadline=CALL)

    @property
    def _tenant_id(self) -> str:
        return self._row.schedule.tenant_id
