"""The rows of a tenant in each table, for `inventory`. Each function takes a scope and returns a queryset to delete."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from integrations.core.tenant import Tenant
from integrations.exports.models import Export, ExportChunk, ExportPart
from integrations.gateway.models import Call
from integrations.gateway.models import Usage as ApiUsage
from integrations.installs.models import EmbeddedVisit, InstallState
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule, Trigger, Write
from integrations.modules.models import TriggerSubscription
from integrations.outbox.models import Entry, TenantOutbox
from integrations.outbox.models import Run as OutboxRun
from integrations.privacy.holding import as_texts, contains
from integrations.privacy.purge_scope import Scope
from integrations.problems.models import AffectedTenant, Problem
from integrations.quota.models import Parked
from integrations.quota.models import Usage as LaneUsage
from integrations.sync.models import ChosenVariant, HistoryEntry, Plan, Record, RecordKey
from integrations.sync.models import Run as SyncRun
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import Company, Installation, Location
from integrations.tenants.tenant_note import TenantNote
from integrations.tokens.models import Credential
from integrations.upserts.models import Run as UpsertRun
from integrations.upserts.models import Upsert, UpsertRow
from integrations.webhooks.models import Event, FailedAttempt, Mailbox

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


def writes(scope: Scope) -> Rows:
    """Writes of the tenant's jobs, those of unknown fate included."""
    return Write.objects.filter(schedule__in=schedules(scope).values("pk"))


def job_runs(scope: Scope) -> Rows:
    """Runs of the tenant's jobs."""
    return JobRun.objects.filter(schedule__in=schedules(scope).values("pk"))


def schedules(scope: Scope) -> Rows:
    """Schedules of the tenant's jobs."""
    return Schedule.objects.filter(scope.by("level", "tenant_id"))


def outboxes(scope: Scope) -> Rows:
    """The outboxes of the tenant."""
    return TenantOutbox.objects.filter(scope.by("level", "tenant_id"))


def outbox_entries(scope: Scope) -> Rows:
    """Their entries, those that wait included."""
    return Entry.objects.filter(outbox__in=outboxes(scope).values("pk"))


def outbox_runs(scope: Scope) -> Rows:
    """Their runs."""
    return OutboxRun.objects.filter(outbox__in=outboxes(scope).values("pk"))


def sync_runs(scope: Scope) -> Rows:
    """Sync runs of the locations and companies."""
    return SyncRun.objects.filter(plan__location_id__in=scope.ids)


def records(scope: Scope) -> Rows:
    """Synced records of the locations and companies, tombstones included."""
    return Record.objects.filter(location_id__in=scope.ids)


def history_entries(scope: Scope) -> Rows:
    """The history of these records."""
    return HistoryEntry.objects.filter(location_id__in=scope.ids)


def export_parts(scope: Scope) -> Rows:
    """Exported files that may have data of these tenants: all that are not of other ones alone."""
    mine = Q(run__export__locations=[]) | Q(run__export__locations__overlap=sorted(scope.ids))
    return ExportPart.objects.filter(mine)


def exports(scope: Scope) -> Rows:
    """Exports of these tenants alone."""
    return Export.objects.filter(locations__contained_by=sorted(scope.ids)).exclude(locations=[])


def blank_exports(scope: Scope) -> int:
    """Take these tenants out of exports that name others, too."""
    rows = Export.objects.filter(locations__overlap=sorted(scope.ids)).exclude(pk__in=exports(scope).values("pk"))
    changed = list(rows)
    for row in changed:
        row.locations = [one for one in row.locations if one not in scope.ids]
    return Export.objects.bulk_update(changed, ["locations"])


def export_chunks(scope: Scope) -> Rows:
    """The bytes of these files."""
    return ExportChunk.objects.filter(part__in=export_parts(scope).values("pk"))


def upserts(scope: Scope) -> Rows:
    """Bulk upserts of the tenant, with the keys of their rows."""
    return Upsert.objects.filter(tenant_id__in=scope.ids)


def upsert_rows(scope: Scope) -> Rows:
    """The rows of these upserts."""
    return UpsertRow.objects.filter(upsert__in=upserts(scope).values("pk"))


def upsert_runs(scope: Scope) -> Rows:
    """The runs of these upserts."""
    return UpsertRun.objects.filter(upsert__in=upserts(scope).values("pk"))


def data_keys(scope: Scope) -> Rows:
    """The keys that encrypt fields of their records."""
    return RecordKey.objects.filter(pk__in=scope.ids)


def trigger_subscriptions(scope: Scope) -> Rows:
    """Workflows of the locations that wait for triggers."""
    return TriggerSubscription.objects.filter(location_id__in=scope.ids)


def variants(scope: Scope) -> Rows:
    """Variants that were chosen for the locations and companies themselves."""
    return ChosenVariant.objects.filter(location_id__in=scope.ids)


def plans(scope: Scope) -> Rows:
    """Sync plans of the locations and companies."""
    return Plan.objects.filter(location_id__in=scope.ids)


def events(scope: Scope) -> Rows:
    """Webhooks in the tenant's mailboxes, and those that name it in the mailbox of its agency or of the app."""
    agencies = Location.objects.filter(id__in=scope.locations).exclude(company=None).values_list("company", flat=True)
    near = {"app", *(Tenant.company(company_id).mailbox_key for company_id in agencies)} - set(scope.mailboxes)
    mine, others = (list(_boxes(keys).values_list("pk", flat=True)) for keys in (scope.mailboxes, sorted(near)))
    named = sorted(scope.companies) + (sorted(scope.locations) if len(scope.locations) <= _SEARCHED else [])
    about = Q(mailbox__in=others) & contains(named, "payload")
    return as_texts(Event.objects.all(), "payload").filter(Q(mailbox__in=mine) | about)


def failed_attempts(scope: Scope) -> Rows:
    """Failed attempts of these webhooks."""
    return FailedAttempt.objects.filter(event__in=events(scope).values("pk"))


def notes(scope: Scope) -> Rows:
    """What operators wrote about the tenant."""
    return TenantNote.objects.filter(scope.by("level", "tenant_id"))


def embedded_visits(scope: Scope) -> Rows:
    """Who opened the tenant's page inside HighLevel."""
    return EmbeddedVisit.objects.filter(scope.by("level", "tenant_id"))


def affected(scope: Scope) -> Rows:
    """What problems say of the tenant."""
    return AffectedTenant.objects.filter(tenant_id__in=scope.ids)


def lone_problems(scope: Scope) -> Rows:
    """Problems that no tenant has any more. The words of a problem name no tenant and no person."""
    return Problem.objects.filter(~Exists(AffectedTenant.objects.filter(problem=OuterRef("pk"))), tenants__gt=0)


def problems_of_it_alone(scope: Scope) -> Rows:
    """Problems that no tenant outside of it has."""
    affected = AffectedTenant.objects.filter(problem=OuterRef("pk"))
    others = affected.exclude(tenant_id__in=scope.ids)
    return Problem.objects.filter(Exists(affected), ~Exists(others))


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
