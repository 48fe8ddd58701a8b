"""Writes tombstones for records that are proven to be deleted, when a full run ends.

`missing` has the proof of each record. The tombstone's date is that of the proof.

The brake: when many records would be deleted at once, nothing is deleted, whatever proves it. The run shows that, and
an operator may allow the deletion (`release`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q

from integrations.core.errors import BadRequest
from integrations.sync import missing, records
from integrations.sync.changes.change_origin import Origin, Source
from integrations.sync.missing import Control, Counts, Inquiry
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
    expired = Q(deleted_at__lt=now - keep_tombstones())
    counts, deleted = missing.count(run, expired), 0
    if counts.expired or counts.proven:
        old = missing.scope(run).filter(expired)
        records.lock(old | missing.proven(run))  # both at once: one order for all locks of the transaction
        old.delete()
        counts = missing.count(run, expired)
    if counts.proven > BRAKE_ROWS and counts.proven > BRAKE_SHARE * counts.alive:
        reason = f"{counts.proven} of {counts.alive} records would be deleted, so none was"
        return DeletionResult(code=BRAKE, reason=reason)
    if counts.proven:
        deleted = _mark_deleted(run, now)
    contradictions = _contradictions(run, counts)
    return DeletionResult(deleted, INCOMPLETE, "; ".join(contradictions)) if contradictions else DeletionResult(deleted)


def release(run: Run, now: datetime) -> int:
    """Apply the deletions that the brake stopped; how many. Raises BadRequest when there are none, or a newer run."""
    with transaction.atomic():
        held = Run.objects.select_for_update().filter(pk=run.pk, status=Run.Status.COMPLETE, error_code=BRAKE).first()
        if held is None:
            raise BadRequest("no deletions of this run are held back", run=run.pk)
        if Run.objects.filter(plan=held.plan_id, kind__in=READS_EVERYTHING, pk__gt=held.pk).exists():
            raise BadRequest("a newer full run exists: use its result", run=run.pk)
        held.deleted = _mark_deleted(held, now, Source.OPERATOR)
        held.error_code, held.error = "", ""
        held.save(update_fields=["deleted", "error_code", "error"])
    return held.deleted


def incomplete_in_a_row(plan_id: int) -> int:
    """How many of the plan's latest full runs were incomplete, one after the other."""
    latest = Run.objects.filter(plan=plan_id, kind__in=READS_EVERYTHING, status=Run.Status.COMPLETE).order_by("-pk")
    codes = list(latest.values_list("error_code", flat=True)[:10])
    return next((number for number, code in enumerate(codes) if code != INCOMPLETE), len(codes))


def _contradictions(run: Run, counts: Counts) -> list[str]:
    """How the vendor's answers contradict each other, for operators."""
    answers, contradictions = Inquiry.of(run), []
    seen = min(counts.seen + run.skipped, run.seen + answers.present)  # other variants may have seen more
    if run.total is not None and seen < run.total:
        contradictions.append(f"saw {seen} of {run.total} records")
    if answers.present:
        contradictions.append(f"the listing lacks {answers.present} records that exist")
    if answers.unclear:
        contradictions.append(f"{len(answers.unclear)} missing records could not be confirmed")
    if answers.control == Control.FAILED:
        contradictions.append("HighLevel answered that a listed record does not exist")
    left = counts.unlisted - counts.proven - len(answers.unclear)
    if _can_ask(run) and left > 0:
        contradictions.append(f"{left} missing records are not checked yet")
    return contradictions


def _can_ask(run: Run) -> bool:
    return run.plan.definition is not None and run.plan.definition.single is not None


def _mark_deleted(run: Run, now: datetime, source: Source | None = None) -> int:
    can_ask = _can_ask(run)
    proof = Record.Proof.CALL if can_ask else Record.Proof.LISTING
    at = F("missing_at") if can_ask else run.started_at
    origin = Origin.of_run(run, source or Source(proof.value))
    return records.delete(records.lock(missing.proven(run)), by=proof, at=at, now=now, origin=origin)
