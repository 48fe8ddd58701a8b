"""Which resources are synced and how often: for an app, in all of its locations and companies, and for one of them.

Without a choice the resource's own values count (`Resource.default`, `Resource.every`). A choice for an app is a row
(`ResourceChoice`). Plans have what counts for their tenant: the app's choice, copied, or one of their own
(`Plan.is_own_choice`), which the app's does not change. A choice is written with the MACs of its rows, a thousand plans
by a statement (`signed.plan_macs`); plans that are missing follow within seconds (`plans.make`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from integrations.core.errors import BadRequest
from integrations.core.runs.querysets import error_columns
from integrations.core.tenant import Tenant
from integrations.sync.models import Plan, Record, ResourceChoice, Run
from integrations.sync.narrowing import field_choice, what_is_kept
from integrations.sync.narrowing.field_choice import FieldChoice
from integrations.sync.resources import RESOURCES
from integrations.sync.signed import choice_macs, plan_macs
from integrations.sync.typed import described_fields
from integrations.tenants.installation_queryset import InstallationQuerySet
from integrations.tenants.models import App, Installation

SHORTEST, LONGEST = timedelta(minutes=5), timedelta(days=28)  # between two runs
Columns = dict[str, Any]
# Of a plan without a choice.
USUAL: Columns = {"every": None, "keeps_history": False, "fields": {}, "filters": {}, "calls_per_day": None}
_SAMPLE = 20  # records whose fields are known fields


def chosen(app_id: int) -> set[str]:
    """The resources that each location or company of the app has a plan for, as far as it can list them."""
    said = {row.resource: row.enabled and choice_macs.fits(row) for row in ResourceChoice.objects.filter(app=app_id)}
    return {name for name, resource in RESOURCES.items() if said.get(name, resource.default)}


def of_app(app_id: int) -> dict[str, Columns]:
    """What was chosen for the app besides that: the columns of a new plan, by resource."""
    rows = ResourceChoice.objects.filter(app=app_id)
    return {row.resource: {name: getattr(row, name) for name in USUAL} for row in rows if choice_macs.fits(row)}


def chosen_for(columns: Mapping[str, Columns], name: str) -> Columns:
    """The columns of a new plan of this resource, from `of_app`."""
    return {**USUAL, **columns.get(name, {})}


def choose(
    app: App, names: Collection[str], now: datetime, *, enabled: bool, tenant: Tenant | None = None
) -> list[str]:
    """Sync these resources, or no more; which ones. Without a tenant in all tenants of the app that follow it.

    A resource that is visited below another one's records (`sync.visits`) brings that one with it, and one that is no
    longer synced takes its children along. Runs under way of what is left out end. Its records stay: `dropping` deletes
    them.

    Raises BadRequest for a name that there is not or that such a tenant cannot have, and a tenant without the app.
    """
    rows = installations(app, names, tenant)
    wanted = included(app, names, enabled=enabled, tenant=tenant)
    plans = Plan.objects.filter(app=app, resource__in=wanted, variant="")
    with transaction.atomic():
        if tenant:
            plans = plans.filter(location_id=tenant.id)
            _make_missing(app, wanted, now, tenant)
            plan_macs.write(plans, is_own_choice=True)
        else:
            _keep(app, wanted, enabled=enabled)
            plans = plans.filter(is_own_choice=False)
        _switch(plans, now, enabled=enabled)
        rows.sync_at(now)
    return wanted


def included(app: App, names: Collection[str], *, enabled: bool, tenant: Tenant | None = None) -> list[str]:
    """The resources that `choose` chooses or leaves out with these, in order."""
    return sorted(_with_parents(names) if enabled else _with_children(app, names, tenant))


def set_interval(
    app: App, names: Collection[str], every: timedelta | None, now: datetime, *, tenant: Tenant | None = None
) -> int:
    """Let so much time pass between two runs of these resources, None for their own interval; how many plans changed.

    A plan whose next run would be later than that is due at the new interval from now on. Raises as `choose`, and
    BadRequest for an interval that is too short or too long.
    """
    installations(app, names, tenant)
    if every is not None and not SHORTEST <= every <= LONGEST:
        raise BadRequest("an interval has 5 minutes at least and 28 days at most")
    with transaction.atomic():
        plans = _plans_of_choice(app, names, tenant, every=every)
        for name in names:
            wait = every or RESOURCES[name].every
            plan_macs.write(plans.filter(resource=name, due_at__gt=now + wait), due_at=now + wait)
        return plan_macs.write(plans, every=every)


def set_history(app: App, names: Collection[str], now: datetime, *, keeps: bool, tenant: Tenant | None = None) -> int:
    """Keep each change of the records of these resources from now on, or no more; how many plans changed.

    What was kept stays for its time (`RECORD_HISTORY_RETENTION_DAYS`). Raises as `choose`.
    """
    installations(app, names, tenant)
    with transaction.atomic():
        plans = _plans_of_choice(app, names, tenant, keeps_history=keeps)
        return plan_macs.write(plans, keeps_history=keeps)


def set_fields(
    app: App, names: Collection[str], fields: FieldChoice, now: datetime, *, tenant: Tenant | None = None
) -> int:
    """Keep these fields of the resources' records; how many plans changed.

    What is left out is deleted from stored records, by the workers. What comes back is read anew. Raises as `choose`,
    and BadRequest for a field that is needed or unknown.
    """
    installations(app, names, tenant)
    for name in names:
        field_choice.check(fields, name, known_fields(app, name, tenant))
    with transaction.atomic():
        return what_is_kept.set_fields(_plans_of_choice(app, names, tenant, fields=fields.json), fields, now)


def set_filters(
    app: App, names: Collection[str], filters: Mapping[str, str], now: datetime, *, tenant: Tenant | None = None
) -> int:
    """List only what fits these filters, by parameter; how many plans changed. Everything is listed anew then.

    Raises as `choose`, and BadRequest for a filter that a resource does not have, or a value that it does not take.
    """
    installations(app, names, tenant)
    for name in names:
        what_is_kept.check_filters(name, filters)
    with transaction.atomic():
        return what_is_kept.set_filters(_plans_of_choice(app, names, tenant, filters=dict(filters)), filters, now)


def known_fields(app: App, name: str, tenant: Tenant | None = None) -> list[str]:
    """The fields of the resource: those that the vendor describes, and those of a few records of the copy."""
    rows = Record.objects.filter(app=app, resource=name, deleted_at=None)
    rows = rows.filter(location_id=tenant.id) if tenant else rows
    seen = {
        field
        for payload in rows.order_by("-changed_in")[:_SAMPLE].values_list("payload", flat=True)
        for field in payload
    }
    return sorted(seen | described_fields.of(RESOURCES[name]).keys())


def follow_app(app: App, names: Collection[str], now: datetime, *, tenant: Tenant) -> int:
    """Let the app's choice count for a tenant again; for how many plans. Raises as `choose`."""
    rows = installations(app, names, tenant)
    selected, columns = chosen(app.pk), of_app(app.pk)
    mine = Plan.objects.filter(app=app, location_id=tenant.id, variant="")
    own = mine.filter(resource__in=list(names), is_own_choice=True)
    with transaction.atomic():
        ids = list(own.select_for_update().order_by("pk").values_list("pk", flat=True))
        mine = Plan.objects.filter(pk__in=ids)
        for enabled in (True, False):
            _switch(mine.filter(resource__in=[n for n in names if (n in selected) == enabled]), now, enabled=enabled)
        for name in names:
            one, wanted = mine.filter(resource=name), chosen_for(columns, name)
            what_is_kept.set_fields(one, FieldChoice.of_json(wanted["fields"]), now)
            what_is_kept.set_filters(one, wanted["filters"], now)
            plain = ("every", "keeps_history", "calls_per_day")
            plan_macs.write(one, **{column: wanted[column] for column in plain})
        plan_macs.write(mine, is_own_choice=False)
        rows.sync_at(now)
    return len(ids)


