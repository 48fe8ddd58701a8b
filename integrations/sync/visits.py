"""Visits: child listings (notes of contacts, fulfilments of orders) are read only for parents that changed.

A run visits the parents that changed in the synced copy since the last run, in the order of those changes, one call (or
a few pages) each. The first run visits all of them, and so does one every `pace.VISIT_ALL_EVERY`, because a child may
change without its parent. The plan keeps the place in that order (`Plan.position`), and counts the calls of the day:
when they are spent the run ends, and the next one goes on tomorrow.

Parents are visited in batches. After a batch the run asks for each child that its parent's listing lacks. Where no
operation returns one child, it counts as deleted when a later visit lacks it too. The children of a deleted parent are
deleted with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from django.db import transaction
from django.db.models import F, Q, QuerySet

from integrations.core import clock
from integrations.sync import listing, missing, pace, records
from integrations.sync.changes.change_origin import Origin, Source
from integrations.sync.evidence import INDEX_LAG
from integrations.sync.missing import Inquiry
from integrations.sync.models import Plan, Record, Run
from integrations.sync.resources import Parent, Resource, searchable

BATCH = 50  # parents
SETTLED = timedelta(minutes=2)  # a change that began longer ago than this is committed: no place is passed too early
State = dict[str, Any]  # of a run's checkpoint


class WriteColumns(Protocol):
    """Writes columns of the run, while its lease holds."""

    def __call__(self, **fields: Any) -> None:
        """See `runs.SyncTurn`."""


def is_visited(plan: Plan) -> bool:
    """Whether the plan's resource is listed below records that changed."""
    resource = plan.definition
    return resource is not None and resource.below is not None and resource.below.by_change


def go_on(  # noqa: PLR0913 - what the turn of a run has
    run: Run,
    resource: Resource,
    below: Parent,
    *,
    call: Mapping[str, Any],
    ask: missing.Ask,
    write: WriteColumns,
    is_over: Callable[[], bool],
) -> bool:
    """Visit parents until none is left or the day's calls are spent. False when the turn is over before.

    `call` are the arguments that every call of the run has in common. Raises what the gateway and `write` raise.
    """
    state: State = run.checkpoint or {"position": None if run.reads_everything else run.plan.position}
    while not is_over():
        if "batch" not in state:
            batch = _next_batch(run.plan, below, state["position"])
            if not batch:
                write(checkpoint={**state, "ended": True})
                return True
            state = {**state, "batch": batch, "done": 0, "inner": None, "began": clock.now().isoformat()}
        if state["done"] < len(state["batch"]):
            if calls_left(run.plan, clock.now()) > 0:
                state = _visit(run, resource, below, state, call, write)
                continue
            state["batch"] = state["batch"][: state["done"]]
        if state["batch"]:
            state = _close(run, resource, below, state, ask, write)
        if calls_left(run.plan, clock.now()) <= 0:
            return True
    return False


def calls_left(plan: Plan, now: datetime) -> int:
    """How many calls the plan may still make on this day (UTC)."""
    spent = plan.calls_today if plan.calls_on == now.astimezone(UTC).date() else 0
    allowed = pace.VISIT_CALLS_A_DAY if plan.calls_per_day is None else plan.calls_per_day
    return allowed - spent


def next_due(run: Run, every: timedelta, now: datetime) -> datetime:
    """When the plan's next run is due: tomorrow if the day's calls were spent before the end."""
    if run.checkpoint.get("ended"):
        return now + pace.spread(every, run.plan_id)
    tomorrow = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return tomorrow + every - pace.spread(every, run.plan_id)


