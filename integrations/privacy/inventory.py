"""The inventory: for every model, what it holds of tenants and people. Purges, exports and searches read it.

It is the one place. A system check, and a test, name each model and each column that is not declared here, so that a
new table cannot be forgotten. An own app declares its models in its `personal_data.py`: `declare(Holding(...))`.

The order is that of a purge: rows that point at others come before them.
"""

from __future__ import annotations

from django.apps import apps

from integrations.privacy import holdings_of_events, holdings_of_ours
from integrations.privacy import tenant_rows as rows
from integrations.privacy.holding import Holding
from integrations.privacy.holdings_of_ours import RUN

_ID = ("tenant_id",)
_PLAN = ("resource", "variant", "position", "fields", "filters", "mac", "due_mac")

_DECLARED: tuple[Holding, ...] = (
    Holding(
        model="outbox.Entry",
        title="outbox entries",
        rows=rows.outbox_entries,
        personal=("entity", "key", "params", "body", "answer", "error", "vendor_answer", "expected", "found"),
        sealed=("sealed",),
        other=("operation", "version", "fingerprint", "error_code", "trace_id", "put_in"),
    ),
    Holding(
        model="outbox.Run", title="outbox runs", rows=rows.outbox_runs, personal=("error", "vendor_answer"), other=RUN
    ),
    Holding(model="outbox.TenantOutbox", title="outboxes", rows=rows.outboxes, tenant=_ID, other=("mac",)),
    Holding(
        model="jobs.Write",
        title="writes of jobs",
        rows=rows.writes,
        personal=("request", "answer", "key", "reason"),
        other=("operation", "fingerprint", "mac"),
    ),
    Holding(
        model="jobs.Trigger",
        title="events for jobs",
        rows=rows.triggers,
        personal=("error",),
        other=("error_code", "mac"),
    ),
    Holding(
        model="jobs.Run",
        title="job runs",
        rows=rows.job_runs,
        personal=("error", "vendor_answer", "counts", "note", "checkpoint", "page"),
        other=(*RUN, "events", "mac"),
    ),
    Holding(
        model="jobs.Schedule",
        title="schedules",
        rows=rows.schedules,
        personal=("memory",),
        tenant=_ID,
        other=("job", "mac", "due_mac"),
    ),
    Holding(
        model="sync.Run",
        title="sync runs",
        rows=rows.sync_runs,
        personal=("error", "vendor_answer", "checkpoint"),
        other=(*RUN, "mac"),
    ),
    Holding(
        model="sync.Record",
        title="synced records",
        rows=rows.records,
        personal=("payload", "record_id", "last_change"),
        tenant=("location_id",),
        other=("resource",),
    ),
    Holding(
        model="exports.ExportChunk",
        title="bytes of exported files",
        rows=rows.export_chunks,
        sealed=("data",),  # of other tenants, too
    ),
    Holding(model="exports.ExportPart", title="exported files", rows=rows.export_parts, other=("resource",)),
    Holding(
        model="exports.Export",
        title="exports",
        rows=rows.exports,
        blank=rows.blank_exports,
        tenant=("locations",),
        other=("resources", "times", "made_by"),
    ),
    Holding(
        model="upserts.UpsertRow",
        title="rows of bulk upserts",
        rows=rows.upsert_rows,
        personal=("record_id", "error", "vendor_message", "vendor_answer"),
        sealed=("body",),
        other=("error_code", "trace_id"),
    ),
    Holding(
        model="upserts.Run",
        title="runs of bulk upserts",
        rows=rows.upsert_runs,
        personal=("error", "vendor_answer"),
        other=RUN,
    ),
    Holding(
        model="upserts.Upsert",
        title="bulk upserts",
        rows=rows.upserts,
        personal=("name",),
        tenant=_ID,
        sealed=("sealed",),
        other=("operation", "version", "fields", "price", "stopped_because", "made_by", "made_in"),
    ),
    Holding(
        model="sync.HistoryEntry",
        title="history of records",
        rows=rows.history_entries,
        personal=("record_id", "fields"),
        tenant=("location_id",),
        other=("resource", "event_type", "reference"),
    ),
    Holding(
        model="sync.RecordKey", title="data keys", rows=rows.data_keys, tenant=("location_id",), sealed=("sealed",)
    ),
    Holding(
        model="sync.ChosenVariant",
        title="chosen variants",
        rows=rows.variants,
        tenant=("location_id",),
        other=("resource", "name", "filters", "mac"),
    ),
    Holding(model="sync.Plan", title="plans", rows=rows.plans, tenant=("location_id",), other=_PLAN),
    Holding(
        model="problems.AffectedTenant",
        title="tenants of problems",
        rows=rows.affected,
        tenant=_ID,
        other=("trace_id",),
    ),
    Holding(
        model="problems.Problem",
        title="problems of nobody else",
        rows=rows.lone_problems,
        counted=rows.problems_of_it_alone,
        other=("fingerprint", "subject", "code", "words", "fixed_by"),
    ),
    *holdings_of_events.ALL,
    Holding(
        model="gateway.Call",
        title="failed and slow calls",
        rows=rows.calls,
        personal=("message", "path", "query", "body", "response"),
        tenant=("resource_id",),
        sealed=("request_sealed",),
        other=("operation", "job", "run", "lane", "code", "trace_id", "method"),
    ),
    Holding(
        model="gateway.Usage",
        title="API usage",
        rows=rows.api_usage,
        tenant=("resource_id",),
        other=("operation", "job", "lane", "code", "buckets"),
    ),
    Holding(
        model="quota.Parked",
        title="parked tasks",
        rows=rows.parked,
        tenant=("key",),
        other=("task", "kwargs", "reason"),
    ),
    Holding(model="quota.Usage", title="calls by lane", rows=rows.lane_usage, tenant=("key",), other=("lane", "job")),
    Holding(
        model="installs.EmbeddedVisit",
        title="who opened the page inside HighLevel",
        rows=rows.embedded_visits,
        personal=("user_id",),
        tenant=_ID,
    ),
    Holding(
        model="tenants.TenantNote",
        title="notes of operators",
        rows=rows.notes,
        personal=("text",),
        tenant=_ID,
        other=("made_by",),
    ),
    Holding(
        model="installs.InstallState",
        title="installations under way",
        rows=rows.install_states,
        personal=("claimant",),
        other=("digest", "browser"),
    ),
    Holding(
        model="tenants.InstallationChange",
        title="history of installations",
        rows=rows.changes,
        personal=("old", "new", "error"),
        other=("event_id", "delivered", "mac"),
    ),
    Holding(
        model="tokens.Credential",
        title="credentials",
        rows=rows.credentials,
        personal=("reason", "last_error"),
        tenant=("resource_id", "company_id"),
        sealed=("access_sealed", "refresh_sealed"),
        other=("scopes", "lease_owner", "last_error_code", "last_trace_id"),
    ),
    Holding(
        model="tenants.Installation",
        title="installations",
        rows=rows.installations,
        blank=rows.blank_installations,
        personal=("claimed_by", "installer_id", "installer", "white_label_domain", "white_label_logo"),
        tenant=("resource_id",),
        other=("version_id", "plan_id", "external_auth", "payment_status", "detail_times", "reading"),
        kept="an operator removed it here while its agency still has the app: without the row, the agency's list would "
        "bring the location back. Its columns are emptied",
    ),
    Holding(
        model="tenants.Location",
        title="locations",
        rows=rows.locations,
        counted=rows.all_locations,
        blank=rows.blank_locations,
        personal=("name",),
        tenant=("id",),
        kept="an installation that has to stay refers to it. Its name is emptied",
    ),
    Holding(
        model="tenants.Company",
        title="companies",
        rows=rows.companies,
        counted=rows.all_companies,
        personal=("name",),
        tenant=("id",),
    ),
    *holdings_of_ours.ALL,
)