def limit_calls(app: App, names: Collection[str], calls: int | None, *, tenant: Tenant | None = None) -> int:
    """Let the plans of these resources make so many calls a day, None for the usual number; how many plans.

    Only resources below single records have such a limit (`sync.visits`): the cost of all others follows from their
    interval. Raises as `choose`, and BadRequest for another resource.
    """
    installations(app, names, tenant)
    if others := sorted(name for name in names if not RESOURCES[name].is_visited):
        raise BadRequest(
            f"not listed below single records, so their calls have no limit of their own: {', '.join(others)}"
        )
    with transaction.atomic():
        return plan_macs.write(_plans_of_choice(app, names, tenant, calls_per_day=calls), calls_per_day=calls)


def installations(app: App, names: Iterable[str], tenant: Tenant | None) -> InstallationQuerySet:
    """The installations that a choice of these resources is about. Raises BadRequest as `choose`."""
    if unknown := sorted(set(names) - RESOURCES.keys()):
        raise BadRequest(f"there is no resource {', '.join(unknown)}: `manage.py sync resources` lists them")
    rows = Installation.objects.installed().filter(app=app)
    if tenant is None:
        return rows.filter(user_type__in={RESOURCES[name].level for name in names})
    if others := sorted(name for name in names if RESOURCES[name].level is not tenant.user_type):
        raise BadRequest(f"a {tenant.kind} has no {', '.join(others)}")
    rows = rows.filter(user_type=tenant.user_type, resource_id=tenant.id)
    if not rows.exists():
        raise BadRequest(f"the app is not installed on {tenant.kind} {tenant.id}")
    return rows


