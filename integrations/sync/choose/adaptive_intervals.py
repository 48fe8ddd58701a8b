"""Adaptive intervals of an app: chosen, estimated, and set anew every six hours by the workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from integrations.core import audit, clock
from integrations.core.errors import BadRequest
from integrations.sync import pace
from integrations.sync.choose import measured_rates
from integrations.sync.choose.allotment import Allotment, Demand, allot
from integrations.sync.models import AdaptiveChoice, Plan
from integrations.sync.resource_choices import LONGEST, SHORTEST
from integrations.sync.resources import RESOURCES, Resource
from integrations.sync.signed import choice_macs, plan_macs
from integrations.tenants.models import App

AGAIN = timedelta(hours=6)
USUAL_BOUNDS = timedelta(minutes=5), timedelta(days=1)
_ROWS = 5_000  # plans of one statement


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is chosen: whether intervals adapt, the shortest and longest one, and the calls of a day of all of them."""

    enabled: bool
    shortest: timedelta
    longest: timedelta
    calls_per_day: int

    def check(self) -> None:
        """Raise BadRequest for bounds that cannot be."""
        if not SHORTEST <= self.shortest <= self.longest <= LONGEST:
            raise BadRequest("intervals adapt between a shortest and a longest one, from 5 minutes to 28 days")
        if self.calls_per_day < 1:
            raise BadRequest("the calls of a day are a number above 0")


@dataclass(frozen=True, slots=True)
class OfResource:
    """The intervals of one resource: of how many plans, the shortest and the longest of them."""

    resource: str
    plans: int
    least: timedelta
    most: timedelta

    @property
    def title(self) -> str:
        """The resource's name for people."""
        return self.resource.replace("_", " ")


def bounds(app: App) -> Bounds:
    """What counts now. Where no operator chose: off, and the calls that the usual intervals cost."""
    if (chosen := row(app)) is not None:
        return _bounds_of(chosen)
    return Bounds(False, *USUAL_BOUNDS, max(1, usual_calls(measured_rates.demands(app, clock.now()))))  # noqa: FBT003 - off


def row(app: App) -> AdaptiveChoice | None:
    """The choice with what was set last, if anybody ever chose here."""
    found = AdaptiveChoice.objects.filter(app=app).first()
    return found if found is not None and choice_macs.adaptive_fits(found) else None


def usual_calls(demands: Sequence[Demand]) -> int:
    """The calls of a day that these plans cost at their resources' own intervals."""
    day = timedelta(days=1)
    return round(sum(one.calls * (day / _usual(one)) + one.full_calls * (day / one.full_every) for one in demands))


def _usual(demand: Demand) -> timedelta:
    """The interval that counts without a choice (`after_success`)."""
    resource = RESOURCES[demand.resource]
    affordable = pace.affordable(round(demand.calls), pace.CALLS_A_DAY) if resource.since is None else timedelta(0)
    return max(resource.every, affordable)


def estimate(app: App, wanted: Bounds, now: datetime) -> tuple[Allotment, list[OfResource]]:
    """The intervals that these bounds would give, and the same by resource. Raises BadRequest as `Bounds.check`."""
    wanted.check()
    demands = measured_rates.demands(app, now)
    found = allot(demands, wanted.calls_per_day, wanted.shortest, wanted.longest)
    return found, _by_resource((one.resource, found.intervals[one.plan_id]) for one in demands)


def present(app: App) -> list[OfResource]:
    """The intervals that are set."""
    rows = Plan.objects.filter(app=app, enabled=True, every=None, adapted_every__isnull=False)
    return _by_resource(rows.values_list("resource", "adapted_every"))


