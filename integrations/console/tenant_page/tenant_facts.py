"""Reads for a tenant's page, a block for each room: one or two queries by an index that names the tenant, few rows.

No count reads more than `MOST_COUNTED` rows, so a tenant with a million events costs what one with a hundred costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Min, QuerySet

from integrations.console.tenant_page import people_facts, written_facts
from integrations.console.tenant_page.people_facts import People
from integrations.console.tenant_page.written_facts import OutboxFacts, UpsertWithProgress
from integrations.core.errors import StoreUnavailable
from integrations.core.models import AuditEntry
from integrations.core.tenant import Tenant
from integrations.gateway.models import Call
from integrations.jobs import queries as jobs
from integrations.jobs.define import JOBS
from integrations.jobs.models import Schedule
from integrations.jobs.queries import ScheduleWithRun
from integrations.problems import queries as problems
from integrations.problems.models import AffectedTenant
from integrations.quota.models import Parked
from integrations.quota.permits import queries as quota
from integrations.quota.permits.queries import Snapshot
from integrations.sync import queries as sync
from integrations.sync.lag import listing_lag, webhook_lag
from integrations.sync.lag.measured_lag import MeasuredLag
from integrations.sync.models import Plan
from integrations.sync.queries import Progress
from integrations.tenants.app_version import AppVersion
from integrations.tenants.credential_kinds import STATIC
from integrations.tenants.installation_change import InstallationChange
from integrations.tenants.models import App, Installation
from integrations.tenants.tenant_note import TenantNote
from integrations.tokens import scope_gaps
from integrations.tokens.models import Credential
from integrations.tokens.scope_gaps import ScopeGap
from integrations.webhooks.models import Event, Mailbox

SHOWN, LATEST = 25, 10  # rows of a block: of what stands, and of what happened
MOST_COUNTED, MOST_PLANS = 10_000, 200
DAY = timedelta(days=1)
_COUNT_RECORDS = """
SELECT plan.resource, plan.app_id, (
  SELECT count(*) FROM (
    SELECT 1 FROM sync_record record
    WHERE record.app_id = plan.app_id AND record.location_id = plan.location_id AND record.resource = plan.resource
      AND record.deleted_at IS NULL
    LIMIT %(most)s
  ) found
)
FROM (
  SELECT DISTINCT app_id, location_id, resource FROM sync_plan
  WHERE app_id = ANY(%(apps)s) AND location_id = %(location)s LIMIT %(plans)s
) plan
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """A count that stopped at `MOST_COUNTED`."""

    number: int

    def __str__(self) -> str:
        return f"{self.number:,}" if self.number < MOST_COUNTED else f"{MOST_COUNTED:,} or more"


@dataclass(frozen=True, slots=True)
class Installed:
    """An app on the tenant: the installation, its version, and the scopes of its grant."""

    row: Installation
    version: AppVersion | None
    scopes: ScopeGap

    @property
    def plan(self) -> str:
        """The agency's plan as HighLevel calls it; empty where it names none."""
        return str(self.row.installer.get("companyPlan", ""))

    @property
    def installer(self) -> str:
        """What HighLevel says of who installed it."""
        return ", ".join(str(value) for name, value in self.row.installer.items() if name != "companyPlan")


@dataclass(frozen=True, slots=True)
class QuotaNow:
    """One quota of the tenant: `now` is None while the store does not answer, `parked` are the tasks that wait.

    `name` is the app, or the kind of the entered tokens that share the quota. `key` is that of the resource, which its
    quota page has in its address.
    """

    name: str
    key: str
    now: Snapshot | None
    parked: Counted

    @property
    def used(self) -> int:
        """Slots of the burst window that are not free."""
        return max(0, self.now.limit - self.now.free) if self.now else 0

    @property
    def day_left(self) -> str:
        """What is left of the vendor's day, of how much."""
        return f"{self.now.day_remaining or 0:,} of {self.now.day_limit or 0:,}" if self.now else ""

    @property
    def spent(self) -> int:
        """Calls of the vendor's day, as its headers count them; 0 while it has not reported."""
        return max(0, (self.now.day_limit or 0) - (self.now.day_remaining or 0)) if self.now else 0


@dataclass(frozen=True, slots=True)
class Records:
    """How many records of a resource are kept. `plan` has the resource and the app."""

    resource: str
    app_id: int
    count: Counted


@dataclass(frozen=True, slots=True)
class TenantEvents:
    """Events of the tenant: `latest` received, `day` in 24 hours, `waiting` since `oldest`, `poisoned` of the day.

    `lags` are the times until they were in the copy.
    """

    latest: Sequence[Event] = ()
    day: Counted = Counted(0)
    waiting: Counted = Counted(0)
    oldest: datetime | None = None
    poisoned: int = 0
    lags: Sequence[MeasuredLag] = ()
    listings: Sequence[MeasuredLag] = ()


