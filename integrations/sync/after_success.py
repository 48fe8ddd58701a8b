"""After a completed sync run: sets the plan's cursor, when its next run is due, and when a full one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Case, DateTimeField, F, Value, When

from integrations.core.runs.querysets import Fields
from integrations.sync import deletions, first_sync, pace, visits
from integrations.sync.deletions import DeletionResult
from integrations.sync.models import Run
from integrations.sync.resources import RESOURCES, Resource
from integrations.sync.signed import plan_macs
from integrations.sync.walks import full_walks


def set_plan(
    run: Run,
    outcome: DeletionResult,
    counted_at: datetime | None,
    now: datetime,
    *,
    day_limit: int = pace.CALLS_A_DAY,
) -> None:
    """Set the plan's cursor to the start of this run, and its next due times. `counted_at`: when counts were compared.

    `day_limit` are the calls of a day that the tenant has.

    Call it in the transaction that completes the run.
    """
    fields: Fields = {"cursor_at": run.started_at, "synced_at": now}
    if outcome.code == deletions.INCOMPLETE and run.plan.cursor_at is not None:
        del fields["cursor_at"]  # the listing may have lacked changes since the last run
    resource = run.plan.definition or RESOURCES[run.plan.resource]
    next_at = now + pace.spread(_every(run, resource, day_limit), run.plan_id)
    if run.reads_everything:
        later = _next_full_run(run, resource, outcome, now, day_limit)
        next_at = min(next_at, later)
        fields |= _after_everything(run, outcome, later)
    if visits.is_visited(run.plan):
        next_at = visits.next_due(run, resource.every, now)
        if not run.checkpoint.get("ended") and run.plan.synced_at is None:
            del fields["synced_at"]  # the first round over all parents is not done
    if counted_at is not None:
        fields["counted_at"] = counted_at
    plan_macs.plan_next(run.plan, next_at, **fields)
    if "synced_at" in fields:
        first_sync.note(run.plan, now=now)


def _every(run: Run, resource: Resource, day_limit: int) -> timedelta:
    """The wait for the next run: longer than the resource's where each run reads everything and that costs too much.

    What an operator chose counts as it is, and so does an interval that adapts.
    """
    is_chosen = run.plan.every is not None or run.plan.adapted_every is not None
    if is_chosen or resource.since is not None or visits.is_visited(run.plan):
        return resource.every
    return max(resource.every, pace.affordable(run.pages, day_limit))


def _next_full_run(run: Run, resource: Resource, outcome: DeletionResult, now: datetime, day_limit: int) -> datetime:
    """At the plan's own moment, or soon after an incomplete run."""
    if visits.is_visited(run.plan):
        return full_walks.moment(now, pace.VISIT_ALL_EVERY, run.plan_id)
    if outcome.code == deletions.INCOMPLETE:
        wait = pace.next_full_run(deletions.incomplete_in_a_row(run.plan_id))
        return now + pace.spread(wait, run.plan_id)
    wait = max(resource.full_every, pace.affordable(run.pages, day_limit))
    return full_walks.moment(now, wait, run.plan_id)


def _after_everything(run: Run, outcome: DeletionResult, later: datetime) -> Fields:
    """The plan's columns after a full run."""
    visited = visits.is_visited(run.plan)  # such a run reads children in several turns of a day, and counts its calls
    # A plan that is due already was requested during the run, perhaps in full: that request stays.
    fields: Fields = {"full_due_at": Case(When(due_at=None, then=Value(later)), default=F("full_due_at"))}
    if not visited:
        fields["listed"] = run.seen
    if run.kind == Run.Kind.REPAIR:
        is_done = When(repair_asked_at__lte=run.started_at, then=Value(None, DateTimeField()))
        fields["repair_asked_at"] = Case(is_done, default=F("repair_asked_at"))
    if outcome.deleted or run.changed:
        fields["surplus"] = 0  # this run has explained the difference of the counts
    return fields
