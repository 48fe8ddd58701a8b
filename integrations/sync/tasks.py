"""The sync room's messages: make plans, forget a location, walk on with a run, and the sweep that finds what is due."""

from __future__ import annotations

from celery import current_app
from kombu.exceptions import OperationalError

from integrations.core import clock
from integrations.core.jobs import enqueue, job
from integrations.sync import plans, runs
from integrations.sync.models import Run

_TICK = 2  # seconds between two sweeps (hlapp.celery); strays are looked for in the first tick of a minute


@job("sync.plan")
def plan(*, app_id: int, location_id: str, **_: object) -> None:
    plans.make(app_id, location_id)


@job("sync.forget")
def forget(*, app_id: int, location_id: str, **_: object) -> None:
    plans.forget(app_id, location_id)


@job("sync.advance")
def advance(*, run_id: int, **_: object) -> None:
    runs.advance(run_id)


@job("sync.sweep")
def sweep(**_: object) -> None:
    """Start due plans, and send a message for every run that waits for a worker."""
    now = clock.now()
    plans.start_due(now)
    for run_id in Run.objects.take_due(now):
        enqueue("sync.advance", run_id=run_id)
    if now.second < _TICK:
        _send_for_strays()


def _send_for_strays() -> None:
    unplanned, orphaned = plans.strays()
    for app_id, location_id in unplanned:
        enqueue("sync.plan", app_id=app_id, location_id=location_id)
    for app_id, location_id in orphaned:
        enqueue("sync.forget", app_id=app_id, location_id=location_id)


def workers() -> int | None:
    """How many workers answer within a second; None when the broker itself is away."""
    try:
        return len(current_app.control.ping(timeout=1.0) or ())
    except (OperationalError, OSError):
        return None