@dataclass(frozen=True, slots=True)
class Calls:
    """The latest failed calls of the last 24 hours, and how many there were."""

    latest: Sequence[Call] = ()
    count: Counted = Counted(0)


@dataclass
class TenantFacts:
    """All blocks. A block that the operator may not see is None; `tenant` and `apps` are always there."""

    tenant: Tenant
    now: datetime
    installations: list[Installed] | None = None
    credentials: list[Credential] | None = None
    quotas: list[QuotaNow] | None = None
    plans: list[Progress] | None = None
    records: list[Records] | None = None
    inbox: TenantEvents | None = None
    calls: Calls | None = None
    jobs: list[ScheduleWithRun] | None = None
    outbox: OutboxFacts | None = None
    upserts: list[UpsertWithProgress] | None = None
    people: People | None = None
    notes: list[TenantNote] | None = None
    problems: list[AffectedTenant] | None = None
    audit: list[AuditEntry] | None = None
    changes: list[InstallationChange] | None = None
    apps: dict[int, App] = field(default_factory=dict)


def gather(tenant: Tenant, now: datetime, may: Callable[[str], bool]) -> TenantFacts:
    """The blocks of the page that the operator `may` see."""
    facts = TenantFacts(tenant, now, apps={app.pk: app for app in App.objects.order_by("name")})
    for name, permission, read in _BLOCKS:
        if may(permission):
            setattr(facts, name, read(facts))
    return facts


def _mine(facts: TenantFacts) -> dict[str, Any]:
    """The first columns of the unique indexes by app and tenant."""
    return {"app__in": list(facts.apps), "user_type": facts.tenant.user_type, "resource_id": facts.tenant.id}


def _installations(facts: TenantFacts) -> list[Installed]:
    found = Installation.objects.filter(**_mine(facts)).select_related("app", "company", "location")
    rows = list(found.order_by("app__name")[:SHOWN])
    known = AppVersion.objects.filter(version_id__in={row.version_id for row in rows} - {""})
    versions = {(version.app_id, version.version_id): version for version in known}
    scopes = dict(
        Credential.objects.filter(api=Credential.Api.TWO, **_mine(facts)).values_list("app_id", "scopes")[:SHOWN]
    )
    return [
        Installed(
            row,
            versions.get((row.app_id, row.version_id)),
            scope_gaps.gap(row.app, row.tenant, frozenset(scopes.get(row.app_id, "").split())),
        )
        for row in rows
    ]


def _credentials(facts: TenantFacts) -> list[Credential]:
    return list(Credential.objects.filter(**_mine(facts)).select_related("app").order_by("app__name", "api")[:SHOWN])


def _quotas(facts: TenantFacts) -> list[QuotaNow]:
    """Those of the installations, and those of tokens that were entered beside one."""
    rows = Installation.objects.not_uninstalled().filter(**_mine(facts)).select_related("app")[:SHOWN]
    names = {row.quota_app: str(row.app) for row in rows}
    entered = Credential.objects.filter(**_mine(facts), kind__in=STATIC).exclude(state=Credential.State.REVOKED)
    for row in entered.order_by("pk")[:SHOWN]:
        names.setdefault(row.abilities.quota, row.get_kind_display())
    return [_quota(facts.tenant, quota_app, name) for quota_app, name in names.items()]


def _quota(tenant: Tenant, quota_app: str, name: str) -> QuotaNow:
    key = tenant.quota_key(quota_app)
    waiting = Parked.objects.filter(key=key, state=Parked.State.WAITING)
    try:
        return QuotaNow(name, key, quota.snapshot(quota_app, tenant.id), counted(waiting))
    except StoreUnavailable:
        return QuotaNow(name, key, None, counted(waiting))


def _plans(facts: TenantFacts) -> list[Progress]:
    """All plans that are chosen, failed and paused ones first: at most one for each of about a hundred resources."""
    mine = Plan.objects.filter(app__in=list(facts.apps), location_id=facts.tenant.id, is_left_out=False)
    ids = list(mine.values_list("pk", flat=True)[:MOST_PLANS])
    found = sync.progress(Plan.objects.filter(pk__in=ids))
    return sorted(found, key=lambda plan: (plan.status != "failed", plan.enabled, plan.resource))


def _records(facts: TenantFacts) -> list[Records]:
    values: dict[str, Any] = {
        "apps": list(facts.apps),
        "location": facts.tenant.id,
        "most": MOST_COUNTED,
        "plans": MOST_PLANS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_RECORDS, values)
        found = [Records(resource, app_id, Counted(number)) for resource, app_id, number in cursor.fetchall()]
    return sorted(found, key=lambda one: (-one.count.number, one.resource))[:SHOWN]


