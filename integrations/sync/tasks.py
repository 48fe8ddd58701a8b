"""Celery tasks of the sync: plans follow their installation, one turn of a run. The dispatcher sends what is due."""

from __future__ import annotations

from datetime import timedelta

from celery import current_app
from kombu.exceptions import OperationalError

from integrations.core import clock, dispatch
from integrations.core.celery_tasks import task
from integrations.core.runs.source import due_source
from integrations.sync import plans, runs
from integrations.sync.choose import adaptive_intervals, dropping, stripped_fields
from integrations.sync.models import AdaptiveChoice, Plan, Run
from integrations.tenants.models import Installation


@task("sync.follow")
def follow(*, installation_id: int, **_: object) -> None:
    """Make the plans of an installed tenant, or delete those of an uninstalled one. The dispatcher sends this."""
    plans.apply_installation_change(installation_id)


@task("sync.advance")
def advance(*, run_id: int, **_: object) -> None:
    """One turn of the run. The dispatcher sends this."""
    runs.advance(run_id)


@task("sync.drop")
def drop(*, plan_id: int, **_: object) -> None:
    """Delete records of a plan that is left out, for a limited time. The dispatcher sends this."""
    dropping.drop(plan_id)


@task("sync.forget")
def forget(*, plan_id: int, **_: object) -> None:
    """Delete fields that are left out from stored records, for a limited time. The dispatcher sends this."""
    stripped_fields.forget(plan_id)


@task("sync.adapt")
def adapt(*, app_id: int, **_: object) -> None:
    """Set the adaptive intervals of an app anew. The dispatcher sends this."""
    adaptive_intervals.adapt(app_id)


@task("sync.sweep")
def sweep(**_: object) -> None:
    """Beat sends this: find tenants that lack plans or should have none, and mend that for a limited time.

    Plans follow their installation by themselves (`plans.apply_installation_change`). This finds what a restored backup
    left behind.
    """
    until = clock.monotonic() + plans.PURGE_SECONDS
    unplanned, orphaned = plans.find_mismatches()
    for act, found in ((plans.make, unplanned), (plans.delete_plans, orphaned)):
        for app_id, tenant_id in found:
            if clock.monotonic() < until:
                act(app_id, tenant_id)


def workers() -> int | None:
    """How many workers answer within a second; None when the broker itself is unavailable."""
    try:
        return len(current_app.control.ping(timeout=1.0) or ())
    except (OperationalError, OSError):
        return None


# Installations whose plans are to follow them.
FOLLOW_SOURCE = dispatch.rows_due(
    Installation,
    "sync_due_at",
    name="sync plans",
    task="sync.follow",
    argument="installation_id",
    every=timedelta(seconds=0.25),
)
DROP_SOURCE = dispatch.rows_due(
    Plan, "drop_due_at", name="dropped records", task="sync.drop", argument="plan_id", every=timedelta(seconds=1)
)
FORGET_SOURCE = dispatch.rows_due(
    Plan, "fields_due_at", name="fields left out", task="sync.forget", argument="plan_id", every=timedelta(seconds=1)
)
ADAPT_SOURCE = dispatch.rows_due(
    AdaptiveChoice,
    "due_at",
    name="adaptive intervals",
    task="sync.adapt",
    argument="app_id",
    every=timedelta(seconds=1),
)
SOURCE = due_source("sync runs", Run.objects, prepare=plans.start_due, take=runs.take_due)
