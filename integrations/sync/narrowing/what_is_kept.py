"""Writes a choice of fields or filters into plans, with all that follows from it.

Fields: what is left out has to go from stored records (`choose.stripped_fields`), and what comes back has to be read
anew.
Filters: a listing that began under another choice proves nothing, so runs under way end, one that failed does not go on
where it was, and the next one reads everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db.models import QuerySet

from integrations.core.errors import BadRequest
from integrations.core.runs.querysets import error_columns
from integrations.sync.models import Plan, Run
from integrations.sync.narrowing.field_choice import FieldChoice
from integrations.sync.resources import RESOURCES
from integrations.sync.signed import plan_macs


def set_fields(plans: QuerySet[Plan], fields: FieldChoice, now: datetime) -> int:
    """Let plans keep these fields; how many kept others. Call it in a transaction."""
    ids = list(plans.exclude(fields=fields.json).order_by("pk").values_list("pk", flat=True))
    changed = Plan.objects.filter(pk__in=ids)
    for before in list(changed.order_by().values_list("fields", flat=True).distinct()):
        if not fields.is_within(FieldChoice.of_json(before)):
            _read_everything(list(changed.filter(fields=before).values_list("pk", flat=True)), now)
    plan_macs.write(changed, fields=fields.json, fields_chosen_at=now, fields_due_at=now)
    return len(ids)


def set_filters(plans: QuerySet[Plan], filters: Mapping[str, str], now: datetime) -> int:
    """Let plans list only what fits these filters; how many had others. Call it in a transaction."""
    ids = list(plans.exclude(filters=dict(filters)).order_by("pk").values_list("pk", flat=True))
    runs = Run.objects.filter(plan__in=ids)
    _read_everything(ids, now)
    runs.end(Run.Status.CANCELLED, now, **error_columns("filter_changed", "the filters were changed"))
    runs.filter(status=Run.Status.FAILED).update(checkpoint={})
    mine = Plan.objects.filter(pk__in=ids)
    plan_macs.write(mine, filters=dict(filters), listed=None, counted_at=None, surplus=0)
    return len(ids)


def check_filters(resource: str, filters: Mapping[str, str]) -> None:
    """Raise BadRequest for a filter that the resource does not have, or a value that it does not take."""
    known = {one.parameter: one for one in RESOURCES[resource].filters}
    for name, value in filters.items():
        if name not in known:
            has = f"it has {', '.join(known)}" if known else "its listing has none"
            raise BadRequest(f"{resource} has no filter {name}: {has}")
        if problem := known[name].problem(value):
            raise BadRequest(f"the filter of {resource} cannot be: {problem}")


def filters_text(filters: Mapping[str, str]) -> str:
    """For people: `status=open`."""
    return ", ".join(f"{name}={value}" for name, value in sorted(filters.items()))


def _read_everything(ids: list[int], now: datetime) -> None:
    """The next run is a full one, as soon as the one under way has ended. A plan that rests goes on resting."""
    plans = Plan.objects.filter(pk__in=ids)
    resting = list(plans.without_run().filter(due_at=None).values_list("pk", flat=True))
    plans.update(full_due_at=None)
    plan_macs.write(plans.exclude(pk__in=resting), due_at=now)
