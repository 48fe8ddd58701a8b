"""Sync runs: fetch a page, commit its records together with the checkpoint, and continue to the last page.

Then a full run asks for the records that its listing lacks (`missing`), and an incremental one compares the counts
(`counting`). `core.runs.turn` is the engine. A kill loses at most the pages in flight, because the records of a page
and the cursor of the next one are one transaction, in the order of the listing. Where the places of pages are known,
several are in flight (`gateway.pages_ahead`). The vendor is asked outside any transaction, with a deadline well below
the lease. An answer that cannot be right is asked for again within seconds, beginning at its page.
"""

from __future__ import annotations

import functools
import itertools
from contextlib import closing
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from integrations.core import clock
from integrations.core.errors import (
    BadRequest,
    IntegrationError,
    PayloadAnomalous,
    RequestRejected,
    ScopeMissing,
    ServerFault,
    Unreachable,
)
from integrations.core.runs import turn
from integrations.core.runs.querysets import Fields, error_columns
from integrations.gateway.client import Page
from integrations.gateway.pages_ahead import PagesAhead
from integrations.quota.parking import queue
from integrations.sync import (
    after_success,
    counting,
    deletions,
    listing,
    listing_request,
    missing,
    pace,
    plans,
    records,
    visits,
)
from integrations.sync.changes.change_origin import Origin
from integrations.sync.missing import Control, Inquiry
from integrations.sync.models import Plan, Record, Run
from integrations.sync.resources import ListingRequest, Resource
from integrations.sync.signed import plan_macs
from integrations.sync.walks import full_walks

Cursor = dict[str, Any] | None
Ahead = PagesAhead | None
SLICE = 10.0  # seconds of one turn: long enough that the queue costs nothing, short enough to share the workers
_REFUSED = (400, 422)  # what the vendor answers to a filter it does not know
_REFUSED_AGAIN = 3  # refusals in a row of one page until the run fails
_PROGRESS: Fields = {"attempts": 0, **error_columns("", "")}


def take_due(limit: int, _now: datetime) -> list[int]:
    """Ids of due runs that wait for a worker, for the dispatcher (`core.dispatch.DueSource`)."""
    return Run.objects.take_due(limit, tenant="plan__location_id")


def advance(run_id: int, page: listing.FetchPage = listing.page, record: listing.FetchRecord = listing.record) -> None:
    """Do one turn of a run, if it is due and no other worker has it."""
    turn.advance(Run, run_id, functools.partial(SyncTurn, page=page, record=record))


def cancel(runs: QuerySet[Run], now: datetime, *, reason: str) -> list[int]:
    """Cancel runs, even while a worker is at them; the ids of those that had not ended."""
    return [
        run.pk
        for run in Run.objects.filter(pk__in=runs.values("pk")).cancel(
            now, reason=reason, set_plan=SyncTurn.plan_after_incomplete
        )
    ]


