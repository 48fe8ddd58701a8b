"""MACs of plans, and the one way to write what they cover.

::

    `mac`      app, location, resource, variant; whether it runs, how often, with which fields, filters, history, calls
    `due_mac`  that it is due, and when. A plan without a due time needs none

A plan that does not fit starts no run: it is switched off, and a failed run says why. A run of it stops. Webhooks of
its location change no record of its resource.

Who changes such a column uses `write`, which computes the MACs row by row. A row that does not fit gets none by that: a
choice for a whole app vouches for nothing that another program wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When

from integrations.core.errors import SealBroken
from integrations.core.runs.querysets import Fields
from integrations.sync.models import Plan, Run
from integrations.vault import row_macs
from integrations.vault.signed_update import macs_of, moments_of

BATCH = 1_000  # rows of one statement
CHOSEN = (
    "enabled",
    "is_own_choice",
    "is_left_out",
    "every",
    "adapted_every",
    "keeps_history",
    "fields",
    "filters",
    "calls_per_day",
)
COLUMNS = ("app_id", "location_id", "resource", "variant", *CHOSEN, "mac")  # those that `fits` reads
_DURATIONS = frozenset({"every", "adapted_every"})


def fits(plan: Plan) -> bool:
    """Whether this application wrote whom the plan is for, and what was chosen."""
    return row_macs.fits(plan.mac, _content(plan, {}))


def refusal(plan: Plan) -> str:
    """Why the plan may not start a run; empty when it may."""
    if not fits(plan):
        return f"the plan was not made like this by this application: {row_macs.NOT_OURS}"
    if not row_macs.fits(plan.due_mac, _due(plan, plan.due_at)):
        return "this application did not make the plan due"
    return ""


def prove(run: Run) -> None:
    """Raise SealBroken unless this application wrote the run and its plan as they were read."""
    if not run.is_ours:
        raise SealBroken(f"this run, or its checkpoint, is not of this application: {row_macs.NOT_OURS}")
    if not fits(run.plan):
        raise SealBroken(f"the run's plan is not of this application: {row_macs.NOT_OURS}")


def signed(plan: Plan) -> Plan:
    """A plan with the MACs of what it has now."""
    plan.mac = row_macs.mac(_content(plan, {}))
    plan.due_mac = None if plan.due_at is None else row_macs.mac(_due(plan, plan.due_at))
    return plan


def write(plans: QuerySet[Plan], *, due_at: datetime | Callable[[Plan], datetime] | None = None, **columns: Any) -> int:
    """Write these columns of plans, and when they are due, with the MACs that go with them; how many plans.

    `due_at` may be a function of the plan, which has no column but those of `COLUMNS` and its due time. None leaves it.
    """
    written, last = 0, 0
    with transaction.atomic(savepoint=False):
        while True:
            found = plans.filter(pk__gt=last).order_by("pk").only("pk", "due_at", *COLUMNS)
            batch = list(found.select_for_update(of=("self",))[:BATCH])
            if batch:
                _write(batch, due_at, columns)
                written, last = written + len(batch), batch[-1].pk
            if len(batch) < BATCH:
                return written


def plan_next(plan: Plan, due_at: datetime, **columns: Any) -> None:
    """Set the next due time, unless a sooner run was asked for while the last one was under way.

    `columns` are such that no MAC covers.
    """
    mac = row_macs.mac(_due(plan, due_at))
    times: Fields = {
        "due_at": Case(When(due_at=None, then=Value(due_at)), default=F("due_at")),
        "due_mac": Case(When(due_at=None, then=Value(mac)), default=F("due_mac")),
    }
    Plan.objects.filter(pk=plan.pk).update(**times, **columns)


def lacks(row: Plan) -> Fields:
    """The MACs to write so that the plan fits as it is, for `vault.signed_tables`."""
    has = {"mac": row.mac, "due_mac": row.due_mac}
    signed(row)
    return row_macs.other(has, {"mac": row.mac, "due_mac": row.due_mac})


def _write(batch: list[Plan], due_at: datetime | Callable[[Plan], datetime] | None, columns: Fields) -> None:
    values = dict(columns)
    if columns.keys() & set(CHOSEN):
        known = {plan.pk: plan.mac for plan in batch}
        ours = {plan.pk: row_macs.mac(_content(plan, columns)) for plan in batch if fits(plan)}
        values["mac"] = macs_of({pk: ours.get(pk, mac) for pk, mac in known.items()})
    if due_at is not None:
        times = {plan.pk: due_at(plan) if callable(due_at) else due_at for plan in batch}
        values["due_at"] = moments_of(times)
        values["due_mac"] = macs_of({plan.pk: row_macs.mac(_due(plan, times[plan.pk])) for plan in batch})
    Plan.objects.filter(pk__in=[plan.pk for plan in batch]).update(**values)


def _content(plan: Plan, changes: Fields) -> bytes:
    chosen = [_stored(name, changes.get(name, getattr(plan, name))) for name in CHOSEN]
    return row_macs.stored_content("sync plan", *_whose(plan), *chosen)


def _whose(plan: Plan) -> list[Any]:
    """Whom the plan is for. Only a variant adds to what the release before wrote for all plans."""
    return [plan.app_id, plan.location_id, plan.resource, *([{"variant": plan.variant}] if plan.variant else [])]


def _stored(name: str, value: Any) -> Any:
    return value.total_seconds() if name in _DURATIONS and value is not None else value


def _due(plan: Plan, due_at: datetime | None) -> bytes:
    return row_macs.stored_content("sync plan due", *_whose(plan), due_at)
