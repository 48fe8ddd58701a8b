"""How a run ends, and what that means for its plan. Every ending is one transaction behind the lease's fence."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Coalesce

from integrations.sync import pace, vanished
from integrations.sync.leases import keep
from integrations.sync.models import Plan, Run
from integrations.sync.resources import RESOURCES

_NO_LEASE: dict[str, Any] = {"lease_owner": "", "lease_until": None}


def complete(run: Run, owner: str, now: datetime) -> None:
    """The walk is over: sweep after a full run, and set the plan to its next one. Raises LeaseLost."""
    with transaction.atomic():
        keep(run, owner, now)
        outcome = vanished.sweep(run, now) if run.kind == Run.Kind.FULL else vanished.Outcome()
        keep(
            run,
            owner,
            now,
            status=Run.Status.COMPLETE,
            finished_at=now,
            deleted=outcome.deleted,
            error_code=outcome.code,
            error=outcome.reason,
            **_NO_LEASE,
        )
        fields: dict[str, Any] = {"cursor_at": run.started_at, "synced_at": now}
        if run.kind == Run.Kind.FULL:
            again = pace.FULL_AGAIN if outcome.code == vanished.INCOMPLETE else pace.FULL_EVERY
            later = now + pace.spread(again, run.plan_id)
            # A plan that is due already was asked for meanwhile, perhaps in full: that wish stands.
            fields["full_due_at"] = Case(When(due_at=None, then=Value(later)), default=F("full_due_at"))
        _again(run, now, RESOURCES[run.plan.resource].every, **fields)
        Run.objects.filter(plan=run.plan_id, finished_at__lt=now - pace.KEEP_RUNS).delete()


def fail(run: Run, owner: str, now: datetime, *, code: str, reason: str) -> None:
    """Give the run up; its plan comes due again later. Raises LeaseLost."""
    with transaction.atomic():
        keep(run, owner, now, **_ended(Run.Status.FAILED, now, code, reason))
        _again(run, now, pace.AFTER_FAILURE)


def gone(run: Run, owner: str, now: datetime, *, code: str, reason: str) -> None:
    """The gateway knows no installation. `plans.forget` drops the plan if that is so; else it tries again later."""
    with transaction.atomic():
        keep(run, owner, now, **_ended(Run.Status.CANCELLED, now, code, reason))
        _again(run, now, pace.AFTER_FAILURE)


def cancel(run: Run, now: datetime, *, reason: str) -> bool:
    """An operator stops the run, whoever walks it. False when it had ended already."""
    with transaction.atomic():
        running = Run.objects.filter(pk=run.pk, status=Run.Status.RUNNING)
        if not running.update(**_ended(Run.Status.CANCELLED, now, "cancelled", reason)):
            return False
        _again(run, now, pace.AFTER_FAILURE)
    return True


def _ended(status: Run.Status, now: datetime, code: str, reason: str) -> dict[str, Any]:
    return {"status": status, "finished_at": now, "error_code": code[:40], "error": reason[:300], **_NO_LEASE}


def _again(run: Run, now: datetime, wait: timedelta, **fields: Any) -> None:
    """The plan's next due time, unless somebody asked for a sooner one while the run was on its way."""
    next_at = now + pace.spread(wait, run.plan_id)
    Plan.objects.filter(pk=run.plan_id).update(due_at=Coalesce("due_at", Value(next_at)), **fields)