class SyncTurn(turn.Turn[Run]):
    """One turn of a sync run."""

    log_name = "sync"
    keep_runs = staticmethod(pace.keep_runs)
    park_task = staticmethod(queue.park)

    def __init__(
        self, run: Run, owner: str, page: listing.FetchPage = listing.page, record: listing.FetchRecord = listing.record
    ) -> None:
        super().__init__(run, owner)
        self._page, self._record = page, record
        self._outcome = deletions.DeletionResult()
        self._counted_at: datetime | None = None
        self._until, self._day_limit = 0.0, pace.CALLS_A_DAY
        self._ahead = PagesAhead(may_ask=lambda: not self._is_over())

    # --- what the engine calls ---

    def log_context(self) -> Fields:
        """The id of the run, its resource and the tenant."""
        plan = self.run.plan
        return {**super().log_context(), "resource": plan.title, "tenant": plan.tenant.mailbox_key}

    def work(self) -> bool:
        """Read the listing, then look for deletions, to the end or until the turn is over.

        Raises SealBroken for a run or plan that this application did not write.
        """
        plan_macs.prove(self.run)
        run = self.run
        resource = listing_request.resource_of(run.plan)
        self._until = clock.monotonic() + SLICE
        if resource.below is not None and visits.is_visited(run.plan):
            how: dict[str, Any] = {
                "call": listing_request.call(self.run.plan),
                "write": self._write,
                "is_over": self._is_over,
            }
            return visits.go_on(run, resource, resource.below, ask=self._ask, **how)
        with closing(self._ahead):
            return self._read_and_judge(resource)

    def _read_and_judge(self, resource: Resource) -> bool:
        """Read the listing, then judge what it lacks. False when the turn is over before."""
        run = self.run
        while True:
            while not run.checkpoint.get("ended"):
                if self._is_over() and not self._ahead.is_holding:
                    return False
                self._step(resource)
            if run.reads_everything:
                self._day_limit = full_walks.day_limit(run.plan)
                return self._judge_missing(resource)
            if not self._misses_something(resource):
                return True
            self._start_over_in_full("counts_differ")

    def finish(self, now: datetime) -> Fields:
        """After a full run, mark as deleted what is proven to be."""
        if not self.run.reads_everything or visits.is_visited(self.run.plan):
            return {}
        self.renew()  # the row's lock keeps other workers from the run while records are marked
        self._outcome = deletions.delete_missing(self.run, now)
        return {"deleted": self._outcome.deleted, **error_columns(self._outcome.code, self._outcome.reason)}

    def plan_after_success(self, now: datetime) -> None:
        """Set the plan's cursor to the start of this run, and its next due times."""
        after_success.set_plan(self.run, self._outcome, self._counted_at, now, day_limit=self._day_limit)

    @classmethod
    def plan_after_incomplete(cls, run: Run, now: datetime) -> None:
        """The plan comes due again later."""
        next_at = now + pace.spread(pace.AFTER_FAILURE, run.plan_id)
        plan_macs.plan_next(run.plan, next_at)

    def plan_after_failure(self, now: datetime, error: Exception | None) -> None:
        """Later; without the resource's scope in the grant the plan rests until the scopes change."""
        plan = self.run.plan
        if isinstance(error, ScopeMissing) and plan.resource not in plans.allowed(plan.app, plan.tenant):
            Plan.objects.filter(pk=plan.pk).update(**Plan.not_due)
        else:
            super().plan_after_failure(now, error)

    def refused(self, error: IntegrationError) -> None:
        """Ask again for an answer that cannot be right, beginning at its page; give the run up after some times."""
        attempts = self.run.attempts
        if isinstance(error, PayloadAnomalous) or (isinstance(error, RequestRejected) and attempts < _REFUSED_AGAIN):
            self.retry_or_fail(self.describe(error), pace.recheck_delay(attempts), error)
        else:
            super().refused(error)

    def crashed(self, error: Exception) -> None:
        """Fail the run for a bug of ours. Its text may hold a record's data, so the row gets only the type's name."""
        self.log("exception", "crashed")
        self.retry_or_fail(error_columns("unexpected", type(error).__name__), None, error)

    # --- the listing ---

    def _step(self, resource: Resource) -> None:
        """Fetch one page, and commit it with the cursor of the next one."""
        asked_at, run = clock.now(), self.run
        cursor = run.checkpoint.get("next")
        try:
            got = self._fetch(resource, listing_request.of(run, resource), cursor, ahead=self._ahead)
        except RequestRejected as error:
            if run.reads_everything or cursor or not run.attempts or error.vendor.status not in _REFUSED:
                raise
            self._start_over_in_full("filter_refused")
            return
        if got.next is not None and got.next == cursor:
            raise PayloadAnomalous("the vendor's next page is the page itself", operation=resource.operation)
        if counting.ends_early(run, got):
            raise PayloadAnomalous("the listing ends before its total", operation=resource.operation, total=run.total)
        self._commit(got, got.asked_at or asked_at)

    def _fetch(self, resource: Resource, request: ListingRequest, cursor: Cursor, ahead: Ahead = None) -> Page:
        return self._page(
            resource.operation,
            params=request.params,
            body=request.body,
            cursor=cursor,
            whole=resource.whole,
            only_one=resource.only_one,
            below=resource.below,
            parts=resource.parts(self.run.started_at),
            ahead=ahead,
            **listing_request.call(self.run.plan),
        )

    def _commit(self, got: Page, asked_at: datetime) -> None:
        """Commit the page. The lease is checked last: when it is lost, the merged records are rolled back with it."""
        run, plan = self.run, self.run.plan
        total = got.total if plan.definition is None or plan.definition.counts else None
        with transaction.atomic():
            mine = plan.app_id, plan.location_id, plan.resource
            merged = records.merge(
                *mine,
                got.items,
                run_id=run.pk if run.reads_everything else None,
                observed_at=asked_at,
                repair=run.kind == Run.Kind.REPAIR,
                origin=Origin.of_run(run),
            )
            self._write(
                checkpoint={"ended": True} if got.next is None else {"next": got.next},
                pages=run.pages + 1,
                seen=run.seen + len(got.items),
                skipped=run.skipped + merged.skipped,
                changed=run.changed + merged.inserted + merged.updated,
                # The page behind the last row may count nothing, and a false one does.
                total=counting.least(run.total, total) if got.items or run.total is None else run.total,
                **_PROGRESS,
            )

    def _start_over_in_full(self, reason: str) -> None:
        """Go on as a full run: the vendor rejects the filter of an incremental one, or the counts differ."""
        fresh: Fields = {"kind": Run.Kind.FULL, "checkpoint": {}, "total": None}
        self._write(**fresh, **dict.fromkeys(("pages", "seen", "skipped", "changed"), 0), **_PROGRESS)
        self.log("info", reason)

    # --- what the listing lacks ---

    def _misses_something(self, resource: Resource) -> bool:
        """Whether the vendor's count shows that an incremental run is not enough."""
        run, now = self.run, clock.now()
        if not counting.is_due(run, resource, now):
            return False
        total = self._fetch(resource, resource.count_request(run.plan.location_id), None).total
        if total is None:
            return False
        self._counted_at = now
        found, plans = counting.difference(run, total, now), Plan.objects.filter(pk=run.plan_id)
        if found.exact == 0 and run.plan.surplus:
            plans.update(surplus=0)
        if found.is_explained(run.plan.surplus) or not counting.may_list_again(run, now):
            return False
        plans.update(surplus=found.exact)
        return True

    def _judge_missing(self, resource: Resource) -> bool:
        """Ask for each record that the listing lacks. False when the turn is over before."""
        run = self.run
        if resource.single is None:
            missing.note(run)
            return True
        if not missing.unlisted(run).exists():
            return True
        answers = Inquiry.of(run)
        if answers.control == Control.UNKNOWN:
            self._find_control(answers)
        while not answers.sample_is_sufficient(run):
            batch = list(missing.to_ask(run, answers)[: missing.BATCH])
            if not batch:
                return True
            for record in itertools.takewhile(lambda _: not answers.sample_is_sufficient(run), batch):
                if self._is_over():
                    return False
                self._settle(record, answers)
        return True

    def _find_control(self, answers: Inquiry) -> None:
        """Ask for a record that the listing shows, to learn whether the answers about missing ones can be believed."""
        answers.control = missing.control(self.run, self._ask)
        self._write(checkpoint=answers.checkpoint(), asked=self.run.asked, **_PROGRESS)
        if answers.control == Control.IMPOSSIBLE:
            missing.note(self.run)

    def _settle(self, record: Record, answers: Inquiry) -> None:
        write = missing.settle(record, self.run, answers, self._ask, clock.now())
        with transaction.atomic():
            write()
            self._write(checkpoint=answers.checkpoint(), asked=self.run.asked, **_PROGRESS)

    def _ask(self, record: Record) -> dict[str, Any] | None:
        """Ask for one record. What fails again and again is an answer that says nothing, and no failure of the run."""
        resource = self.run.plan.definition
        single = resource.single if resource is not None else None
        if resource is None or single is None:
            raise BadRequest(f"{record.resource} cannot be asked for one by one")
        others = {parameter: record.payload.get(field) for parameter, field in single.others.items()}
        self.run.asked += 1
        try:
            return self._record(
                single, record.record_id, others=others, ids=resource.ids, **listing_request.call(self.run.plan)
            )
        except (ServerFault, Unreachable) as error:
            if self.run.attempts < _REFUSED_AGAIN:
                raise
            raise PayloadAnomalous("no answer about this record", operation=single.operation) from error

    # --- the turn ---

    def _is_over(self) -> bool:
        return clock.monotonic() >= self._until

    def _write(self, **fields: Any) -> None:
        """Write columns of the run and keep them; raises LeaseLost when another worker has it."""
        self.renew(**fields)
        for name, value in fields.items():
            setattr(self.run, name, value)
