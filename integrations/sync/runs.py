"""Sync runs: fetch a page, commit its records together with the checkpoint, and continue to the last page.

`core.runs.turn` is the engine. A kill loses at most the page in flight, because the records of a page and the cursor of
the next one are one transaction. The vendor is asked outside any transaction, with a deadline well
below the lease.
"""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any, Protocol

from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When

from integrations.core import clock, dispatch
from integrations.core.celery_tasks import enqueue
from integrations.core.errors import BadRequest, InstallGone, PayloadAnomalous, RequestRejected
from integrations.core.runs import turn
from integrations.core.runs.querysets import Fields, problem
from integrations.gateway.client import Page
from integrations.quota.parking import queue
from integrations.quota.permits.lanes import Lane
from integrations.sync import listing, pace, records, vanished
from integrations.sync.models import Plan, Run
from integrations.sync.resources import RESOURCES, Request, Resource

SLICE = 10.0  # seconds of one turn: long enough that the queue costs nothing, short enough to share the workers
DEADLINE = 10.0  # seconds for one answer; two of them and a token refresh stay below the lease's term
_REFUSED = (400, 422)  # what the vendor answers to a filter it does not know


def take_due(limit: int, now: datetime) -> list[int]:
    """Ids of due runs that wait for a worker, for the dispatcher (`core.dispatch.DueSource`)."""
    return Run.objects.take_due(limit, now, lost_at=now + dispatch.LOST_AFTER, tenant="plan__location_id")


class FetchPage(Protocol):
    """`listing.page`: one page of an operation."""

    def __call__(self, operation: str, **arguments: Any) -> Page: ...


def advance(run_id: int, page: FetchPage = listing.page) -> None:
    """Do one turn of a run, if it is due and no other worker has it."""
    turn.advance(Run, run_id, functools.partial(SyncTurn, page=page))


def cancel(runs: QuerySet[Run], now: datetime, *, reason: str) -> list[int]:
    """Cancel runs, even while a worker is at them; the ids of those that had not ended."""
    return [
        run.pk
        for run in Run.objects.filter(pk__in=runs.values("pk")).cancel(now, reason=reason, put_off=SyncTurn.put_off)
    ]


