"""Migrations that break a rule of `migration_rules`, each with the reason why it may."""

from __future__ import annotations

_BEFORE_RELEASES = (
    "older than the first release, 0.1.0: installations of that time are small, and stop their processes to upgrade"
)
EXCEPTIONS: dict[str, str] = {
    "contenttypes.0002_remove_content_type_name": "Django's own, applied when a database is made",
} | dict.fromkeys(
    (
        "core.0004_leader_leases",
        "core.0006_sealed_audit_trail",
        "core.0008_mark_of_bulk_actions",
        "gateway.0002_call_filters",
        "installs.0002_consent_links",
        "jobs.0002_run_indexes",
        "jobs.0004_run_states",
        "jobs.0006_pausing_and_set_aside_events",
        "jobs.0007_lifecycle_triggers",
        "jobs.0009_writes_and_unknown_runs",
        "quota.0002_parked_line",
        "quota.0004_leader_lease",
        "sync.0002_run_indexes",
        "sync.0004_run_states",
        "sync.0006_record_evidence",
        "sync.0008_vendor_answer",
        "tenants.0003_installation_states",
        "tenants.0005_installation_facts",
        "tenants.0009_reading_and_sync",
        "tokens.0002_api_and_trouble",
        "tokens.0004_credential_states",
        "webhooks.0002_retention_and_answers",
    ),
    _BEFORE_RELEASES,
)
