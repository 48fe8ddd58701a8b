"""The walk: fetch a page, commit its records and its checkpoint together, and so on to the end.

`advance` does as much of a run as fits into `SLICE` and hands the rest back; it never waits. Killed anywhere, it has
lost at most the page in flight: what a page brought and where the next one begins are one transaction, and the run's
row is found by the sweep when its lease runs out. The vendor is asked outside any transaction, with a deadline well
below the lease.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import structlog
from django.db import transaction

from integrations.core import clock
from integrations.core.errors import (
    BadRequest,
    InstallGone,
    IntegrationError,
    PayloadAnomalous,
    QuotaExhausted,
    RequestRejected,
    Retryable,
    StoreUnavailable,
)
from integrations.core.jobs import backoff, enqueue
from integrations.gateway.client import Page
from integrations.quota.permits.lanes import Lane
from integrations.sync import endings, leases, listing, pace, records
from integrations.sync.leases import LeaseLost
from integrations.sync.models import Run
from integrations.sync.resources import RESOURCES, Request, Resource

log = structlog.get_logger(__name__)

SLICE = 10.0  # seconds of one turn: long enough that the queue costs nothing, short enough to share the workers
DEADLINE = 10.0  # seconds for one answer; two of them and a token refresh stay below leases.LEASE
MOST_ATTEMPTS = 10  # failures in a row at one page; with the waits below a vendor may be away for half an hour
_LONGEST_WAIT = 600.0
_REFUSED = (400, 422)  # what the vendor answers to a filter it does not know


class FetchPage(Protocol):
    """`listing.page`: one page of an operation."""

    def __call__(self, operation: str, **arguments: Any) -> Page: ...


def advance(run_id: int, page: FetchPage = listing.page) -> None:
    """Walk on with a run, if it is due and nobody else does."""
    owner = leases.new_owner()
    run = leases.claim(run_id, owner, clock.now())
    if run is None:
        return
    try:
        if run.attempts >= MOST_ATTEMPTS:  # claims count workers that died here: a page that kills them must end
            endings.fail(
                run, owner, clock.now(), code="worker_lost", reason="workers died at this page, one after the other"
            )
        else:
            _walk(run, owner, page)
    except LeaseLost:
        log.info("sync.lease_lost", run=run_id)


def _walk(run: Run, owner: str, page: FetchPage) -> None:
    try:
        _pages(run, owner, page)
    except (QuotaExhausted, StoreUnavailable) as error:
        leases.wait_for_permit(run, owner, clock.now(), error)
    except Retryable as error:
        _stumble(run, owner, error.code, str(error), error.retry_after)
    except InstallGone as error:
        endings.gone(run, owner, clock.now(), code=error.code, reason=str(error))
        enqueue("sync.forget", app_id=run.plan.app_id, location_id=run.plan.location_id)
    except IntegrationError as error:
        endings.fail(run, owner, clock.now(), code=error.code, reason=str(error))
        log.warning("sync.failed", **{**error.context, "run": run.pk, "code": error.code, "error": str(error)})
    except LeaseLost:
        raise
    except Exception as error:
        # A fault of ours. Its text may hold a record's data, so the row only gets its name.
        log.exception("sync.crashed", run=run.pk)
        _stumble(run, owner, "unexpected", type(error).__name__, None)


def _pages(run: Run, owner: str, page: FetchPage) -> None:
    resource = RESOURCES.get(run.plan.resource)
    if resource is None:
        raise BadRequest(f"there is no resource {run.plan.resource!r} here")
    started = clock.monotonic()
    while not run.checkpoint.get("ended"):
        if clock.monotonic() - started >= SLICE:
            leases.hand_back(run, owner, clock.now())
            return
        _step(run, owner, resource, page)
    endings.complete(run, owner, clock.now())


def _step(run: Run, owner: str, resource: Resource, page: FetchPage) -> None:
    """One page: asked for, and committed with the place where the next one begins."""
    asked_at = clock.now()
    cursor = run.checkpoint.get("next")
    try:
        got = _fetch(run, resource, page, cursor)
    except RequestRejected as error:
        if run.kind == Run.Kind.FULL or error.context.get("status") not in _REFUSED:
            raise
        _start_over_in_full(run, owner)
        return
    if got.next is not None and got.next == cursor:
        raise PayloadAnomalous("the vendor's next page is the page itself", operation=resource.operation)
    _commit(run, owner, got, asked_at)


def _fetch(run: Run, resource: Resource, page: FetchPage, cursor: dict[str, Any] | None) -> Page:
    plan = run.plan
    request = _request(run, resource)
    return page(
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


def _request(run: Run, resource: Resource) -> Request:
    """The same for every page of a run: the plan's cursor only moves when the run completes."""
    cursor_at = run.plan.cursor_at if run.kind == Run.Kind.INCREMENTAL else None
    return resource.request(run.plan.location_id, pace.since(cursor_at) if cursor_at else None)


def _commit(run: Run, owner: str, got: Page, asked_at: datetime) -> None:
    """The fence comes last: where it is closed, what was merged is rolled back with it."""
    plan, is_full = run.plan, run.kind == Run.Kind.FULL
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
            "error_code": "",
            "error": "",
        }
        leases.keep(run, owner, clock.now(), **done)
    _remember(run, done)


def _least(known: int | None, told: int | None) -> int | None:
    return told if known is None else known if told is None else min(known, told)


def _start_over_in_full(run: Run, owner: str) -> None:
    """The vendor does not take the filter of an incremental run: see everything instead."""
    fresh = {"kind": Run.Kind.FULL, "checkpoint": {}, "pages": 0, "seen": 0, "skipped": 0, "total": None}
    leases.keep(run, owner, clock.now(), **fresh)
    _remember(run, fresh)
    log.info("sync.filter_refused", run=run.pk, resource=run.plan.resource)


def _remember(run: Run, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(run, name, value)


def _stumble(run: Run, owner: str, code: str, reason: str, retry_after: float | None) -> None:
    """One more failure in a row at this page: come back later, or give the run up."""
    attempts, now = run.attempts + 1, clock.now()
    if attempts >= MOST_ATTEMPTS:
        endings.fail(run, owner, now, code=code, reason=f"{reason} ({attempts} times in a row)")
        return
    wait = backoff(attempts, cap=_LONGEST_WAIT) if retry_after is None else retry_after
    leases.hand_back(run, owner, now, wait=wait, attempts=attempts, error_code=code[:40], error=reason[:300])
