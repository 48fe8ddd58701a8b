"""Each resource as operators choose it: whether and how often it is synced, what stops it, what it costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Avg, Count, FloatField, Max, Min, Value
from django.db.models.functions import Extract

from integrations.core.tenant import Tenant, UserType
from integrations.sync import plans, resource_choices
from integrations.sync.choose import estimates
from integrations.sync.choose.estimates import Estimate
from integrations.sync.models import Plan
from integrations.sync.narrowing.field_choice import EVERYTHING, FieldChoice
from integrations.sync.resources import RESOURCES, at_level
from integrations.tenants.models import App, Installation

_UNKNOWN = Estimate(1, 1, 0.0, 0.1, is_bound=True)


@dataclass(frozen=True, slots=True)
class Overlay:
    """A choice that is not made yet: what would be on, off, or as for the app, and at which intervals.

    `every` has None for the resource's own interval, `calls` for the usual calls of a day. `totals` are the vendor's
    counts of records.
    """

    on: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()
    follow: frozenset[str] = frozenset()
    every: Mapping[str, timedelta | None] = field(default_factory=dict)
    history: Mapping[str, bool] = field(default_factory=dict)
    fields: Mapping[str, FieldChoice] = field(default_factory=dict)
    filters: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    calls: Mapping[str, int | None] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """One resource. `hindrance` says why it cannot run although it is chosen; empty where it can, or for a whole app.

    `calls_per_day` is the chosen limit of a resource below single records, None for the usual one. `every` is the
    chosen interval, None for the resource's own. `adapted` are the shortest and longest interval where they adapt
    (`allotment`). `is_own` says that a tenant chose for itself, `keeps_history` that changes of its records are kept.
    `fields` are those of its records that are kept, `filters` those of its listing, by parameter.

    For a whole app the estimate is that of the tenant with the most records; `all_calls_a_day` are those of all
    locations, or companies, together, from the mean of the `known_at` of the `tenants` whose records are counted,
    and `own_at` is how many chose for themselves.
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
    tenants: int = 0
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
    def has_calls(self) -> bool:
        """Whether its calls of a day may be chosen."""
        return RESOURCES[self.resource].is_visited

    @property
    def is_of_companies(self) -> bool:
        """Whether companies have such records, and not locations."""
        return RESOURCES[self.resource].level is UserType.COMPANY

    @property
    def own_interval(self) -> timedelta:
        """The interval that counts without a choice."""
        return RESOURCES[self.resource].every


def offers(app: App, tenant: Tenant | None = None, overlay: Overlay | None = None) -> list[Offer]:
    """The resources in the order of the registry: those of one location or company, or all of the app's.

    With `overlay` as they would be.
    """
    found = overlay or Overlay()
    return _of_tenant(app, tenant, found) if tenant else _of_app(app, found)


def locations(app: App) -> int:
    """How many locations the app is installed on."""
    return installed(app)[UserType.LOCATION]


def installed(app: App) -> dict[UserType, int]:
    """How many locations and how many companies the app is installed on."""
    rows = Installation.objects.installed().filter(app=app).values_list("user_type").annotate(Count("pk")).order_by()
    found = dict(rows)
    return {level: found.get(level, 0) for level in UserType}


def installed_on(app: App) -> str:
    """How many, in words: `20 locations`, `20 locations and 1 company`."""
    found = installed(app)
    number, companies = found[UserType.LOCATION], found[UserType.COMPANY]
    parts = [f"{number:,} location{'' if number == 1 else 's'}"]
    if companies:
        parts.append(f"{companies:,} {'company' if companies == 1 else 'companies'}")
    return " and ".join(parts)


def calls_a_day(found: Collection[Offer], *, whole_app: bool) -> int:
    """The calls of a day of all that is on and can run."""
    running = [one for one in found if one.state == "on"]
    return sum(one.all_calls_a_day if whole_app else one.estimate.calls_a_day for one in running)