def _inbox(facts: TenantFacts) -> TenantEvents:
    boxes = Mailbox.objects.filter(app__in=list(facts.apps), tenant=facts.tenant.mailbox_key)
    ids = list(boxes.values_list("pk", flat=True))
    listings = listing_lag.of_location([*facts.apps], facts.tenant.id, facts.now)
    if not ids:
        return TenantEvents(listings=listings)
    latest = _united(Event.objects.filter(mailbox=box).order_by("-received_at")[:LATEST] for box in ids)
    pending = Event.objects.filter(mailbox__in=ids, status=Event.Status.PENDING).order_by()
    first = _united(Event.objects.filter(mailbox=box).order_by("-received_at")[:MOST_COUNTED] for box in ids)
    day = Counter(status for status, at in first.values_list("status", "received_at") if at > facts.now - DAY)
    waiting = counted(pending)
    return TenantEvents(
        latest=sorted(latest, key=lambda event: event.received_at, reverse=True)[:LATEST],
        day=Counted(min(MOST_COUNTED, sum(day.values()))),
        waiting=waiting,
        oldest=pending.aggregate(oldest=Min("received_at"))["oldest"] if waiting.number else None,
        poisoned=day[Event.Status.POISONED],
        lags=webhook_lag.of_mailboxes(ids, facts.now),
        listings=listings,
    )


def _united(parts: Any) -> Any:
    """Of each mailbox its own latest rows, by the index: an IN would sort all events of the tenant."""
    first, *others = parts
    return first.union(*others, all=True) if others else first


def _calls(facts: TenantFacts) -> Calls:
    recent = Call.objects.filter(resource_id=facts.tenant.id).order_by("-pk")
    since = facts.now - DAY
    failed = [pk for pk, at, code in recent.values_list("pk", "at", "code")[:MOST_COUNTED] if code and at > since]
    latest = Call.objects.filter(pk__in=failed[:LATEST]).order_by("-pk")
    return Calls(list(latest) if failed else [], Counted(len(failed)))


def _jobs(facts: TenantFacts) -> list[ScheduleWithRun]:
    mine = {"app__in": list(facts.apps), "level": facts.tenant.user_type, "tenant_id": facts.tenant.id}
    ids = list(Schedule.objects.filter(job__in=JOBS, **mine).values_list("pk", flat=True)[:SHOWN])
    return jobs.with_latest_runs(Schedule.objects.filter(pk__in=ids))


def _problems(facts: TenantFacts) -> list[AffectedTenant]:
    return problems.of_tenant(facts.tenant.id, facts.now, LATEST)


def _people(facts: TenantFacts) -> People:
    installers = {one.row.installer_id for one in facts.installations or ()}
    return people_facts.people_of(facts.tenant, [*facts.apps], installers)


def _notes(facts: TenantFacts) -> list[TenantNote]:
    mine = TenantNote.objects.filter(level=facts.tenant.user_type, tenant_id=facts.tenant.id)
    return list(mine.order_by("-pk")[:SHOWN])


def _audit(facts: TenantFacts) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(subject=facts.tenant.audit_subject).order_by("-at")[:LATEST])


def _changes(facts: TenantFacts) -> list[InstallationChange]:
    ids = list(Installation.objects.filter(**_mine(facts)).values_list("pk", flat=True)[:SHOWN])
    return list(InstallationChange.objects.filter(installation__in=ids).order_by("-pk")[:LATEST])


def counted(rows: QuerySet[Any]) -> Counted:
    """The number of rows, at most `MOST_COUNTED`."""
    return Counted(rows.order_by()[:MOST_COUNTED].count())


# The blocks, each with the permission that it needs. What an operator may not see is not read.
_BLOCKS: tuple[tuple[str, str, Callable[[TenantFacts], Any]], ...] = (
    ("installations", "tenants.view_installation", _installations),
    ("credentials", "tokens.view_credential", _credentials),
    ("quotas", "quota.view_usage", _quotas),
    ("plans", "sync.view_plan", _plans),
    ("records", "sync.view_record", _records),
    ("inbox", "webhooks.view_event", _inbox),
    ("calls", "gateway.view_call", _calls),
    ("jobs", "jobs.view_schedule", _jobs),
    ("outbox", "outbox.view_entry", lambda facts: written_facts.outboxes_of(facts.tenant, [*facts.apps])),
    ("upserts", "upserts.view_upsert", lambda facts: written_facts.upserts_of(facts.tenant, [*facts.apps], facts.now)),
    ("changes", "tenants.view_installationchange", _changes),
    ("people", "tenants.view_installation", _people),
    ("notes", "tenants.view_location", _notes),
    ("problems", "problems.view_problem", _problems),
    ("audit", "core.view_auditentry", _audit),
)
