"""Each resource as operators choose it: whether and how often it is synced, what stops it, what it costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Avg, Count, FloatField, Max, Min, Value
from django.db.models.functions import Extract

from integrations.sync import plans, resource_choices
from integrations.sync.choose import estimates
from integrations.sync.choose.estimates import Estimate
from integrations.sync.models import Plan
from integrations.sync.narrowing.field_choice import EVERYTHING, FieldChoice
from integrations.sync.resources import RESOURCES
from integrations.tenants.models import App, Installation

_UNKNOWN = Estimate(1, 1, 0.0, 0.1, is_bound=True)


@dataclass(frozen=True, slots=True)
class Overlay:
    """A choice that is not made yet: what would be on, off, or as for the app, and at which intervals.

    `every` has None for the resource's own interval. `totals` are the vendor's counts of records.
    """

    on: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()
    follow: frozenset[str] = frozenset()
    every: Mapping[str, timedelta | None] = field(default_factory=dict)
    history: Mapping[str, bool] = field(default_factory=dict)
    fields: Mapping[str, FieldChoice] = field(default_factory=dict)
    filters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """One resource. `hindrance` says why it cannot run although it is chosen; empty where it can, or for a whole app.

    `calls_per_day` is the limit of its plan, if it has one. `every` is the chosen interval, None for the resource's
    own. `adapted` are the shortest and longest interval where they adapt (`allotment`). `is_own` says that a
    location chose for itself, `keeps_history` that changes of its records are kept. `fields` are those of its records
    that are kept, `filters` those of its listing, by parameter.

    For a whole app the estimate is that of the location with the most records; `all_calls_a_day` are those of all
    locations together, from the mean of the `known_at` locations whose records are counted, and `own_at` is how many
    chose for themselves.
    """

    resource: str
    is_on: bool
    hindrance: str
    estimate: Estimate
    calls_per_day: int | None = None
    every: timedelta | None = None
    adapted: tuple[timedelta, timedelta] | None = None
    is_own: bool = False
    keeps_history: bool = False
    fields: FieldChoice = EVERYTHING
    filters: Mapping[str, str] = field(default_factory=dict)
    all_calls_a_day: int = 0
    known_at: int = 0
    own_at: int = 0

    @property
    def state(self) -> str:
        """One word for tables."""
        return ("stopped" if self.hindrance else "on") if self.is_on else "off"

    @property
    def title(self) -> str:
        """The resource's name for people."""
        return self.resource.replace("_", " ")

    @property
    def own_interval(self) -> timedelta:
        """The interval that counts without a choice."""
        return RESOURCES[self.resource].every


def offers(app: App, location_id: str = "", overlay: Overlay | None = None) -> list[Offer]:
    """All resources in the order of the registry, for one location or for all of the app's.

    With `overlay` as they would be.
    """
    found = overlay or Overlay()
    return _at_location(app, location_id, found) if location_id else _of_app(app, found)


def locations(app: App) -> int:
    """How many locations the app is installed on."""
    return Installation.objects.locations().installed().filter(app=app).count()


def calls_a_day(found: Collection[Offer], *, whole_app: bool) -> int:
    """The calls of a day of all that is on and can run."""
    running = [one for one in found if one.state == "on"]
    return sum(one.all_calls_a_day if whole_app else one.estimate.calls_a_day for one in running)


