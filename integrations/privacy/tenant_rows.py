"""The rows of a tenant in each table, for `inventory`. Each function takes a scope and returns a queryset to delete."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from integrations.core.tenant import Tenant
from integrations.gateway.models import Call
from integrations.gateway.models import Usage as ApiUsage
from integrations.installs.models import InstallState
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule, Trigger
from integrations.privacy.holding import as_texts, contains
from integrations.privacy.purge_scope import Scope
from integrations.quota.models import Parked
from integrations.quota.models import Usage as LaneUsage
from integrations.sync.models import Plan, Record, RecordKey
from integrations.sync.models import Run as SyncRun
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import Company, Installation, Location
from integrations.tokens.models import Credential
from integrations.webhooks.models import Event, Mailbox

Rows = QuerySet[Any]
_SEARCHED = 100  # ids that are looked for inside the webhooks of other mailboxes; those of a large agency are too many
_EMPTY: dict[str, Any] = {
    **dict.fromkeys(("claimed_by", "installer_id", "white_label_domain", "white_label_logo", "plan_id"), ""),
    **dict.fromkeys(("external_auth", "payment_status"), ""),
    "installer": {},
    "detail_times": {},
    "reading": None,
}


def triggers(scope: Scope) -> Rows:
    """Events that jobs of the tenant, or of another one, have yet to see."""
    mine = Q(schedule__in=schedules(scope).values("pk"))
    return Trigger.objects.filter(
        mine | Q(event__in=events(scope).values("pk")) | Q(change__in=changes(scope).values("pk"))
    )


def job_runs(scope: Scope) -> Rows:
    """Runs of the tenant's jobs."""
    return JobRun.objects.filter(schedule__in=schedules(scope).values("pk"))


def schedules(scope: Scope) -> Rows:
    """Schedules of the tenant's jobs."""
    return Schedule.objects.filter(scope.by("level", "tenant_id"))


def sync_runs(scope: Scope) -> Rows:
    """Sync runs of the locations."""
    return SyncRun.objects.filter(plan__location_id__in=scope.locations)


def records(scope: Scope) -> Rows:
    """Synced records of the locations, tombstones included."""
    return Record.objects.filter(location_id__in=scope.locations)


def data_keys(scope: Scope) -> Rows:
    """The keys that encrypt fields of the locations' records."""
    return RecordKey.objects.filter(pk__in=scope.locations)


def plans(scope: Scope) -> Rows:
    """Sync plans of the locations."""
    return Plan.objects.filter(location_id__in=scope.locations)


def events(scope: Scope) -> Rows:
    """Webhooks in the tenant's mailboxes, and those that name it in the mailbox of its agency or of the app."""
    agencies = Location.objects.filter(id__in=scope.locations).exclude(company=None).values_list("company", flat=True)
    near = {"app", *(Tenant.company(company_id).mailbox_key for company_id in agencies)} - set(scope.mailboxes)
    mine, others = (list(_boxes(keys).values_list("pk", flat=True)) for keys in (scope.mailboxes, sorted(near)))
    named = sorted(scope.companies) + (sorted(scope.locations) if len(scope.locations) <= _SEARCHED else [])
    about = Q(mailbox__in=others) & contains(named, "payload")
    return as_texts(Event.objects.all(), "payload").filter(Q(mailbox__in=mine) | about)


def mailboxes(scope: Scope) -> Rows:
    """The tenant's mailboxes, once they are empty."""
    return _boxes(scope.mailboxes).filter(~Exists(Event.objects.filter(mailbox=OuterRef("pk"))))


def all_mailboxes(scope: Scope) -> Rows:
    """The tenant's mailboxes, full or empty."""
    return _boxes(scope.mailboxes)


def all_locations(scope: Scope) -> Rows:
    """The locations, whatever refers to them."""
    return Location.objects.filter(id__in=scope.locations)


def all_companies(scope: Scope) -> Rows:
    """The company, whatever refers to it."""
    return Company.objects.filter(id__in=scope.companies)


def calls(scope: Scope) -> Rows:
    """Failed and slow calls for the tenant."""
    return Call.objects.filter(resource_id__in=scope.ids)


def api_usage(scope: Scope) -> Rows:
    """Statistics of the tenant's calls."""
    return ApiUsage.objects.filter(resource_id__in=scope.ids)


def parked(scope: Scope) -> Rows:
    """Tasks that wait for a permit of the tenant."""
    return Parked.objects.filter(key__in=scope.quota_keys)


def lane_usage(scope: Scope) -> Rows:
    """Calls of the tenant by lane."""
    return LaneUsage.objects.filter(key__in=scope.quota_keys)


def install_states(scope: Scope) -> Rows:
    """Consent links of the tenant."""
    return InstallState.objects.filter(installation__in=Installation.objects.filter(scope.installations).values("pk"))


def changes(scope: Scope) -> Rows:
    """The history of the tenant's installations, and moves of other locations from or to the company."""
    mine = Installation.objects.filter(scope.installations)
    companies = sorted(scope.companies)
    moves = Q(what=InstallationChange.What.MOVED) & (Q(old__in=companies) | Q(new__in=companies))
    return InstallationChange.objects.filter(Q(installation__in=mine.values("pk")) | moves)


def credentials(scope: Scope) -> Rows:
    """The tenant's credentials."""
    return Credential.objects.filter(scope.installations)


def installations(scope: Scope) -> Rows:
    """The tenant's installations, without those that have to stay."""
    return Installation.objects.filter(scope.installations).exclude(pk__in=_removed_here(scope).values("pk"))


def blank_installations(scope: Scope) -> int:
    """Empty the installations that have to stay; how many were not empty."""
    rows = _removed_here(scope)
    full = [row.pk for row in rows if any(getattr(row, name) != empty for name, empty in _EMPTY.items())]
    return int(Installation.objects.filter(pk__in=full).update(**_EMPTY))


def locations(scope: Scope) -> Rows:
    """The locations, without those of installations that stay."""
    referred = Installation.objects.filter(location=OuterRef("pk"))
    return Location.objects.filter(~Exists(referred), id__in=scope.locations)


def blank_locations(scope: Scope) -> int:
    """Empty the names of locations that stay; how many had one."""
    referred = Installation.objects.filter(location=OuterRef("pk"))
    return Location.objects.filter(Exists(referred), id__in=scope.locations).exclude(name="").update(name="")


def companies(scope: Scope) -> Rows:
    """The company, once nothing refers to it."""
    locations = Location.objects.filter(company=OuterRef("pk"))
    installed = Installation.objects.filter(company=OuterRef("pk"))
    return Company.objects.filter(~Exists(locations), ~Exists(installed), id__in=scope.companies)


def _removed_here(scope: Scope) -> Rows:
    """Locations that an operator removed here, while their agency, which is not purged with them, has the app."""
    agency = Installation.objects.companies().not_uninstalled().exclude(resource_id__in=scope.companies)
    agency = agency.filter(app=OuterRef("app"), resource_id=OuterRef("company"))
    return Installation.objects.filter(Exists(agency), scope.installations, removed_at__isnull=False)


def _boxes(keys: list[str]) -> Rows:
    return Mailbox.objects.filter(tenant__in=keys)
