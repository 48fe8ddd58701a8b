"""Writes into a credential's row what its failed refresh means (`outcomes`), and tells whom it concerns."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog

from integrations.core import audit
from integrations.core.errors import ClientRejected, IntegrationError
from integrations.tenants import marketplace
from integrations.tokens import outcomes
from integrations.tokens.models import Credential
from integrations.tokens.outcomes import Alert, Outcome

log = structlog.get_logger(__name__)

# Two credentials that are refused within this time tell a wrong secret from a revoked grant; longer than their retry.
_A_WHILE = timedelta(hours=2)


def note(row: Credential, error: IntegrationError, *, now: datetime) -> Credential:
    """Give the lease up and say what happens next, in one UPDATE; then raise `error`.

    Returns the row as it stands instead when a newer pair is there already: then nothing failed.
    """
    found = _judged(row, error, now)
    values = _lease(found, now) | _trouble(row, error, found, now)
    if found.state is not None:
        values |= {"state": found.state, "reason": str(error)[:300]}
    mine = Credential.objects.filter(pk=row.pk, generation=row.generation, lease_owner=row.lease_owner)
    if not mine.update(**values):
        current = Credential.objects.select_related("app").get(pk=row.pk)
        if current.generation != row.generation and current.state == Credential.State.ACTIVE:
            return current
        raise error
    log.warning(
        "token.refresh_failed",
        credential=row.pk,
        code=error.code,
        error=str(error),
        trace_id=error.context.get("trace_id"),
    )
    _tell(row, error, found, now)
    raise error


def _judged(row: Credential, error: IntegrationError, now: datetime) -> Outcome:
    """The table's outcome; an ambiguous refusal that another credential met too is our secret's fault (FACTS 1.5)."""
    if error.context.get("ambiguous") and _another_met_it(row, now):
        return Outcome(outcomes.HALTED_RETRY, alert=Alert.APP)
    return outcomes.outcome(row, error, now=now)


def _another_met_it(row: Credential, now: datetime) -> bool:
    """Whether another grant of this app was refused the same way of late, and none was refreshed since."""
    same_app = Credential.objects.filter(app=row.app_id).exclude(pk=row.pk)
    refused = same_app.filter(last_error_code=ClientRejected.code, last_error_at__gte=now - _A_WHILE)
    last = refused.order_by("-last_error_at").values_list("last_error_at", flat=True).first()
    if last is None:
        return False
    working = same_app.filter(state=Credential.State.ACTIVE, kind=Credential.Kind.OAUTH, refreshed_at__gt=last)
    return not working.exists()


def _lease(found: Outcome, now: datetime) -> dict[str, Any]:
    due = None if found.wait is None else now + found.wait
    if found.lost:
        # As an orphan it goes past the queue: the second attempt has to be inside the 30 seconds.
        return {"lease_owner": "", "lease_until": due, "refresh_due_at": due}
    return {
        "lease_owner": "",
        "lease_until": None,
        "refresh_due_at": due,
        "intent_generation": None,
        "intent_at": None,
    }


def _trouble(row: Credential, error: IntegrationError, found: Outcome, now: datetime) -> dict[str, Any]:
    if not found.counts:
        return {}
    return {
        "failures": row.failures + 1,
        "last_error": str(error)[:300],
        "last_error_code": error.code,
        "last_error_at": now,
        "last_trace_id": str(error.context.get("trace_id", ""))[:100],
    }


def _tell(row: Credential, error: IntegrationError, found: Outcome, now: datetime) -> None:
    if found.alert is Alert.APP:
        marketplace.halt(row.app, str(error), now=now)
    elif found.state == Credential.State.NEEDS_RECONNECT:
        needs_reconnect(row, error)
    elif found.alert is not Alert.NONE and _is_news(row, error, found):
        said = {key: error.context.get(key) for key in ("status", "reason", "vendor_message", "trace_id")}
        _record("token.refresh_refused", row, error, **said)


def needs_reconnect(row: Credential, error: IntegrationError) -> None:
    if row.state != Credential.State.NEEDS_RECONNECT:
        _record("token.needs_reconnect", row, error)


def _is_news(row: Credential, error: IntegrationError, found: Outcome) -> bool:
    if row.last_error_code == error.code:
        return False
    same = Credential.objects.filter(app=row.app_id, last_error_code=error.code).exclude(pk=row.pk)
    return found.alert is Alert.EACH or not same.exists()


def _record(action: str, row: Credential, error: IntegrationError, **detail: Any) -> None:
    audit.record(
        action,
        actor="system",
        subject=row.holder_name,
        app=row.app.highlevel_id,
        code=error.code,
        generation=row.generation,
        **detail,
    )
