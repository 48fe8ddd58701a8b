"""The part of the inventory without rows of a tenant: our own tables, and those about operators."""

from __future__ import annotations

from integrations.privacy.holding import Holding

AUDIT_KEPT = (
    "the audit trail keeps the ids of tenants, and no data of people: the operator has to be able to show what was "
    "done with an account (legitimate interest, and claims: GDPR Articles 6(1)(f) and 17(3)(e)), and a removed entry "
    "would break its chain"
)

RUN = ("lease_owner", "error_code", "trace_id")

ALL: tuple[Holding, ...] = (
    Holding(model="problems.ReadPosition", title="how far failures were read", other=("name",)),
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
        other=("requested_by", "counts", "note", "mac"),
        kept="the receipt of a purge names its tenant. It names a contact only until the purge ends",
    ),
    Holding(model="sync.FeedPosition", title="positions in change feeds", other=("consumer", "resource")),
    Holding(model="sync.AdaptiveChoice", title="adaptive intervals", other=("mac",)),
    Holding(model="sync.ResourceChoice", title="chosen resources", other=("resource", "fields", "filters", "mac")),
    Holding(model="sync.SuppressedRecord", title="suppressed records", other=("location_hash", "record_hash")),
    Holding(model="sync.SuppressionKey", title="key of suppressed records", sealed=("sealed",)),
    Holding(model="installs.UsedPayload", title="used user data of page SSO", other=("salt",)),
    Holding(
        model="gateway.UsageTotal", title="API usage of all", other=("operation", "job", "lane", "code", "buckets")
    ),
    Holding(model="exports.Run", title="runs of exports", personal=("error", "vendor_answer", "checkpoint"), other=RUN),
    Holding(model="core.LeaderLease", title="leaders", other=("name", "owner", "trouble")),
    Holding(
        model="core.BulkAction",
        title="actions over many rows",
        other=("model", "action", "label", "query", "ids", "newest", "cursor", "operator", "mark", "note"),
    ),
    Holding(
        model="core.SavedFilter",
        title="saved filters of operators",
        other=("model", "name", "query", "columns", "form"),
    ),
    Holding(model="console.OperatorAlert", title="alerts", other=("key", "level", "found", "fix", "link")),
    Holding(model="core.WorkerProcess", title="worker processes", other=("name", "queues", "hung", "work")),
    Holding(model="jobs.JobState", title="state of jobs", other=("job", "paused_by", "reason", "mac")),
    Holding(model="tokens.SpentName", title="used names of the spool", other=("name",)),
    Holding(model="vault.KeyCheckValue", title="check values of keys", sealed=("sealed",), other=("key_id",)),
    Holding(model="vault.RowMacKey", title="key of row MACs", sealed=("sealed",), other=("misfits",)),
    Holding(model="webhooks.Answers", title="answers to webhooks"),
    Holding(model="modules.ModuleKey", title="keys for modules", sealed=("key_sealed",)),
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
        model="operators.RightsSeal",
        title="sealed rights",
        sealed=("sealed", "factors", "identity"),
        other=("permissions",),
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
