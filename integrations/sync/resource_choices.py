"""Which resources are synced and how often: for an app, in all of its locations, and for one location.

Without a choice the resource's own values count (`Resource.default`, `Resource.every`). A choice for an app is a row
(`ResourceChoice`). Plans have what counts at their location: the app's choice, copied, or one of their own
(`Plan.is_own_choice`), which the app's does not change. Each choice is a few statements, however many locations the app
has; plans that are missing follow within seconds (`plans.make`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from integrations.core.errors import BadRequest
from integrations.core.runs.querysets import error_columns
from integrations.sync.models import Plan, Record, ResourceChoice, Run
from integrations.sync.narrowing import field_choice, what_is_kept
from integrations.sync.narrowing.field_choice import FieldChoice
from integrations.sync.resources import RESOURCES
from integrations.sync.typed import described_fields
from integrations.tenants.installation_queryset import InstallationQuerySet
from integrations.tenants.models import App, Installation

SHORTEST, LONGEST = timedelta(minutes=5), timedelta(days=28)  # between two runs
Columns = dict[str, Any]
USUAL: Columns = {"every": None, "keeps_history": False, "fields": {}, "filters": {}}  # of a plan without a choice
_SAMPLE = 20  # records whose fields are known fields


def chosen(app_id: int) -> set[str]:
    """The resources that each location of the app has a plan for, as far as it can list them."""
    said = dict(ResourceChoice.objects.filter(app=app_id).values_list("resource", "enabled"))
    return {name for name, resource in RESOURCES.items() if said.get(name, resource.default)}


def of_app(app_id: int) -> dict[str, Columns]:
    """What was chosen for the app besides that: the columns of a new plan, by resource."""
    rows = ResourceChoice.objects.filter(app=app_id)
    return {row["resource"]: {name: row[name] for name in USUAL} for row in rows.values("resource", *USUAL)}


def chosen_for(columns: Mapping[str, Columns], name: str) -> Columns:
    """The columns of a new plan of this resource, from `of_app`."""
    return {**USUAL, **columns.get(name, {})}


def choose(app: App, names: Collection[str], now: datetime, *, enabled: bool, location_id: str = "") -> list[str]:
    """Sync these resources, or no more; which ones. Without a location in all locations of the app that follow it.

    A resource that is visited below another one's records (`sync.visits`) brings that one with it, and one that is no
    longer synced takes its children along. Runs under way of what is left out end. Its records stay: `dropping` deletes
    them.

    Raises BadRequest for a name that there is not, and a location without the app.
    """
    rows = _installations(app, names, location_id)
    wanted = included(app, names, enabled=enabled, location_id=location_id)
    plans = Plan.objects.filter(app=app, resource__in=wanted)
    with transaction.atomic():
        if location_id:
            plans = plans.filter(location_id=location_id)
            _make_missing(app, wanted, now, location_id)
            plans.update(is_own_choice=True)
        else:
            _keep(app, wanted, enabled=enabled)
            plans = plans.filter(is_own_choice=False)
        _switch(plans, now, enabled=enabled)
        rows.sync_at(now)
    return wanted


def included(app: App, names: Collection[str], *, enabled: bool, location_id: str = "") -> list[str]:
    """The resources that `choose` chooses or leaves out with these, in order."""
    return sorted(_with_parents(names) if enabled else _with_children(app, names, location_id))


def set_interval(
    app: App, names: Collection[str], every: timedelta | None, now: datetime, *, location_id: str = ""
) -> int:
    """Let so much time pass between two runs of these resources, None for their own interval; how many plans changed.

    A plan whose next run would be later than that is due at the new interval from now on. Raises as `choose`, and
    BadRequest for an interval that is too short or too long.
    """
    _installations(app, names, location_id)
    if every is not None and not SHORTEST <= every <= LONGEST:
        raise BadRequest("an interval has 5 minutes at least and 28 days at most")
    with transaction.atomic():
        plans = _plans_of_choice(app, names, location_id, every=every)
        for name in names:
            wait = every or RESOURCES[name].every
            plans.filter(resource=name, due_at__gt=now + wait).update(due_at=now + wait)
        return plans.update(every=every)


def set_history(app: App, names: Collection[str], now: datetime, *, keeps: bool, location_id: str = "") -> int:
    """Keep each change of the records of these resources from now on, or no more; how many plans changed.

    What was kept stays for its time (`RECORD_HISTORY_RETENTION_DAYS`). Raises as `choose`.
    """
    _installations(app, names, location_id)
    with transaction.atomic():
        return _plans_of_choice(app, names, location_id, keeps_history=keeps).update(keeps_history=keeps)


def set_fields(app: App, names: Collection[str], fields: FieldChoice, now: datetime, *, location_id: str = "") -> int:
    """Keep these fields of the resources' records; how many plans changed.

    What is left out is deleted from stored records, by the workers. What comes back is read anew. Raises as `choose`,
    and BadRequest for a field that is needed or unknown.
    """
    _installations(app, names, location_id)
    for name in names:
        field_choice.check(fields, name, known_fields(app, name, location_id))
    with transaction.atomic():
        return what_is_kept.set_fields(_plans_of_choice(app, names, location_id, fields=fields.json), fields, now)


def set_filters(
    app: App, names: Collection[str], filters: Mapping[str, str], now: datetime, *, location_id: str = ""
) -> int:
    """List only what fits these filters, by parameter; how many plans changed. Everything is listed anew then.

    Raises as `choose`, and BadRequest for a filter that a resource does not have, or a value that it does not take.
    """
    _installations(app, names, location_id)
    for name in names:
        what_is_kept.check_filters(name, filters)
    with transaction.atomic():
        return what_is_kept.set_filters(_plans_of_choice(app, names, location_id, filters=dict(filters)), filters, now)


def known_fields(app: App, name: str, location_id: str = "") -> list[str]:
    """The fields of the resource: those that the vendor describes, and those of a few records of the copy."""
    rows = Record.objects.filter(app=app, resource=name, deleted_at=None)
    rows = rows.filter(location_id=location_id) if location_id else rows
    seen = {
        field
        for payload in rows.order_by("-changed_in")[:_SAMPLE].values_list("payload", flat=True)
        for field in payload
    }
    return sorted(seen | described_fields.of(RESOURCES[name]).keys())


def follow_app(app: App, names: Collection[str], now: datetime, *, location_id: str) -> int:
    """Let the app's choice count at a location again; for how many plans. Raises as `choose`."""
    rows = _installations(app, names, location_id)
    selected, columns = chosen(app.pk), of_app(app.pk)
    own = Plan.objects.filter(app=app, location_id=location_id, resource__in=list(names), is_own_choice=True)
    with transaction.atomic():
        ids = list(own.select_for_update().order_by("pk").values_list("pk", flat=True))
        mine = Plan.objects.filter(pk__in=ids)
        for enabled in (True, False):
            _switch(mine.filter(resource__in=[n for n in names if (n in selected) == enabled]), now, enabled=enabled)
        for name in names:
            one, wanted = mine.filter(resource=name), chosen_for(columns, name)
            what_is_kept.set_fields(one, FieldChoice.of_json(wanted["fields"]), now)
            what_is_kept.set_filters(one, wanted["filters"], now)
            one.update(every=wanted["every"], keeps_history=wanted["keeps_history"])
        mine.update(is_own_choice=False)
        rows.sync_at(now)
    return len(ids)


