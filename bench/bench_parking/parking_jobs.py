"""The tasks of `bench_parking`, one for each way to wait for a permit. Its workers import this module."""

from __future__ import annotations

import os
import random
import time
from typing import Any

from celery import Task, shared_task

from integrations.core.celery_tasks import task
from integrations.core.errors import QuotaExhausted
from integrations.highlevel.http.rate_headers import RateSnapshot
from integrations.quota.permits import governor, scripts, tickets
from integrations.quota.permits.lanes import Lane
from integrations.quota.permits.permit import Permit

LIMIT, WINDOW_MS, CALL = 20, 2000, 0.05
APP = "bench"
WAY = os.environ.get("BENCH_WAY", "")  # also the resource's name: each way has its own


def count(what: str) -> None:
    """Increment a counter of this way."""
    scripts.client().incr(f"bench:{WAY}:{what}")


def finish(permit: Permit) -> None:
    """Make the call: sleep, settle the permit, count it as done."""
    time.sleep(CALL)
    rate = RateSnapshot(max=LIMIT, remaining=LIMIT - 1, interval_ms=WINDOW_MS)
    governor.settle(permit, received_at=time.monotonic(), rate=rate)
    count("done")


def permit(max_wait: float | None = None) -> Permit:
    """A permit of this way's resource, waited for up to `max_wait` seconds."""
    return governor.acquire(APP, WAY, lane=Lane.BULK, timeout=5.0, max_wait=max_wait)


@task("bench.parked")
def parked(*, number: int, **_: Any) -> None:
    """Wait as a parked task."""
    count("delivered")
    finish(tickets.acquire(APP, WAY, lane=Lane.BULK, timeout=5.0))


@shared_task(name="bench.blocked", acks_late=True, ignore_result=True)
def blocked(*, number: int) -> None:
    """Wait in the worker thread."""
    count("delivered")
    finish(permit(max_wait=120.0))


def _retrying(task: Task[Any, Any], wait: Any) -> None:
    count("delivered")
    try:
        held = permit(max_wait=0.0)
    except QuotaExhausted as error:
        raise task.retry(countdown=wait(error, task.request.retries)) from None
    finish(held)


@shared_task(name="bench.window", bind=True, acks_late=True, ignore_result=True, max_retries=None)
def window(self: Any, *, number: int) -> None:
    """Retry after one window."""
    _retrying(self, lambda error, tries: WINDOW_MS / 1000)


@shared_task(name="bench.jitter", bind=True, acks_late=True, ignore_result=True, max_retries=None)
def jitter(self: Any, *, number: int) -> None:
    """Retry after exponential back-off with full jitter."""
    _retrying(self, lambda error, tries: random.uniform(0.1, min(60.0, 0.5 * 2.0**tries)))


@shared_task(name="bench.hint", bind=True, acks_late=True, ignore_result=True, max_retries=None)
def hint(self: Any, *, number: int) -> None:
    """Retry after the time that the governor names."""
    _retrying(self, lambda error, tries: error.retry_after)
