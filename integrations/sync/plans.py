"""Sync plans: created at an installation, started when due, and deleted after an uninstall.

An installation that begins or ends becomes due for this (`Installation.sync_due_at`, `apply_installation_change`). A
location has plans of the resources of locations, a company those of the resources of companies (`Resource.level`).
Installations and uninstalls of one tenant may follow each other within seconds, and their messages may come late or
twice. So both `make` and `delete_plans` read the installation itself. They exclude each other by the row locks of the
plans: `delete_plans` reads and deletes under them, and a plan that is to run has to be written first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from integrations.core import clock
from integrations.core.errors import RefreshInProgress, ServerFault, TooManyRequests, Unreachable
from integrations.core.runs.querysets import Fields, PlanQuerySet, error_columns
from integrations.core.tenant import Tenant, UserType
from integrations.sync import records, resource_choices
from integrations.sync.models import ChosenVariant, HistoryEntry, Plan, Record, Run
from integrations.sync.resources import Resource, at_level
from integrations.sync.signed import plan_macs
from integrations.sync.tables import sync_run_mac
from integrations.sync.variants import variant_plans
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.installation_queryset import InstallationQuerySet
from integrations.tenants.models import App, Installation
from integrations.tokens import scope_gaps
from integrations.tokens.models import Credential

BATCH = 100  # plans started by one poll of the dispatcher, and tenants found by one sweep
PURGE_ROWS = 5_000  # records deleted by one transaction of `delete_plans`
PURGE_SECONDS = 10.0
RESUME_WINDOW = timedelta(hours=12)  # after the start of a run; later its first pages are too old
TEMPORARY = frozenset({Unreachable.code, ServerFault.code, TooManyRequests.code, RefreshInProgress.code})
RESEND_AFTER = timedelta(seconds=60)  # the dispatcher does not send the installation again before this


def apply_installation_change(installation_id: int) -> None:
    """Make the plans of an installation that began, or delete those of one that ended.

    It stays due while records are left. A change of the installation meanwhile makes it due again, which this function
    keeps.
    """
    begun = Installation.objects.filter(pk=installation_id, sync_due_at__isnull=False)
    due = clock.now() + RESEND_AFTER
    if not begun.update(sync_due_at=due):
        return
    row = Installation.objects.get(pk=installation_id)
    more = False
    if row.is_installed:
        make(row.app_id, row.resource_id)
    elif row.status == Installation.Status.UNINSTALLED:
        more = not delete_plans(row.app_id, row.resource_id)
    begun.filter(sync_due_at=due).update(sync_due_at=clock.now() if more else None)


def make(app_id: int, tenant_id: str) -> int:
    """Create the missing plans of an installed tenant, one per chosen resource and variant; how many.

    New ones are due now, and so are those that rest (`resource_choices`, `variants.variant_plans`).

    Resources whose scope is not granted are left out, and their plans get no due time: their runs could only fail.
    Where the vendor did not name the granted scopes, those that the app asks for count. Resources that the tenant's
    API cannot list are left out too. What an entered token may read is not known before it is tried.
    """
    installation = _installations(app_id, tenant_id).installed().select_related("app").first()
    if installation is None:
        return 0
    now = clock.now()
    with transaction.atomic():
        may_run = allowed(installation.app, installation.tenant)
        selected, columns = resource_choices.chosen(app_id), resource_choices.of_app(app_id)
        wanted = [name for name in may_run if name in selected]
        known = set(_plans(app_id, tenant_id).filter(variant="").values_list("resource", flat=True))
        Plan.objects.bulk_create(
            [
                plan_macs.signed(
                    Plan(
                        app_id=app_id,
                        location_id=tenant_id,
                        resource=name,
                        due_at=now,
                        created_at=now,
                        **resource_choices.chosen_for(columns, name),
                    )
                )
                for name in wanted
            ],
            ignore_conflicts=True,
        )
        variants = variant_plans.follow(app_id, tenant_id, may_run, now)
        found = _plans(app_id, tenant_id)
        plan_macs.write(found.without_run().filter(due_at=None, resource__in=may_run), due_at=now)
        found.without_run().exclude(resource__in=may_run).update(**Plan.not_due)
    start_due(now)
    return len(set(wanted) - known) + variants


def request_runs(plans: QuerySet[Plan], now: datetime, *, full: bool, repair: bool = False) -> list[int]:
    """Make enabled plans due at once; their ids. A run under way continues, and the next one follows it.

    `full` asks for a full run, `repair` for a full run that does not trust the copy. Without either the run is an
    incremental one that also compares the counts.
    """
    enabled = plans.filter(enabled=True)
    ids = list(enabled.order_by("pk").values_list("pk", flat=True))
    wanted: Fields = {"counted_at": None}
    if full:
        wanted["full_due_at"] = None
    if repair:
        wanted["repair_asked_at"] = now
    plan_macs.write(Plan.objects.filter(pk__in=ids), due_at=now, **wanted)
    start_due(now)
    return ids


def switch(plans: QuerySet[Plan], now: datetime, *, enabled: bool) -> list[int]:
    """Pause plans, or go on with paused ones, which are due at once then; the ids of those that changed.

    A paused plan starts no run. A run under way continues to its end. Going on with one that was left out is a choice
    for its location. A plan that another program wrote does not go on.
    """
    changed = plans.exclude(enabled=enabled).order_by("pk")
    ids = [plan.pk for plan in changed.only("pk", *plan_macs.COLUMNS) if not enabled or plan_macs.fits(plan)]
    found = Plan.objects.filter(pk__in=ids)
    with transaction.atomic():
        if enabled:
            left_out = found.filter(is_left_out=True)
            plan_macs.write(left_out, is_own_choice=True, is_left_out=False, drop_due_at=None)
        plan_macs.write(found, enabled=enabled, due_at=now if enabled else None)
    return ids


def discarded(theirs: Sequence[Plan], _by: str) -> None:
    """Delete plans that this application did not write, with their runs. Those that are chosen come again.

    Their records stay.
    """
    Plan.objects.filter(pk__in=[plan.pk for plan in theirs]).delete()
    for app_id in {plan.app_id for plan in theirs}:
        names = [plan.location_id for plan in theirs if plan.app_id == app_id]
        Installation.objects.filter(app=app_id, resource_id__in=names).sync_at(clock.now())


def start_due(now: datetime) -> int:
    """Start a run for every due plan that has none; how many. Safe to call from many processes at once.

    A run that failed because the vendor was away for long goes on at its checkpoint.
    """
    enabled = Plan.objects.filter(enabled=True)
    runs = enabled.start_due(
        now,
        limit=BATCH,
        columns=lambda plan: _new_run(plan, now),
        goes_on=lambda plan, run: _may_resume(plan, run, now),
        refusal=plan_macs.refusal,
    )
    return len(runs)


def delete_plans(app_id: int, tenant_id: str) -> bool:
    """Delete the plans, runs and records of an uninstalled tenant. False when more is left, or it is installed."""
    now = clock.now()
    with transaction.atomic():
        if not _lock_if_uninstalled(app_id, tenant_id):
            return False
        runs = Run.objects.filter(plan__in=_plans(app_id, tenant_id))
        runs.end(Run.Status.CANCELLED, now, **error_columns("uninstalled", "the app was uninstalled"))
        # A new installation finds reset plans, however much has been deleted until then.
        _plans(app_id, tenant_id).update(**unread())
    return _purge(app_id, tenant_id)


def unread() -> Fields:
    """The columns of a plan that has read nothing yet."""
    empty = ("cursor_at", "synced_at", "full_due_at", "counted_at", "repair_asked_at", "position", "listed")
    return {"surplus": 0, **Plan.not_due, **dict.fromkeys(empty)}


def delete_records(most: int, **mine: Any) -> tuple[int, int]:
    """Delete up to so many records with these columns, and as many rows of their history; how many of each."""
    batch = Record.objects.filter(pk__in=Record.objects.filter(**mine).values("pk")[:most])
    deleted, _ = records.lock(batch).delete()
    changes = HistoryEntry.objects.filter(**mine).values("pk")[:most]
    forgotten, _ = HistoryEntry.objects.filter(pk__in=changes).delete()
    return deleted, forgotten


def find_mismatches() -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Installed tenants that lack plans of what is chosen, and plans of tenants that are not installed."""
    apps = App.objects.order_by("pk")
    unplanned = islice((key for app in apps for level in UserType for key in _unplanned(app, level)), BATCH)
    standing = Installation.objects.not_uninstalled().filter(app=OuterRef("app"), resource_id=OuterRef("location_id"))
    orphaned = Plan.objects.filter(~Exists(standing)).values_list("app_id", "location_id").distinct()[:BATCH]
    return list(unplanned), list(orphaned)


