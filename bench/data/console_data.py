"""A deployment of any size, made by SQL, for the benchmark of the console's pages.

At size 1 it has 3,000 tenants, 10 million records, 1 million events, 500,000 sync runs and half as many job runs,
3 million usage rows, 100,000 failed calls and 200,000 entries of the audit trail.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from bench.data.filled_tables import analyze, fill, one_of
from integrations.core import clock
from integrations.core.models import AuditEntry, LeaderLease, WorkerProcess
from integrations.gateway.histogram import SIZE
from integrations.gateway.models import Call, Usage
from integrations.gateway.stats import usage_totals
from integrations.jobs.models import Run as JobRun
from integrations.jobs.models import Schedule
from integrations.quota.models import Parked
from integrations.quota.models import Usage as QuotaUsage
from integrations.sync.models import Plan, Record, Run
from integrations.tenants import marketplace
from integrations.tenants.models import App, Company, Installation, Location
from integrations.tokens.models import Credential
from integrations.webhooks.models import Event, Mailbox

RESOURCES = ("contacts", "opportunities", "notes", "tasks", "invoices")
OPERATIONS = tuple(f"contacts.operation-{number}" for number in range(12))
JOBS = ("app.tags", "app.report", "app.invoices")
TYPES = tuple(f"Contact{what}" for what in ("Create", "Update", "Delete", "TagUpdate")) + tuple(
    f"Opportunity{what}" for what in ("Create", "Update", "StatusUpdate", "Delete")
)
HOURS, MINUTES = 28 * 24, 2 * 24 * 60  # of usage that is kept by the hour, and by the minute
LOCATION = "'location' || lpad((n %% {0})::text, 12, '0')"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of rows."""

    companies: int
    locations: int
    records: int
    events: int
    runs: int
    usage: int
    calls: int
    audit: int

    @classmethod
    def scaled(cls, size: float) -> Sizes:
        """The full size times `size`, at least a few rows of each kind."""
        full = {
            "companies": 300,
            "locations": 2_700,
            "records": 10_000_000,
            "events": 1_000_000,
            "runs": 500_000,
            "usage": 3_000_000,
            "calls": 100_000,
            "audit": 200_000,
        }
        return cls(**{name: max(20, round(number * size)) for name, number in full.items()})


def make(sizes: Sizes) -> App:
    """Fill the empty database. Prints how long each table took."""
    app = marketplace.default()
    for name, step in _STEPS.items():
        started = time.perf_counter()
        step(app, sizes)
        sys.stdout.write(f"  {name:<24}{time.perf_counter() - started:>8.1f} s\n")
        sys.stdout.flush()
    analyze()
    return app


def location(number: int) -> str:
    """The id of a location."""
    return f"location{number:012}"


def company(number: int) -> str:
    """The id of a company."""
    return f"company{number:013}"


def _location(sizes: Sizes, by: str = "n") -> str:
    return f"('location' || lpad((({by}) %% {sizes.locations})::text, 12, '0'))"


def _company(sizes: Sizes) -> str:
    return f"('company' || lpad((n %% {sizes.companies})::text, 13, '0'))"


def _back(days: int, count: int) -> str:
    """Moments of the last days, the last row's is now."""
    return f"now() - ({count} - n) * interval '{days * 86_400 / count:.6f} seconds'"


def _tenants(app: App, sizes: Sizes) -> None:
    fill(Company, sizes.companies, id=_company(sizes), name="'Agency ' || n", created_at="now()")
    named = {"id": _location(sizes), "name": "'Studio ' || n", "company_id": _company(sizes)}
    fill(Location, sizes.locations, **named, created_at="now()")
    common = {
        "app_id": str(app.pk),
        "status": "'installed'",
        "origin": "'bulk'",
        "claimed_at": "now()",
        "claimed_by": "'a user'",
        "status_at": _back(90, sizes.locations),
        "created_at": "now()",
    }
    whole = {"user_type": "'Company'", "resource_id": _company(sizes), "company_id": _company(sizes)}
    fill(Installation, sizes.companies, **common, **whole)
    below = {"user_type": "'Location'", "resource_id": _location(sizes), "location_id": _location(sizes)}
    fill(Installation, sizes.locations, **common, **below, company_id=_company(sizes))


