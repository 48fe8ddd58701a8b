"""Celery tasks of the sync: make plans, forget a location, one turn of a run. The dispatcher sends due runs."""

from __future__ import annotations

from celery import current_app
from kombu.exceptions import OperationalError

from integrations.core import clock
from integrations.core.celery_tasks import task
from integrations.core.runs.source import due_source
from integrations.sync import plans, runs
from integrations.sync.models import Run


@task("sync.plan")
def plan(*, app_id: int, location_id: str, **_: object) -> None:
    """Create the plans of an installed location (`plans.make`)."""
    plans.make(app_id, location_id)


@task("sync.forget")
def forget(*, app_id: int, location_id: str, **_: object) -> None:
    """Delete the data of an uninstalled location (`plans.forget`)."""
    plans.forget(app_id, location_id)


@task("sync.advance")
def advance(*, run_id: int, **_: object) -> None:
    """One turn of the run. The dispatcher sends this."""
    runs.advance(run_id)


@task("sync.sweep")
def sweep(**_: object) -> None:
    """Beat sends this: find locations whose message was lost, and make their plans or forget them.

    It does so itself, for a limited time. Messages would pile up behind busy workers, more with every sweep.
    """
    until = clock.monotonic() + plans.PURGE_SECONDS
    unplanned, orphaned = plans.strays()
    for act, found in ((plans.make, unplanned), (plans.forget, orphaned)):
        for app_id, location_id in found:
            if clock.monotonic() < until:
                act(app_id, location_id)


def workers() -> int | None:
    """How many workers answer within a second; None when the broker itself is unavailable."""
    try:
        return len(current_app.control.ping(timeout=1.0) or ())
    except (OperationalError, OSError):
        return None


SOURCE = due_source("sync runs", Run.objects, prepare=plans.start_due, take=runs.take_due)
