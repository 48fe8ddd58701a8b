"""Writes tombstones for records that are proven to be deleted, when a full run ends.

`missing` has the proof of each record. The tombstone's date is that of the proof.

The brake: when many records would be deleted at once, nothing is deleted, whatever proves it. The run shows that, and
an operator may allow the deletion (`release`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F

from integrations.core.errors import BadRequest
from integrations.sync import missing, records
from integrations.sync.missing import Control, Inquiry
from integrations.sync.models import Record, Run
from integrations.sync.pace import keep_tombstones

BRAKE_SHARE = 0.20
BRAKE_ROWS = 50
INCOMPLETE = "incomplete"
BRAKE = "brake"
READS_EVERYTHING = (Run.Kind.FULL, Run.Kind.REPAIR)


@dataclass(frozen=True, slots=True)
class DeletionResult:
    """The end of a full run. `code` is empty on success.

    INCOMPLETE: the vendor's answers contradict each other, and a run follows soon. BRAKE: nothing was deleted.
    """

    deleted: int = 0
    code: str = ""
    reason: str = ""


def delete_missing(run: Run, now: datetime) -> DeletionResult:
    """Write tombstones for records that are proven to be deleted. Call it in the transaction that ends the run."""
    expired = missing.scope(run).filter(deleted_at__lt=now - keep_tombstones())
    records.lock(expired | missing.proven(run))  # both at once: one order for all locks of the transaction
    expired.delete()
    doubts = _doubts(run)
    gone, alive = missing.proven(run).count(), missing.scope(run).filter(deleted_at=None).count()
    if gone > BRAKE_ROWS and gone > BRAKE_SHARE * alive:
        return DeletionResult(code=BRAKE, reason=f"{gone} of {alive} records would be deleted, so none was")
    deleted = _mark_deleted(run, now)
    return DeletionResult(deleted, INCOMPLETE, "; ".join(doubts)) if doubts else DeletionResult(deleted)


def release(run: Run, now: datetime) -> int:
    """Apply the deletions that the brake stopped; how many. Raises BadRequest when there are none, or a newer run."""
    with transaction.atomic():
        held = Run.objects.select_for_update().filter(pk=run.pk, status=Run.Status.COMPLETE, error_code=BRAKE).first()
        if held is None:
            raise BadRequest("no deletions of this run are held back", run=run.pk)
        if Run.objects.filter(plan=held.plan_id, kind__in=READS_EVERYTHING, pk__gt=held.pk).exists():
            raise BadRequest("a newer full run exists: use its result", run=run.pk)
        held.deleted = _mark_deleted(held, now)
        held.error_code, held.error = "", ""
        held.save(update_fields=["deleted", "error_code", "error"])
    return held.deleted


def incomplete_in_a_row(plan_id: int) -> int:
    """How many of the plan's latest full runs were incomplete, one after the other."""
    latest = Run.objects.filter(plan=plan_id, kind__in=READS_EVERYTHING, status=Run.Status.COMPLETE).order_by("-pk")
    codes = list(latest.values_list("error_code", flat=True)[:10])
    return next((number for number, code in enumerate(codes) if code != INCOMPLETE), len(codes))


def _doubts(run: Run) -> list[str]:
    """How the vendor's answers contradict each other, for operators."""
    answers, doubts = Inquiry.of(run), []
    seen = missing.scope(run).filter(seen_run=run.pk).count() + run.skipped
    if run.total is not None and seen < run.total:
        doubts.append(f"saw {seen} of {run.total} records")
    if answers.present:
        doubts.append(f"the listing lacks {answers.present} records that exist")
    if answers.unclear:
        doubts.append(f"{len(answers.unclear)} missing records could not be confirmed")
    if answers.control == Control.FAILED:
        doubts.append("HighLevel answered that a listed record does not exist")
    if (
        _can_ask(run)
        and (left := missing.unlisted(run).count() - missing.proven(run).count() - len(answers.unclear)) > 0
    ):
        doubts.append(f"{left} missing records are not checked yet")
    return doubts


def _can_ask(run: Run) -> bool:
    return run.plan.definition is not None and run.plan.definition.single is not None


def _mark_deleted(run: Run, now: datetime) -> int:
    can_ask = _can_ask(run)
    proof = Record.Proof.CALL if can_ask else Record.Proof.LISTING
    at = F("missing_at") if can_ask else run.started_at
    return records.lock(missing.proven(run)).update(
        deleted_at=at, deleted_by=proof, alive_at=None, missing_at=None, updated_at=now
    )