def _credentials(app: App, sizes: Sizes) -> None:
    common = {"app_id": str(app.pk), "created_at": "now()", "refreshed_at": "now() - interval '1 hour'"}
    times = {"expires_at": "now() + interval '20 hours'", "refresh_due_at": "now() + interval '10 hours'"}
    fill(Credential, sizes.companies, **common, **times, user_type="'Company'", resource_id=_company(sizes))
    troubled = {
        "state": "CASE n %% 100 WHEN 7 THEN 'needs_reconnect' WHEN 8 THEN 'suspended' ELSE 'active' END",
        "last_error_code": "CASE n %% 100 WHEN 7 THEN 'grant_revoked' ELSE '' END",
        "last_error": "CASE n %% 100 WHEN 7 THEN 'the vendor refused the refresh token' ELSE '' END",
        "failures": "CASE n %% 100 WHEN 7 THEN 3 ELSE 0 END",
    }
    below = {"user_type": "'Location'", "resource_id": _location(sizes), "company_id": _company(sizes)}
    fill(Credential, sizes.locations, **common, **times, **troubled, **below)


def _plans(app: App, sizes: Sizes) -> None:
    by = f"n / {len(RESOURCES)}"
    fill(
        Plan,
        sizes.locations * len(RESOURCES),
        app_id=str(app.pk),
        location_id=_location(sizes, by),
        resource=one_of(*RESOURCES),
        synced_at="now() - interval '5 minutes'",
        due_at="now() + interval '10 days'",
        created_at="now()",
    )


def _run_columns(count: int, plans: int, failure: str) -> dict[str, str]:
    """A run in fifty failed, and the last ones are under way."""
    last = f"n >= {count - min(40, plans // 2)}"
    return {
        "status": f"CASE WHEN {last} THEN 'running' WHEN n %% 50 = 7 THEN 'failed' ELSE 'complete' END",
        "error_code": f"CASE WHEN n %% 50 = 7 AND NOT {last} THEN '{failure}' ELSE '' END",
        "error": f"CASE WHEN n %% 50 = 7 AND NOT {last} THEN 'the vendor answered 500' ELSE '' END",
        "due_at": f"CASE WHEN {last} THEN now() + interval '1 hour' ELSE {_back(7, count)} END",
        "started_at": _back(7, count),
        "finished_at": f"CASE WHEN {last} THEN NULL ELSE {_back(7, count)} + interval '40 seconds' END",
    }


def _runs(app: App, sizes: Sizes) -> None:
    plans = sizes.locations * len(RESOURCES)
    columns = _run_columns(sizes.runs, plans, "server_fault")
    seen = {"seen": "n %% 4000", "total": "4000", "pages": "n %% 40", "kind": one_of("full", *["incremental"] * 9)}
    fill(Run, sizes.runs, plan_id=f"(SELECT min(id) FROM sync_plan) + n %% {plans}", **seen, **columns)


def _jobs(app: App, sizes: Sizes) -> None:
    schedules, runs = sizes.locations * len(JOBS), sizes.runs // 2
    fill(
        Schedule,
        schedules,
        app_id=str(app.pk),
        job=one_of(*JOBS),
        level="'Location'",
        tenant_id=_location(sizes, f"n / {len(JOBS)}"),
        created_at="now()",
    )
    columns = _run_columns(runs, schedules, "crashed")
    done = {"done": "n %% 500", "total": "500", "counts": """jsonb_build_object('tagged', n %% 500)"""}
    fill(JobRun, runs, schedule_id=f"(SELECT min(id) FROM jobs_schedule) + n %% {schedules}", **done, **columns)


def _records(app: App, sizes: Sizes) -> None:
    payload = """jsonb_build_object(
        'id', 'record' || lpad(n::text, 14, '0'), 'firstName', 'John', 'lastName', 'Deo ' || n,
        'email', 'john.deo.' || n || '@example.com', 'phone', '+1' || lpad(n::text, 10, '0'),
        'tags', jsonb_build_array('lead'), 'dateAdded', '2026-01-01T12:00:00.000Z')"""
    fill(
        Record,
        sizes.records,
        app_id=str(app.pk),
        location_id=_location(sizes),
        resource=one_of(*["contacts"] * 7, "opportunities", "notes", "tasks", by=f"n / {sizes.locations}"),
        record_id="'record' || lpad(n::text, 14, '0')",
        payload=payload,
        version_at=_back(300, sizes.records),
        updated_at=_back(300, sizes.records),
    )


def _events(app: App, sizes: Sizes) -> None:
    fill(Mailbox, sizes.locations, app_id=str(app.pk), tenant=f"'location:' || {_location(sizes)}")
    status = "CASE WHEN n %% 500 = 3 THEN 'pending' WHEN n %% 1000 = 4 THEN 'poisoned' ELSE 'done' END"
    fill(
        Event,
        sizes.events,
        app_id=str(app.pk),
        mailbox_id=f"(SELECT min(id) FROM webhooks_mailbox) + n %% {sizes.locations}",
        webhook_id="'webhook-' || n",
        type=one_of(*TYPES),
        status=status,
        error="CASE WHEN n %% 1000 = 4 THEN 'the handler failed: KeyError' ELSE '' END",
        payload="jsonb_build_object('type', 'ContactUpdate', 'id', 'record' || n, 'email', 'john@example.com')",
        occurred_at=_back(30, sizes.events),
        received_at=_back(30, sizes.events),
        due_at=_back(30, sizes.events),
        processed_at=_back(30, sizes.events),
    )


