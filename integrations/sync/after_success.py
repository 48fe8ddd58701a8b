"""After a completed sync run: sets the plan's cursor, when its next run is due, and when a full one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Case, DateTimeField, F, Value, When

from integrations.core.runs.querysets import Fields
from integrations.sync import deletions, first_sync, pace, visits
from integrations.sync.deletions import DeletionResult
from integrations.sync.models import Plan, Run
from integrations.sync.resources import RESOURCES, Resource


def set_plan(run: Run, outcome: DeletionResult, counted_at: datetime | None, now: datetime) -> None:
    """Set the plan's cursor to the start of this run, and its next due times. `counted_at`: when counts were compared.

    Call it in the transaction that completes the run.
    """
    fields: Fields = {"cursor_at": run.started_at, "synced_at": now}
    if outcome.code == deletions.INCOMPLETE and run.plan.cursor_at is not None:
        del fields["cursor_at"]  # the listing may have lacked changes since the last run
    resource = run.plan.definition or RESOURCES[run.plan.resource]
    next_at = now + pace.spread(resource.every, run.plan_id)
    if run.reads_everything:
        later = now + pace.spread(_next_full_run(run, resource, outcome), run.plan_id)
        next_at = min(next_at, later)
        fields |= _after_everything(run, outcome, later)
    if visits.is_visited(run.plan):
        next_at = visits.next_due(run, resource.every, now)
        if not run.checkpoint.get("ended") and run.plan.synced_at is None:
            del fields["synced_at"]  # the first round over all parents is not done
    if counted_at is not None:
        fields["counted_at"] = counted_at
    Plan.objects.filter(pk=run.plan_id).plan_next(next_at, **fields)
    if "synced_at" in fields:
        first_sync.note(run.plan, now=now)


def _next_full_run(run: Run, resource: Resource, outcome: DeletionResult) -> timedelta:
    if visits.is_visited(run.plan):
        return pace.VISIT_ALL_EVERY
    is_incomplete = outcome.code == deletions.INCOMPLETE
    incomplete = deletions.incomplete_in_a_row(run.plan_id) if is_incomplete else 0
    return pace.next_full_run(incomplete, resource.full_every)


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