def _unplanned(app: App, level: UserType) -> list[tuple[int, str]]:
    """The installed locations, or companies, without any plan whose grant has the scope of some chosen resource."""
    selected = resource_choices.chosen(app.pk)
    chosen = [resource for name, resource in at_level(level).items() if name in selected]
    if not chosen:
        return []
    needed = [resource.scopes for resource in chosen]
    scopes = frozenset[str]().union(*needed) if all(needed) else frozenset[str]()  # without scopes it may always run
    planned = Plan.objects.filter(app=OuterRef("app"), location_id=OuterRef("resource_id"))
    rows = Installation.objects.installed().filter(app=app, user_type=level)
    without = rows.filter(~Exists(planned), ~Exists(scope_gaps.lacking_all(_grants(), scopes)))
    return list(without.values_list("app_id", "resource_id")[:BATCH])


def _grants() -> QuerySet[Credential]:
    """The tenant's grant, for a subquery of installations."""
    found = {"app": OuterRef("app"), "user_type": OuterRef("user_type"), "resource_id": OuterRef("resource_id")}
    return Credential.objects.filter(api=Credential.Api.TWO, **found)


def _purge(app_id: int, tenant_id: str) -> bool:
    started = clock.monotonic()
    while clock.monotonic() - started < PURGE_SECONDS:
        with transaction.atomic():
            if not _lock_if_uninstalled(app_id, tenant_id):
                return False
            mine = {"app": app_id, "location_id": tenant_id}
            if max(delete_records(PURGE_ROWS, **mine)) < PURGE_ROWS:
                _plans(app_id, tenant_id).delete()
                ChosenVariant.objects.filter(**mine).delete()
                return True
    return False