def _usage(app: App, sizes: Sizes) -> None:
    columns = {
        "app_id": str(app.pk),
        "job": one_of("", *JOBS),
        "lane": one_of("bulk", "bulk", "events", "interactive"),
        "code": "CASE WHEN n %% 40 = 0 THEN 'server_fault' ELSE '' END",
        "calls": "10 + n %% 90",
        "spent": "10 + n %% 90",
        "took_ms": "(10 + n %% 90) * 200",
        "slowest_ms": "300 + (n * 7919) %% 3000",
        "buckets": f"array_fill(((10 + n %% 90) / {SIZE})::bigint, ARRAY[{SIZE}])",
    }
    for span, slots, rows, step, newest in (
        (Usage.Span.HOUR, HOURS, sizes.usage * 2 // 3, "hour", "date_trunc('hour', now()) - interval '2 days'"),
        (Usage.Span.MINUTE, MINUTES, sizes.usage // 3, "minute", "date_trunc('minute', now())"),
    ):
        each = max(1, rows // slots)
        fill(
            Usage,
            each * slots,
            span=str(span.value),
            at=f"{newest} - (n / {each}) * interval '1 {step}'",
            resource_id=_location(sizes),
            operation=one_of(*OPERATIONS, by=f"n %% {each} / {sizes.locations} + n"),
            **columns,
        )
    while usage_totals.add_up_due(clock.now()):
        pass


def _calls(app: App, sizes: Sizes) -> None:
    fill(
        Call,
        sizes.calls,
        at=_back(14, sizes.calls),
        app_id=str(app.pk),
        resource_id=_location(sizes),
        operation=one_of(*OPERATIONS),
        job=one_of("", *JOBS),
        lane="'bulk'",
        slow="n %% 5 = 0",
        status=f"({one_of('500', '422', '401', '200')})::int",
        code=one_of("server_fault", "request_rejected", "unauthorized", ""),
        message="'the vendor refused it: ' || n",
        trace_id="'trace-' || n",
        took_ms="n %% 4000",
        method="'GET'",
        path="'/contacts/'",
        query="'[]'",
    )


def _quota(app: App, sizes: Sizes) -> None:
    key = f"'{app.client_id}:' || {_location(sizes, 'n / 288')}"
    at = "date_bin('5 minutes', now(), 'epoch') - (n %% 288) * interval '5 minutes'"
    busy = max(1, sizes.locations // 10)
    fill(QuotaUsage, busy * 288, key=key, bucket_at=at, lane=one_of("bulk", "events"), calls="n %% 500")
    times = dict.fromkeys(("parked_at", "place_at", "due_at"), "now()")
    task = {"task": "'sync.advance'", "kwargs": "jsonb_build_object('run_id', n)", "lane": "'bulk'"}
    fill(Parked, busy, key=f"'{app.client_id}:' || {_location(sizes)}", **task, **times)


def _audit(app: App, sizes: Sizes) -> None:
    fill(
        AuditEntry,
        sizes.audit,
        number=f"n + 1 + {AuditEntry.objects.count()}",
        at=_back(90, sizes.audit),
        actor=one_of("operator anna", "operator bert", "token.refresh"),
        action=one_of("sync.asked", "credential.refreshed", "install.claimed", "job.asked"),
        subject=f"'Location:' || {_location(sizes)}",
        detail="jsonb_build_object('reason', 'asked for', 'rows', n)",
        previous="sha256(n::text::bytea)",
        hash="sha256((n + 1)::text::bytea)",
    )


def _workers(app: App, sizes: Sizes) -> None:
    now = {"started_at": "now() - interval '3 hours'", "seen_at": "now() + interval '1 day'"}
    fill(
        WorkerProcess, 8, name="'host-' || n || ':' || 4000 + n || ':aa'", queues="ARRAY['urgent']", threads="16", **now
    )
    until = {"since": "now()", "until": "now() + interval '1 day'"}
    fill(LeaderLease, 1, name="'beat'", owner="'beat'", **until)


_STEPS = {
    "tenants": _tenants,
    "credentials": _credentials,
    "sync plans": _plans,
    "sync runs": _runs,
    "jobs and their runs": _jobs,
    "records": _records,
    "events": _events,
    "usage": _usage,
    "failed calls": _calls,
    "quota": _quota,
    "audit trail": _audit,
    "workers": _workers,
}