def limit_calls(app: App, name: str, calls: int, *, location_id: str = "") -> int:
    """Let the resource's plans make so many calls a day; how many plans. Raises BadRequest if it has no such limit."""
    resource = RESOURCES.get(name)
    if resource is None or resource.below is None or not resource.below.by_change:
        raise BadRequest(f"{name} is not listed below single records, so its calls have no limit of their own")
    plans = Plan.objects.filter(app=app, resource=name)
    return (plans.filter(location_id=location_id) if location_id else plans).update(calls_per_day=calls)


def _installations(app: App, names: Iterable[str], location_id: str) -> InstallationQuerySet:
    if unknown := sorted(set(names) - RESOURCES.keys()):
        raise BadRequest(f"there is no resource {', '.join(unknown)}: `manage.py sync resources` lists them")
    rows = Installation.objects.locations().installed().filter(app=app)
    rows = rows.filter(resource_id=location_id) if location_id else rows
    if location_id and not rows.exists():
        raise BadRequest(f"the app is not installed on location {location_id}")
    return rows


def _make_missing(app: App, names: Iterable[str], now: datetime, location_id: str) -> None:
    """Make the plans that a location lacks, left out and without a due time: `plans.make` finds those that may run."""
    columns = of_app(app.pk)
    left_out: Columns = {
        "app": app,
        "location_id": location_id,
        "created_at": now,
        "enabled": False,
        "is_left_out": True,
    }
    new = [Plan(resource=name, **left_out, **chosen_for(columns, name)) for name in names]
    Plan.objects.bulk_create(new, ignore_conflicts=True)


def _plans_of_choice(app: App, names: Collection[str], location_id: str, **choice: Any) -> QuerySet[Plan]:
    """Note the choice, as one of the location's own or in the app's columns. Returns the plans that it changes."""
    plans = Plan.objects.filter(app=app, resource__in=list(names))
    if location_id:
        own = plans.filter(location_id=location_id)
        own.update(is_own_choice=True)
        return own
    _keep_as_it_is(app, names)
    ResourceChoice.objects.filter(app=app, resource__in=list(names)).update(**choice)
    return plans.filter(is_own_choice=False)


def _keep_as_it_is(app: App, names: Collection[str]) -> None:
    """Make the rows of these resources without changing whether they are synced."""
    selected = chosen(app.pk)
    for enabled in (True, False):
        _keep(app, [name for name in names if (name in selected) == enabled], enabled=enabled)


def _keep(app: App, names: Collection[str], *, enabled: bool) -> None:
    ResourceChoice.objects.bulk_create(
        [ResourceChoice(app=app, resource=name, enabled=enabled) for name in names],
        update_conflicts=True,
        unique_fields=["app", "resource"],
        update_fields=["enabled"],
    )


def _switch(plans: QuerySet[Plan], now: datetime, *, enabled: bool) -> None:
    """Choose plans, or leave them out and end their runs. What is chosen again keeps its records."""
    if enabled:
        plans.update(enabled=True, is_left_out=False, drop_due_at=None)
        return
    plans.update(enabled=False, is_left_out=True)
    runs = Run.objects.filter(plan__in=plans.values("pk"))
    runs.end(Run.Status.CANCELLED, now, **error_columns("left_out", "the resource is no longer synced here"))


def _with_parents(names: Collection[str]) -> set[str]:
    found = set(names)
    for name in names:
        below = RESOURCES[name].below
        while below is not None:
            found |= {below.resource.name} if below.by_change else set()
            below = below.resource.below
    return found


def _with_children(app: App, names: Collection[str], location_id: str) -> set[str]:
    """These, and what is synced below their records: without them it would only repeat what is known."""
    here = Plan.objects.filter(app=app, location_id=location_id, is_left_out=False)
    synced = set(here.values_list("resource", flat=True)) if location_id else chosen(app.pk)
    return {name for name in synced & RESOURCES.keys() if _with_parents([name]) & set(names)} | set(names)