class SyncTurn(turn.Turn[Run]):
    """One turn of a sync run."""

    log_name = "sync"
    keep_runs = pace.KEEP_RUNS
    park_task = staticmethod(queue.park)

    def __init__(self, run: Run, owner: str, page: FetchPage = listing.page) -> None:
        super().__init__(run, owner)
        self._page = page
        self._outcome = vanished.Outcome()

    def work(self) -> bool:
        """Fetch page after page, to the end or until the turn is over."""
        run = self.run
        resource = RESOURCES.get(run.plan.resource)
        if resource is None:
            raise BadRequest(f"there is no resource {run.plan.resource!r} here")
        started = clock.monotonic()
        while not run.checkpoint.get("ended"):
            if clock.monotonic() - started >= SLICE:
                return False
            self._step(resource)
        return True

    def finish(self, now: datetime) -> Fields:
        """After a full run, mark as deleted what the vendor no longer lists."""
        if self.run.kind != Run.Kind.FULL:
            return {}
        self.renew()  # the row's lock keeps other workers from the run while records are marked
        self._outcome = vanished.sweep(self.run, now)
        return {"deleted": self._outcome.deleted, **problem(self._outcome.code, self._outcome.reason)}

    def plan_after_success(self, now: datetime) -> None:
        """Set the plan's cursor to the start of this run."""
        run = self.run
        fields: Fields = {"cursor_at": run.started_at, "synced_at": now}
        if run.kind == Run.Kind.FULL:
            again = pace.FULL_AGAIN if self._outcome.code == vanished.INCOMPLETE else pace.FULL_EVERY
            later = now + pace.spread(again, run.plan_id)
            # A plan that is due already was requested during the run, perhaps in full: that request stays.
            fields["full_due_at"] = Case(When(due_at=None, then=Value(later)), default=F("full_due_at"))
        next_at = now + pace.spread(RESOURCES[run.plan.resource].every, run.plan_id)
        Plan.objects.filter(pk=run.plan_id).plan_next(next_at, **fields)

    @classmethod
    def put_off(cls, run: Run, now: datetime) -> None:
        """The plan comes due again later."""
        next_at = now + pace.spread(pace.AFTER_FAILURE, run.plan_id)
        Plan.objects.filter(pk=run.plan_id).plan_next(next_at)

    def uninstalled(self, error: InstallGone) -> None:
        """`plans.forget` deletes the plan if the installation is really gone; else it is tried again later."""
        super().uninstalled(error)
        enqueue("sync.forget", app_id=self.run.plan.app_id, location_id=self.run.plan.location_id)

    def crashed(self, error: Exception) -> None:
        """Fail the run for a bug of ours. Its text may hold a record's data, so the row gets only the type's name."""
        self.log("exception", "crashed")
        self.stumble(problem("unexpected", type(error).__name__), None, error)

    def _step(self, resource: Resource) -> None:
        """Fetch one page, and commit it with the cursor of the next one."""
        asked_at, run = clock.now(), self.run
        cursor = run.checkpoint.get("next")
        try:
            got = self._fetch(resource, cursor)
        except RequestRejected as error:
            if run.kind == Run.Kind.FULL or error.vendor.status not in _REFUSED:
                raise
            self._start_over_in_full()
            return
        if got.next is not None and got.next == cursor:
            raise PayloadAnomalous("the vendor's next page is the page itself", operation=resource.operation)
        self._commit(got, asked_at)

    def _fetch(self, resource: Resource, cursor: dict[str, Any] | None) -> Page:
        plan = self.run.plan
        request = _request(self.run, resource)
        return self._page(
            resource.operation,
            app=plan.app,
            location=plan.location_id,
            params=request.params,
            body=request.body,
            lane=Lane.BULK,
            cursor=cursor,
            deadline=DEADLINE,
            whole=resource.whole,
        )

    def _commit(self, got: Page, asked_at: datetime) -> None:
        """Commit the page. The lease is checked last: when it is lost, the merged records are rolled back with it."""
        run, plan, is_full = self.run, self.run.plan, self.run.kind == Run.Kind.FULL
        with transaction.atomic():
            merged = records.merge(
                plan.app_id,
                plan.location_id,
                plan.resource,
                got.items,
                run_id=run.pk if is_full else None,
                observed_at=asked_at,
            )
            done = {
                "checkpoint": {"ended": True} if got.next is None else {"next": got.next},
                "pages": run.pages + 1,
                "seen": run.seen + len(got.items),
                "skipped": run.skipped + merged.skipped,
                "total": _least(run.total, got.total),
                "attempts": 0,
                **problem("", ""),
            }
            self.renew(**done)
        self._remember(done)

    def _start_over_in_full(self) -> None:
        """Read everything, because the vendor rejects the filter of an incremental run."""
        fresh = {"kind": Run.Kind.FULL, "checkpoint": {}, "pages": 0, "seen": 0, "skipped": 0, "total": None}
        self.renew(**fresh)
        self._remember(fresh)
        self.log("info", "filter_refused", {"resource": self.run.plan.resource})

    def _remember(self, fields: Fields) -> None:
        for name, value in fields.items():
            setattr(self.run, name, value)


def _request(run: Run, resource: Resource) -> Request:
    """The request, which is the same for every page of a run: the plan's cursor changes only when the run completes."""
    cursor_at = run.plan.cursor_at if run.kind == Run.Kind.INCREMENTAL else None
    return resource.request(run.plan.location_id, pace.since(cursor_at) if cursor_at else None)


def _least(known: int | None, given: int | None) -> int | None:
    """The lower of two totals of the vendor, each of which may be missing."""
    return min((total for total in (known, given) if total is not None), default=None)