def choose(app: App, wanted: Bounds, now: datetime, *, actor: str) -> None:
    """Let intervals adapt within these bounds from now on, or no more. Raises BadRequest as `Bounds.check`."""
    wanted.check()
    due_at = now if wanted.enabled else None
    columns = {**_chosen(wanted), "due_at": due_at, "mac": choice_macs.adaptive_mac(app.pk, _chosen(wanted))}
    with transaction.atomic():
        before = row(app)
        AdaptiveChoice.objects.update_or_create(app=app, defaults=columns)
        if not wanted.enabled:
            _end(app)
        told = {} if before is None else _chosen(_bounds_of(before))
        changed = audit.changes(told, _chosen(wanted))
        audit.record("sync.adaptive", actor=actor, subject=f"App:{app.pk}", enabled=wanted.enabled, changed=changed)


def adapt(app_id: int) -> int:
    """Measure the app's plans and set their intervals; how many changed. Nothing without a choice made here."""
    row = AdaptiveChoice.objects.filter(app=app_id, enabled=True).select_related("app").first()
    if row is None or not choice_macs.adaptive_fits(row):
        AdaptiveChoice.objects.filter(app=app_id).update(due_at=None)
        return 0
    now = clock.now()
    wanted = _bounds_of(row)
    found, _ = estimate(row.app, wanted, now)
    with transaction.atomic():
        locked = AdaptiveChoice.objects.select_for_update().filter(app=app_id, **_chosen(wanted)).first()
        if locked is None:
            return 0  # another choice was made meanwhile, and is due
        changed = _set(row.app, found)
        AdaptiveChoice.objects.filter(app=app_id).update(due_at=now + AGAIN, computed_at=now, planned_calls=found.calls)
    return changed


def _bounds_of(row: AdaptiveChoice) -> Bounds:
    return Bounds(row.enabled, row.shortest, row.longest, row.calls_per_day)


def _chosen(wanted: Bounds) -> dict[str, object]:
    return {
        "enabled": wanted.enabled,
        "shortest": wanted.shortest,
        "longest": wanted.longest,
        "calls_per_day": wanted.calls_per_day,
    }


def _set(app: App, found: Allotment) -> int:
    """Write the intervals that differ. A run that waits comes as much earlier as its interval is shorter now."""
    steps: dict[tuple[timedelta, timedelta], list[int]] = defaultdict(list)
    plans = measured_rates.plans_of(app)
    for pk, name, before in plans.values_list("pk", "resource", "adapted_every"):
        after = found.intervals.get(pk)
        if after is not None and after != before:
            steps[before or RESOURCES[name].every, after].append(pk)
    for (before, after), ids in sorted(steps.items()):
        for first in range(0, len(ids), _ROWS):
            rows = plans.filter(pk__in=ids[first : first + _ROWS])
            if after < before:
                _sooner(rows, before - after)
            plan_macs.write(rows, adapted_every=after)
    return sum(map(len, steps.values()))


def _end(app: App) -> None:
    """The resources' own intervals count again, at once where they are shorter."""
    plans = Plan.objects.filter(app=app, adapted_every__isnull=False)
    for name, resource in RESOURCES.items():
        longer = plans.filter(resource=name, adapted_every__gt=resource.every, due_at__isnull=False)
        plan_macs.write(longer, due_at=partial(_at_own_interval, resource))
    plan_macs.write(plans, adapted_every=None)


def _sooner(plans: QuerySet[Plan], by: timedelta) -> None:
    plan_macs.write(plans.filter(due_at__isnull=False), due_at=partial(_earlier, by))


def _at_own_interval(resource: Resource, plan: Plan) -> datetime:
    return _earlier((plan.adapted_every or resource.every) - resource.every, plan)


def _earlier(by: timedelta, plan: Plan) -> datetime:
    assert plan.due_at is not None, "only plans with a due time are asked for"
    return plan.due_at - by


def _by_resource(rows: Iterable[tuple[str, timedelta | None]]) -> list[OfResource]:
    found: dict[str, list[timedelta]] = defaultdict(list)
    for name, every in rows:
        if every is not None:
            found[name].append(every)
    return [
        OfResource(name, len(found[name]), min(found[name]), max(found[name])) for name in RESOURCES if name in found
    ]
