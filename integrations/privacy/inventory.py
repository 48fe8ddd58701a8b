"""The inventory: for every model, what it holds of tenants and people. Purges, exports and searches read it.

It is the one place. A system check, and a test, name each model and each column that is not declared here, so that a
new table cannot be forgotten. An app of your own declares its models in its `AppConfig.ready`: `declare(Holding(...))`.

The order is that of a purge: rows that point at others come before them.
"""

from __future__ import annotations

from django.apps import apps

from integrations.privacy import tenant_rows as rows
from integrations.privacy.holding import Holding

_RUN = ("lease_owner", "error_code", "trace_id")
AUDIT_KEPT = (
    "the audit trail keeps the ids of tenants, and no data of people: the operator has to be able to show what was "
    "done with an account (legitimate interest, and claims: GDPR Articles 6(1)(f) and 17(3)(e)), and a removed entry "
    "would break its chain"
)

_DECLARED: tuple[Holding, ...] = (
    Holding(
        model="jobs.Trigger",
        title="events that jobs wait for",
        rows=rows.triggers,
        personal=("error",),
        other=("error_code",),
    ),
    Holding(
        model="jobs.Run",
        title="job runs",
        rows=rows.job_runs,
        personal=("error", "vendor_answer", "counts", "note", "checkpoint", "page"),
        other=_RUN,
    ),
    Holding(model="jobs.Schedule", title="job schedules", rows=rows.schedules, tenant=("tenant_id",), other=("job",)),
    Holding(
        model="sync.Run",
        title="sync runs",
        rows=rows.sync_runs,
        personal=("error", "vendor_answer", "checkpoint"),
        other=_RUN,
    ),
    Holding(
        model="sync.Record",
        title="synced records",
        rows=rows.records,
        personal=("payload", "record_id"),
        tenant=("location_id",),
        other=("resource",),
    ),
    Holding(
        model="sync.RecordKey", title="data keys", rows=rows.data_keys, tenant=("location_id",), sealed=("sealed",)
    ),
    Holding(model="sync.Plan", title="sync plans", rows=rows.plans, tenant=("location_id",), other=("resource",)),
    Holding(
        model="webhooks.Event",
        title="webhooks",
        rows=rows.events,
        personal=("payload", "error"),
        other=("webhook_id", "type", "error_code"),
    ),
    Holding(
        model="webhooks.Mailbox",
        title="mailboxes",
        rows=rows.mailboxes,
        counted=rows.all_mailboxes,
        tenant=("tenant",),
        other=("lease_owner",),
    ),
    Holding(
        model="gateway.Call",
        title="failed and slow calls",
        rows=rows.calls,
        personal=("message", "path", "query", "body", "response"),
        tenant=("resource_id",),
        other=("operation", "job", "lane", "code", "trace_id", "method"),
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
        other=("event_id", "delivered"),
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
    # --- No rows of a tenant --------------------------------------------------------------------------------------
    Holding(
        model="core.AuditEntry",
        title="audit trail",
        tenant=("actor", "subject", "detail"),
        other=("action", "previous", "hash", "key_id", "seal"),
        kept=AUDIT_KEPT,
    ),
    Holding(model="core.AuditHead", title="head of the audit trail", other=("value", "base_value", "key_id", "seal")),
    Holding(
        model="core.AuditHeadExport", title="exported heads of the audit trail", other=("head", "places", "trouble")
    ),
    Holding(
        model="privacy.Purge",
        title="purges",
        personal=("contact_id",),
        tenant=("tenant_id", "locations"),
        other=("requested_by", "counts", "note"),
        kept="the receipt of a purge names its tenant. It names a contact only until the purge ends",
    ),
    Holding(model="sync.SuppressedRecord", title="suppressed records", other=("location_hash", "record_hash")),
    Holding(model="sync.SuppressionKey", title="key of suppressed records", sealed=("sealed",)),
    Holding(model="core.LeaderLease", title="leaders", other=("name", "owner", "trouble")),
    Holding(model="core.WorkerProcess", title="worker processes", other=("name", "queues", "hung")),
    Holding(model="jobs.JobState", title="state of jobs", other=("job", "paused_by", "reason")),
    Holding(model="tokens.SpentName", title="used names of the spool", other=("name",)),
    Holding(model="vault.Witness", title="witnesses of keys", sealed=("sealed",), other=("key_id",)),
    Holding(model="webhooks.Answers", title="answers to webhooks"),
    Holding(
        model="tenants.App",
        title="our apps",
        sealed=("client_secret_sealed", "shared_secret_sealed"),
        other=(
            *("name", "client_id", "highlevel_id", "version_id", "scopes", "api_url", "marketplace_url"),
            *("install_url", "white_label_urls", "halted_reason"),
        ),
    ),
    Holding(
        model="tenants.AppVersion", title="versions of our apps", other=("version_id", "number", "scopes", "reason")
    ),
    # Operators: people of ours. An operator's account is deleted on the page of users.
    Holding(
        model="auth.User",
        title="operators",
        personal=("username", "first_name", "last_name", "email"),
        sealed=("password",),
    ),
    Holding(
        model="operators.OperatorSession",
        title="sessions of operators",
        personal=("address", "browser"),
        sealed=("session_key", "session_data"),
    ),
    Holding(model="operators.TotpSecret", title="authenticator apps of operators", sealed=("secret_sealed",)),
    Holding(model="operators.Passkey", title="passkeys of operators", other=("name", "credential_id", "credential")),
    Holding(model="operators.OpenIdIdentity", title="operators at the identity provider", other=("issuer", "subject")),
    Holding(model="operators.RecoveryCode", title="recovery codes of operators", sealed=("mac",)),
    Holding(model="operators.SignInAttempts", title="failed sign-ins, for a day", personal=("key",)),
    Holding(
        model="operators.RightsSeal", title="sealed rights of operators", sealed=("sealed",), other=("permissions",)
    ),
    Holding(model="auth.Group", title="groups of operators", other=("name",)),
    Holding(model="auth.Permission", title="permissions", other=("name", "codename")),
    Holding(model="auth.Group_permissions", title="permissions of groups"),
    Holding(model="auth.User_groups", title="groups of operators"),
    Holding(model="auth.User_user_permissions", title="permissions of operators"),
    Holding(
        model="admin.LogEntry", title="Django's log of operators", other=("object_id", "object_repr", "change_message")
    ),
    Holding(model="contenttypes.ContentType", title="names of models", other=("app_label", "model")),
    Holding(model="sessions.Session", title="sessions of the releases before", sealed=("session_key", "session_data")),
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