_holdings: dict[str, Holding] = {holding.model: holding for holding in _DECLARED}


def declare(*holdings: Holding) -> None:
    """Declare models of an app of your own. They are purged before all others, because they may point at them."""
    for holding in holdings:
        _holdings.pop(holding.model, None)
    rest = dict(_holdings)
    _holdings.clear()
    _holdings.update({holding.model: holding for holding in holdings} | rest)


def holdings() -> tuple[Holding, ...]:
    """All declared models, in the order of a purge."""
    return tuple(_holdings.values())


def of_table(table: str) -> Holding | None:
    """The declaration of the model with this database table."""
    return next((one for one in holdings() if apps.get_model(one.model)._meta.db_table == table), None)  # noqa: SLF001 - documented by Django


def problems() -> dict[str, list[str]]:
    """What the inventory lacks, by model. Empty when it is complete."""
    models = apps.get_models(include_auto_created=True)
    # A model that is not managed has no table.
    known = {model._meta.label: model for model in models if model._meta.managed}  # noqa: SLF001 - as above
    found = {
        label: ["it is not declared in integrations/privacy/inventory.py"] for label in known if label not in _holdings
    }
    wrong = {one.model: one.problems() for one in holdings() if one.model in known}
    return found | {label: sentences for label, sentences in wrong.items() if sentences}