def _at_location(app: App, location_id: str, overlay: Overlay) -> list[Offer]:
    selected, columns = resource_choices.chosen(app.pk), resource_choices.of_app(app.pk)
    usual = {name: resource_choices.chosen_for(columns, name) for name in RESOURCES}
    found = {plan.resource: plan for plan in Plan.objects.filter(app=app, location_id=location_id)}
    here = usual | {name: _columns(plan) for name, plan in found.items() if name not in overlay.follow}
    every: dict[str, timedelta | None] = {name: one["every"] for name, one in here.items()} | dict(overlay.every)
    row = Installation.objects.locations().filter(app=app, resource_id=location_id).select_related("app").first()
    api_name = app.dialect_name if row is None else row.api_name
    adapted = {name: plan.adapted_every for name, plan in found.items() if plan.adapted_every is not None}
    costs = estimates.of(app.pk, location_id, api_name, overlay.totals, {**adapted, **_chosen(every)})
    whys = plans.hindrances(app, location_id)
    is_on = {name: name in selected if name not in found else found[name].enabled for name in RESOURCES}
    is_on |= {name: name in selected for name in overlay.follow}
    is_on |= dict.fromkeys(overlay.on, True) | dict.fromkeys(overlay.off, False)
    own = {name for name, plan in found.items() if plan.is_own_choice} - overlay.follow
    own |= overlay.on | overlay.off | overlay.every.keys() | overlay.history.keys()
    own |= overlay.fields.keys() | overlay.filters.keys()
    return [
        Offer(
            resource=name,
            is_on=is_on[name],
            hindrance=whys[name],
            estimate=costs.get(name, _UNKNOWN),
            calls_per_day=found[name].calls_per_day if name in found else None,
            every=every.get(name),
            adapted=(adapted[name], adapted[name]) if name in adapted and every.get(name) is None else None,
            is_own=name in own,
            keeps_history=overlay.history.get(name, here[name]["keeps_history"]),
            fields=overlay.fields.get(name) or FieldChoice.of_json(here[name]["fields"]),
            filters=overlay.filters.get(name, here[name]["filters"]),
        )
        for name in RESOURCES
    ]


def _of_app(app: App, overlay: Overlay) -> list[Offer]:
    selected = (resource_choices.chosen(app.pk) | overlay.on) - overlay.off
    columns = resource_choices.of_app(app.pk)
    here = {name: resource_choices.chosen_for(columns, name) for name in RESOURCES}
    every: dict[str, timedelta | None] = {name: one["every"] for name, one in here.items()} | dict(overlay.every)
    known, number = estimates.known(app.pk), locations(app)
    largest = {name: one.largest for name, one in known.items()}
    mean = {name: one.mean for name, one in known.items()}
    adapted = _adapted(app)
    waits = {**{name: between for name, (_, between, _) in adapted.items()}, **_chosen(every)}
    most, usual = (estimates.of_counts(app.dialect_name, counts, waits) for counts in (largest, mean))
    own = Plan.objects.filter(app=app, is_own_choice=True).values_list("resource").annotate(Count("pk")).order_by()
    own_at = dict(own)
    return [
        Offer(
            resource=name,
            is_on=name in selected,
            hindrance="" if name in most else f"API {app.dialect_name} does not list it",
            estimate=most.get(name, _UNKNOWN),
            every=every.get(name),
            adapted=(adapted[name][0], adapted[name][2]) if name in adapted and every.get(name) is None else None,
            keeps_history=overlay.history.get(name, here[name]["keeps_history"]),
            fields=overlay.fields.get(name) or FieldChoice.of_json(here[name]["fields"]),
            filters=overlay.filters.get(name, here[name]["filters"]),
            all_calls_a_day=number * usual.get(name, _UNKNOWN).calls_a_day,
            known_at=known[name].locations if name in known else 0,
            own_at=own_at.get(name, 0),
        )
        for name in RESOURCES
    ]


def _adapted(app: App) -> dict[str, tuple[timedelta, timedelta, timedelta]]:
    """The shortest, the usual and the longest of the intervals that adapt. The usual one makes the mean of the runs."""
    plans = Plan.objects.filter(app=app, enabled=True, every=None, adapted_every__isnull=False)
    often = Avg(Value(1.0) / Extract("adapted_every", "epoch"), output_field=FloatField())
    rows = (
        plans.values_list("resource")
        .annotate(least=Min("adapted_every"), often=often, most=Max("adapted_every"))
        .order_by()
    )
    return {name: (least, timedelta(seconds=1 / rate), most) for name, least, rate, most in rows}


def _columns(plan: Plan) -> resource_choices.Columns:
    return {name: getattr(plan, name) for name in resource_choices.USUAL}


def _chosen(every: Mapping[str, timedelta | None]) -> dict[str, timedelta]:
    return {name: value for name, value in every.items() if value is not None}