def _visit(
    run: Run, resource: Resource, below: Parent, state: State, call: Mapping[str, Any], write: WriteColumns
) -> State:
    """Read one page below the first parent that is left; the state after it."""
    *_, value, gone = state["batch"][state["done"]]
    if gone or not value:
        return {**state, "done": state["done"] + 1, "inner": None}
    asked_at, plan = clock.now(), run.plan
    request = resource.request(plan.location_id, None)
    how = {"whole": resource.whole, "only_one": resource.only_one, "parts": resource.parts(run.started_at)}
    arguments = {**call, **how, "params": request.params, "body": request.body}
    got = listing.page_of(resource.operation, below, value, state["inner"], arguments)
    after = {**state, "inner": got.next, "done": state["done"] + (got.next is None)}
    with transaction.atomic():
        mine, origin = (plan.app_id, plan.location_id, plan.resource), Origin.of_run(run)
        merged = records.merge(*mine, got.items, observed_at=asked_at, origin=origin)
        _count_call(plan, asked_at)
        write(
            checkpoint=after,
            pages=run.pages + 1,
            seen=run.seen + len(got.items),
            skipped=run.skipped + merged.skipped,
            changed=run.changed + merged.inserted + merged.updated,
            attempts=0,
        )
    return after


def _close(run: Run, resource: Resource, below: Parent, state: State, ask: missing.Ask, write: WriteColumns) -> State:
    """Look for deletions below the parents of the batch, and move the plan's place behind it."""
    began, now = datetime.fromisoformat(state["began"]), clock.now()
    alive = [value for *_, value, gone in state["batch"] if value and not gone]
    lacking = _children(run, below, alive).filter(
        Q(alive_at=None) | Q(alive_at__lt=began - INDEX_LAG), updated_at__lt=began
    )
    if resource.single is not None:
        for record in lacking.filter(Q(missing_at=None) | Q(missing_at__lt=began)):
            missing.settle(record, run, Inquiry(), ask, clock.now())()
        proven, proof = lacking.filter(missing_at__gte=began), Record.Proof.CALL
    else:
        proven, proof = lacking.filter(missing_at__lte=now - pace.AGREE_AFTER), Record.Proof.LISTING
    orphans = _children(run, below, [value for *_, value, gone in state["batch"] if value and gone])
    pk, at, *_ = state["batch"][-1]
    with transaction.atomic():
        deleted = _delete(run, proven, proof, F("missing_at"), now)
        deleted += _delete(run, orphans, Record.Proof.PARENT, now, now)
        if resource.single is None:
            records.lock(lacking.filter(missing_at=None)).update(missing_at=now)
        run.plan.position = {"pk": pk, "at": at}
        Plan.objects.filter(pk=run.plan_id).update(position=run.plan.position)
        after: State = {"position": run.plan.position}
        write(checkpoint=after, deleted=run.deleted + deleted, asked=run.asked)
    return after


def _delete(run: Run, found: QuerySet[Record], proof: Record.Proof, at: Any, now: datetime) -> int:
    origin = Origin.of_run(run, Source(proof.value))
    return records.delete(records.lock(found), by=proof, at=at, now=now, origin=origin)


def _children(run: Run, below: Parent, values: Sequence[str]) -> QuerySet[Record]:
    """Records of the plan below these parents that are not deleted."""
    children = missing.scope(run).filter(deleted_at=None)
    return children.filter(searchable.below(below.named or below.parameter, values)) if values else children.none()


def _next_batch(plan: Plan, below: Parent, position: Mapping[str, Any] | None) -> list[list[Any]]:
    """The next parents by their last change: key, its moment, what to ask with, and whether the parent is deleted."""
    found = Record.objects.filter(app=plan.app_id, location_id=plan.location_id, resource=below.resource.name)
    found = found.filter(updated_at__lte=clock.now() - SETTLED)
    if position is not None:
        at = datetime.fromisoformat(position["at"])
        found = found.filter(Q(updated_at__gt=at) | Q(updated_at=at, pk__gt=position["pk"]))
    rows = found.order_by("updated_at", "pk")[:BATCH]
    return [[row.pk, row.updated_at.isoformat(), _asked_with(below, row), row.deleted_at is not None] for row in rows]


def _asked_with(below: Parent, parent: Record) -> str | None:
    return below.value({**parent.payload, below.resource.ids[0]: parent.record_id})


def _count_call(plan: Plan, now: datetime) -> None:
    today = now.astimezone(UTC).date()
    plan.calls_today = 1 + (plan.calls_today if plan.calls_on == today else 0)
    plan.calls_on = today
    Plan.objects.filter(pk=plan.pk).update(calls_today=plan.calls_today, calls_on=today)