def _of_tenant(app: App, tenant: Tenant, overlay: Overlay) -> list[Offer]:
    names = at_level(tenant.user_type)
    selected, columns = resource_choices.chosen(app.pk), resource_choices.of_app(app.pk)
    usual = {name: resource_choices.chosen_for(columns, name) for name in names}
    found = {plan.resource: plan for plan in Plan.objects.filter(app=app, location_id=tenant.id, variant="")}
    here = usual | {name: _columns(plan) for name, plan in found.items() if name not in overlay.follow}
    every: dict[str, timedelta | None] = {name: one["every"] for name, one in here.items()} | dict(overlay.every)
    adapted = {name: plan.adapted_every for name, plan in found.items() if plan.adapted_every is not None}
    waits, calls = {**adapted, **_chosen(every)}, _calls(here, overlay)
    costs = estimates.of(app.pk, tenant.id, plans.api_name(app, tenant), overlay.totals, waits, calls)
    whys = plans.hindrances(app, tenant)
    is_on = {name: name in selected if name not in found else found[name].enabled for name in names}
    is_on |= {name: name in selected for name in overlay.follow}
    is_on |= dict.fromkeys(overlay.on, True) | dict.fromkeys(overlay.off, False)
    own = {name for name, plan in found.items() if plan.is_own_choice} - overlay.follow
    own |= overlay.on | overlay.off | overlay.every.keys() | overlay.history.keys()
    own |= overlay.fields.keys() | overlay.filters.keys() | overlay.calls.keys()
    return [
        Offer(
            resource=name,
            is_on=is_on[name],
            hindrance=whys[name],
            estimate=costs.get(name, _UNKNOWN),
            calls_per_day=calls.get(name),
            every=every.get(name),
            adapted=(adapted[name], adapted[name]) if name in adapted and every.get(name) is None else None,
            is_own=name in own,
            keeps_history=overlay.history.get(name, here[name]["keeps_history"]),
            fields=overlay.fields.get(name) or FieldChoice.of_json(here[name]["fields"]),
            filters=overlay.filters.get(name, here[name]["filters"]),
        )
        for name in names
    ]


def _of_app(app: App, overlay: Overlay) -> list[Offer]:
    selected = (resource_choices.chosen(app.pk) | overlay.on) - overlay.off
    columns = resource_choices.of_app(app.pk)
    here = {name: resource_choices.chosen_for(columns, name) for name in RESOURCES}
    every: dict[str, timedelta | None] = {name: one["every"] for name, one in here.items()} | dict(overlay.every)
    known, number = estimates.known(app.pk), installed(app)
    largest = {name: one.largest for name, one in known.items()}
    mean = {name: one.mean for name, one in known.items()}
    adapted = _adapted(app)
    waits = {**{name: between for name, (_, between, _) in adapted.items()}, **_chosen(every)}
    calls = _calls(here, overlay)
    most, usual = (estimates.of_counts(app.dialect_name, counts, waits, calls) for counts in (largest, mean))
    chosen_there = Plan.objects.filter(app=app, variant="", is_own_choice=True)
    own = chosen_there.values_list("resource").annotate(Count("pk")).order_by()
    own_at = dict(own)
    return [
        Offer(
            resource=name,
            is_on=name in selected,
            hindrance="" if name in most else f"API {app.dialect_name} does not list it",
            estimate=most.get(name, _UNKNOWN),
            calls_per_day=calls.get(name),
            every=every.get(name),
            adapted=(adapted[name][0], adapted[name][2]) if name in adapted and every.get(name) is None else None,
            keeps_history=overlay.history.get(name, here[name]["keeps_history"]),
            fields=overlay.fields.get(name) or FieldChoice.of_json(here[name]["fields"]),
            filters=overlay.filters.get(name, here[name]["filters"]),
            all_calls_a_day=number[resource.level] * usual.get(name, _UNKNOWN).calls_a_day,
            known_at=known[name].tenants if name in known else 0,
            tenants=number[resource.level],
            own_at=own_at.get(name, 0),
        )
        for name, resource in RESOURCES.items()
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


def _calls(here: Mapping[str, resource_choices.Columns], overlay: Overlay) -> dict[str, int]:
    """The chosen calls of a day, by resource; those without a choice are left out."""
    found = {name: one["calls_per_day"] for name, one in here.items()} | dict(overlay.calls)
    return {name: number for name, number in found.items() if number is not None}


def _chosen(every: Mapping[str, timedelta | None]) -> dict[str, timedelta]:
    return {name: value for name, value in every.items() if value is not None}
