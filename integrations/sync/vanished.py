"""Marks records as deleted that the vendor no longer lists, after a full run that provably saw everything.

The proof: the chain of pages was never broken (each cursor came out of the page before it, and the last page said it
was the last), and at least as many different records were seen as the vendor counts. The least count of any page is
taken, because records may come and go during the walk. A record that changed here since the run began is left alone:
a webhook may have written it after the walk had passed its position.

The brake: when many records would be deleted at once, the vendor's answer is more likely wrong than the copy. Nothing
is deleted then, the run shows that, and an operator may allow the deletion (`release`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from integrations.core.errors import BadRequest
from integrations.sync.models import Record, Run
from integrations.sync.pace import KEEP_TOMBSTONES

BRAKE_SHARE = 0.20
BRAKE_ROWS = 50
INCOMPLETE = "incomplete"
BRAKE = "brake"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`code` is empty on success, INCOMPLETE or BRAKE when nothing was deleted; `reason` explains it."""

    deleted: int = 0
    code: str = ""
    reason: str = ""


def sweep(run: Run, now: datetime) -> Outcome:
    """Write tombstones for what a full run did not see. Call it in the transaction that ends the run."""
    _scope(run).filter(deleted_at__lt=now - KEEP_TOMBSTONES).delete()
    seen = _scope(run).filter(seen_run=run.pk).count() + run.skipped
    if run.total is not None and seen < run.total:
        return Outcome(code=INCOMPLETE, reason=f"saw {seen} of {run.total} records, so nothing was deleted")
    unseen = _unseen(run)
    gone, alive = unseen.count(), _scope(run).filter(deleted_at=None).count()
    if gone > BRAKE_ROWS and gone > BRAKE_SHARE * alive:
        return Outcome(code=BRAKE, reason=f"{gone} of {alive} records would vanish, so nothing was deleted")
    return Outcome(deleted=_bury(unseen, now))


def release(run: Run, now: datetime) -> int:
    """Delete what the brake held back; how many. Raises BadRequest when it held nothing back, or the run is too old."""
    with transaction.atomic():
        held = Run.objects.select_for_update().filter(pk=run.pk, status=Run.Status.COMPLETE, error_code=BRAKE).first()
        if held is None:
            raise BadRequest("no deletions of this run are held back", run=run.pk)
        if Run.objects.filter(plan=held.plan_id, kind=Run.Kind.FULL, pk__gt=held.pk).exists():
            raise BadRequest("a later full run has looked again: judge by that one", run=run.pk)
        held.deleted = _bury(_unseen(held), now)
        held.error_code, held.error = "", ""
        held.save(update_fields=["deleted", "error_code", "error"])
    return held.deleted


def _scope(run: Run) -> QuerySet[Record]:
    plan = run.plan
    return Record.objects.filter(app=plan.app_id, location_id=plan.location_id, resource=plan.resource)


def _unseen(run: Run) -> QuerySet[Record]:
    return _scope(run).filter(deleted_at=None, updated_at__lt=run.started_at).exclude(seen_run=run.pk)


def _bury(unseen: QuerySet[Record], now: datetime) -> int:
    return unseen.update(deleted_at=now, updated_at=now)