def _lock_if_uninstalled(app_id: int, tenant_id: str) -> bool:
    """Lock the plans of the tenant, then check that it is neither installed nor about to be."""
    list(_plans(app_id, tenant_id).order_by("pk").select_for_update())
    return not _installations(app_id, tenant_id).not_uninstalled().exists()


def _installations(app_id: int, tenant_id: str) -> InstallationQuerySet:
    """Its installation: the vendor's ids are unique over companies and locations."""
    return Installation.objects.filter(app=app_id, resource_id=tenant_id)


def _plans(app_id: int, tenant_id: str) -> PlanQuerySet[Plan]:
    return Plan.objects.filter(app=app_id, location_id=tenant_id)


def allowed(app: App, tenant: Tenant) -> list[str]:
    """The resources that may be synced: those that the tenant's API lists and whose scope the tenant granted."""
    return [name for name, why in hindrances(app, tenant).items() if not why]


def hindrances(app: App, tenant: Tenant) -> dict[str, str]:
    """For each resource that such a tenant has, why it cannot be synced there; empty where it can."""
    row = _installations(app.pk, tenant.id).first()
    asked = frozenset[str]() if row is not None and not row.abilities.reported else app.scope_set
    scopes, api = scope_gaps.granted(app, tenant) or asked, api_name(app, tenant)
    here = {name: resource.on(api) for name, resource in at_level(tenant.user_type).items()}
    return {name: _hindrance(found, api, scopes) for name, found in here.items()}


def api_name(app: App, tenant: Tenant) -> str:
    """The API that the tenant's installation works with; the app's where there is none."""
    row = _installations(app.pk, tenant.id).select_related("app").first()
    return app.dialect_name if row is None else row.api_name


def _hindrance(resource: Resource | None, api_name: str, scopes: frozenset[str]) -> str:
    if resource is None:
        return f"API {api_name} does not list it"
    lacking = sorted(resource.scopes - scopes) if scopes else []
    return f"needs the scope {', '.join(lacking)}" if lacking else ""


def apply_scope_change(change: InstallationChange) -> None:
    """Lifecycle hook: make the plans that a tenant's new scopes allow, and stop those that they do not allow."""
    Installation.objects.filter(pk=change.installation.pk).sync_at(clock.now())


def _may_resume(plan: Plan, failed: Run, now: datetime) -> bool:
    """Whether the checkpoint of the plan's latest run is still valid, because the plan asks for the same run.

    A plan's cursor changes only when a run completes, so the request is the same. An error that is not
    transient may come from the checkpoint itself.
    """
    if not failed.checkpoint or failed.error_code not in TEMPORARY or failed.started_at < now - RESUME_WINDOW:
        return False
    asked_since = plan.repair_asked_at is not None and plan.repair_asked_at > failed.started_at
    return failed.kind == _kind(plan, now) and not asked_since


def _new_run(plan: Plan, now: datetime) -> Fields:
    kind = _kind(plan, now)
    return {"kind": kind, "mac": sync_run_mac.of_new(plan.pk, now, kind)}


def _kind(plan: Plan, now: datetime) -> str:
    if plan.repair_asked_at is not None:
        return Run.Kind.REPAIR
    full_is_due = plan.full_due_at is None or plan.full_due_at <= now
    if full_is_due or plan.cursor_at is None:
        return Run.Kind.FULL
    definition = plan.definition
    if definition is not None and definition.below is not None and definition.below.by_change:
        return Run.Kind.INCREMENTAL
    can_look_back = definition is not None and definition.since is not None
    return Run.Kind.INCREMENTAL if can_look_back else Run.Kind.FULL