def _make_missing(app: App, names: Iterable[str], now: datetime, tenant: Tenant) -> None:
    """Make the plans that a tenant lacks, left out and without a due time: `plans.make` finds those that may run."""
    columns = of_app(app.pk)
    left_out: Columns = {
        "app": app,
        "location_id": tenant.id,
        "created_at": now,
        "enabled": False,
        "is_left_out": True,
    }
    new = [plan_macs.signed(Plan(resource=name, **left_out, **chosen_for(columns, name))) for name in names]
    Plan.objects.bulk_create(new, ignore_conflicts=True)


def _plans_of_choice(app: App, names: Collection[str], tenant: Tenant | None, **choice: Any) -> QuerySet[Plan]:
    """Note the choice, as one of the tenant's own or in the app's columns. Returns the plans that it changes."""
    plans = Plan.objects.filter(app=app, resource__in=list(names), variant="")
    if tenant:
        own = plans.filter(location_id=tenant.id)
        plan_macs.write(own, is_own_choice=True)
        return own
    _keep(app, names, **choice)
    return plans.filter(is_own_choice=False)


def _keep(app: App, names: Collection[str], **choice: Any) -> None:
    """Note this much of the app's choices. Of a row that another program wrote nothing is kept."""
    list(App.objects.select_for_update(of=("self",), no_key=True).filter(pk=app.pk))  # one choice after the other
    selected, columns = chosen(app.pk), of_app(app.pk)
    rows = [
        ResourceChoice(app=app, resource=name, **{"enabled": name in selected, **chosen_for(columns, name), **choice})
        for name in names
    ]
    ResourceChoice.objects.bulk_create(
        [choice_macs.signed(row) for row in rows],
        update_conflicts=True,
        unique_fields=["app", "resource"],
        update_fields=["enabled", *USUAL, "mac"],
    )


def _switch(plans: QuerySet[Plan], now: datetime, *, enabled: bool) -> None:
    """Choose plans, or leave them out and end their runs. What is chosen again keeps its records."""
    if enabled:
        plan_macs.write(plans, enabled=True, is_left_out=False, drop_due_at=None)
        return
    plan_macs.write(plans, enabled=False, is_left_out=True)
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


def _with_children(app: App, names: Collection[str], tenant: Tenant | None) -> set[str]:
    """These, and what is synced below their records: without them it would only repeat what is known."""
    here = Plan.objects.filter(app=app, is_left_out=False, variant="")
    mine = here.filter(location_id=tenant.id).values_list("resource", flat=True) if tenant else chosen(app.pk)
    synced = set(mine)
    return {name for name in synced & RESOURCES.keys() if _with_parents([name]) & set(names)} | set(names)
