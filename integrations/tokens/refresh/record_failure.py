"""Writes the outcome of a failed refresh to the credential's row, and to the audit trail where an operator must act."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from integrations.core import audit
from integrations.core.errors import ClientOrGrantRejected, IntegrationError, NoPermit
from integrations.core.models import AuditEntry
from integrations.core.tenant import UserType
from integrations.highlevel.oauth.grants import Grant
from integrations.tenants import marketplace
from integrations.tokens import connection_history
from integrations.tokens.models import Credential
from integrations.tokens.refresh import halted_apps, outcomes
from integrations.tokens.refresh.outcomes import Alert, FailureOutcome

log = structlog.get_logger(__name__)


def note(row: Credential, error: IntegrationError, *, now: datetime) -> Credential:
    """In one transaction release the lease, write the next attempt and the audit entry; then raise `error`.

    Returns the row instead when it has a newer pair already: then nothing failed.
    """
    found = _outcome(row, error, now)
    with transaction.atomic():
        written = _write(row, error, found, now)
        if written:
            _alert(row, error, found, now)
    if not written:
        current = Credential.objects.select_related("app").get(pk=row.pk)
        if current.generation != row.generation and current.state == Credential.State.ACTIVE:
            return current
        raise error
    log.warning(
        "token.refresh_failed",
        credential=row.pk,
        code=error.code,
        error=str(error),
        trace_id=error.vendor.trace_id,
    )
    raise error


def _write(row: Credential, error: IntegrationError, found: FailureOutcome, now: datetime) -> bool:
    """Write the outcome by one UPDATE. False when another worker has the lease by now, or replaced the pair."""
    values = _lease(found, now) | _trouble(row, error, found, now)
    if isinstance(error, NoPermit) and row.access_sealed is None and row.refresh_due_at is None:
        # A first token: its caller waits for the permit. A second attempt from here would take a permit for nothing.
        values["refresh_due_at"] = None
    return Credential.objects.leased_to(row).refresh_failed(values, state=found.state, reason=str(error)) == 1


def _outcome(row: Credential, error: IntegrationError, now: datetime) -> FailureOutcome:
    """The table's outcome, unless an ambiguous refusal means that our secret is wrong (FACTS 1.5)."""
    if isinstance(error, ClientOrGrantRejected) and halted_apps.means_wrong_client(row, now):
        return FailureOutcome(outcomes.HALTED_RETRY, alert=Alert.APP)
    return outcomes.outcome(row, error, now=now)


def _lease(found: FailureOutcome, now: datetime) -> dict[str, Any]:
    due = None if found.wait is None else now + found.wait
    if found.lost:
        # As an orphan it bypasses the queue: the second attempt has to be inside the 30 seconds.
        return {"lease_owner": "", "lease_until": due, "refresh_due_at": due}
    return {
        "lease_owner": "",
        "lease_until": None,
        "refresh_due_at": due,
        "intent_generation": None,
        "intent_at": None,
    }


def _trouble(row: Credential, error: IntegrationError, found: FailureOutcome, now: datetime) -> dict[str, Any]:
    if not found.counts:
        return {}
    return {
        "failures": row.failures + 1,
        "last_error": str(error)[:300],
        "last_error_code": error.code,
        "last_error_at": now,
        "last_trace_id": (error.vendor.trace_id or "")[:100],
    }


def _alert(row: Credential, error: IntegrationError, found: FailureOutcome, now: datetime) -> None:
    if found.alert is Alert.APP:
        marketplace.halt(row.app, str(error), now=now)
    elif found.state == Credential.State.NEEDS_RECONNECT:
        needs_reconnect(row, error, now=now)
    elif found.alert is not Alert.NONE and _is_first_of_kind(row, error, found):
        vendor = error.vendor
        detail = {"status": vendor.status, "reason": error.reason or None, "vendor_message": vendor.message}
        detail["trace_id"] = vendor.trace_id
        _record("token.refresh_refused", row, error, **detail)


def report_odd_answer(row: Credential, grant: Grant) -> None:
    """Report a stored pair whose response contradicts itself or the row: audited once an app, logged each time."""
    named = grant.location_id if row.user_type == UserType.LOCATION else grant.company_id
    oddity = grant.oddity or (None if named in (None, row.resource_id) else "the grant names another tenant")
    if oddity is None:
        return
    log.error("token.odd_answer", credential=row.pk, oddity=oddity, trace_id=grant.trace_id)
    entry = {"action": "token.odd_answer", "subject": f"app:{row.app.highlevel_id}"}
    if not AuditEntry.objects.filter(**entry).exists():
        audit.record(**entry, actor="system", tenant=row.tenant.audit_subject, oddity=oddity, trace_id=grant.trace_id)


def needs_reconnect(row: Credential, error: IntegrationError, *, now: datetime) -> None:
    """Write the history and the audit entry, unless the row needed a reconnect before."""
    connection_history.lost(row, str(error)[:300], now=now)
    if row.state != Credential.State.NEEDS_RECONNECT:
        _record("token.needs_reconnect", row, error)


def _is_first_of_kind(row: Credential, error: IntegrationError, found: FailureOutcome) -> bool:
    if row.last_error_code == error.code:
        return False
    same = Credential.objects.filter(app=row.app_id, last_error_code=error.code).exclude(pk=row.pk)
    return found.alert is Alert.EACH or not same.exists()


def _record(action: str, row: Credential, error: IntegrationError, **detail: Any) -> None:
    audit.record(
        action,
        actor="system",
        subject=row.tenant.audit_subject,
        app=row.app.highlevel_id,
        code=error.code,
        generation=row.generation,
        **detail,
    )
