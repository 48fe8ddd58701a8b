"""Runs a purge, in turns. Each batch is one transaction, which also notes its count and how far the purge has come.

So a worker that is killed loses nothing and counts nothing twice; another one goes on at the same stage. Two workers do
not work on one purge: the batch locks its row.

A purge goes through all kinds of data in passes. The last pass begins at least `SETTLE` after the first, finds nothing,
and looks once more whether anything is left. Until then a transaction that began before the purge may still write: a
page of a sync, or a batch of webhooks. Sessions of workers that are idle for half a minute are ended
(`hlapp.time_limits`), so `SETTLE` is longer.

At its end the receipt is written to the audit trail: what, how many, when, and who asked for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.db import transaction

from integrations.core import audit, clock, dispatch
from integrations.core.observing import log_scope
from integrations.privacy import contact_rows, purge_mac, purge_requests, purge_scope, purge_stages
from integrations.privacy.models import Purge
from integrations.privacy.purge_scope import Scope
from integrations.privacy.purge_stages import PurgeStage
from integrations.sync import suppression

SETTLE = timedelta(seconds=60)
AGAIN = timedelta(seconds=30)  # until a pass looks again at what is locked, or at a run that is under way
TURN_SECONDS = 10.0
log = structlog.get_logger(__name__)
Status = Purge.Status


def turn(purge_id: int) -> None:
    """Work on a due purge for some seconds. Does nothing when it ended, or while another worker has it."""
    until = clock.monotonic() + TURN_SECONDS
    while _step(purge_id):
        if clock.monotonic() >= until:
            Purge.objects.filter(pk=purge_id, due_at__isnull=False).update(due_at=clock.now())
            return


def scope_of(purge: Purge) -> Scope:
    """What the purge is about."""
    return purge_scope.of(purge.tenant, locations=purge.locations if purge.begun_at else None, contact=purge.contact_id)


def _step(purge_id: int) -> bool:
    """Begin the purge, or handle one batch of its stage. False when nothing is to be done now."""
    purge = Purge.objects.active().filter(pk=purge_id).first()
    if purge is None or purge.begins_at > clock.now():
        return False
    with log_scope.scope(tenant=purge.tenant.mailbox_key, purge=purge.pk):
        return _advance(purge)


def _advance(purge: Purge) -> bool:
    if not purge_mac.fits(purge):
        log.error("purge.not_ours", purge=purge.pk)
        purge_requests.refuse([purge], "system")
        return False
    scope = scope_of(purge)
    if not purge.of_contact and (live := purge_requests.installed(scope)):
        purge_requests.called_off(purge, live)
        return False
    if purge.status == Status.WAITING:
        return _begin(purge, scope)
    stages = purge_stages.of(scope)
    if purge.stage >= len(stages):
        return _end_pass(purge, scope, stages)
    return _batch(purge, scope, stages[purge.stage])


def _begin(purge: Purge, scope: Scope) -> bool:
    now = clock.now()
    with transaction.atomic():
        if purge.of_contact:
            for resource, record_id in contact_rows.suppressed(scope):
                suppression.suppress(purge.tenant_id, resource, [record_id], now)
        purge.begun_at, purge.locations = now, sorted(scope.locations - {purge.tenant_id})
        begun = Purge.objects.filter(pk=purge.pk).begin(
            now=now, due_at=now + dispatch.LOST_AFTER, locations=purge.locations, mac=purge_mac.of(purge)
        )
    return bool(begun)


def _batch(purge: Purge, scope: Scope, stage: PurgeStage) -> bool:
    """One batch of the stage. What is outside of the database is deleted before its count is noted."""
    outside = None if stage.in_database else stage.remove(scope)
    with transaction.atomic():
        row = _locked(purge)
        if row is None or row.stage != purge.stage:
            return False
        removed = stage.remove(scope) if outside is None else outside
        if removed:
            row.counts[stage.name] = row.counts.get(stage.name, 0) + removed
        row.found_in_pass += removed
        if removed < purge_stages.BATCH or outside is not None:
            row.stage += 1
        row.due_at, row.mac = clock.now() + dispatch.LOST_AFTER, purge_mac.of(row)
        row.save(update_fields=["counts", "found_in_pass", "stage", "due_at", "mac"])
    return True


def _end_pass(purge: Purge, scope: Scope, stages: Sequence[PurgeStage]) -> bool:
    now = clock.now()
    settled = purge.begun_at is not None and now >= purge.begun_at + SETTLE
    left = [stage.title for stage in stages if stage.left(scope)] if settled and not purge.found_in_pass else []
    with transaction.atomic():
        audit.lock()  # before the row, as every writer of the trail does
        row = _locked(purge)
        if row is None or row.stage != purge.stage:
            return False
        row.passes += 1
        if settled and not row.found_in_pass and not left:
            _complete(row, scope)
            return False
        again = now if row.found_in_pass and settled else max(now + AGAIN, (row.begun_at or now) + SETTLE)
        row.stage, row.found_in_pass, row.due_at = 0, 0, again if not left else now + AGAIN
        row.note = f"waits for {', '.join(left)}"[:300] if left else ""
        row.save(update_fields=["passes", "stage", "found_in_pass", "due_at", "note"])
    return row.due_at is not None and row.due_at <= now


def _locked(purge: Purge) -> Purge | None:
    """The row, locked; None while another worker has it, after its end, or when another program has written to it."""
    rows = Purge.objects.select_for_update(skip_locked=True).filter(pk=purge.pk, status=Status.RUNNING)
    row = rows.first()
    return row if row is not None and purge_mac.fits(row) else None


def _complete(purge: Purge, scope: Scope) -> None:
    """Write the receipt. It has ids of tenants, counts and times, and nothing of a person."""
    now = clock.now()
    digest = hashlib.sha256("\n".join(purge.locations).encode()).hexdigest() if purge.locations else None
    entry = audit.record(
        "purge.completed",
        actor=purge.requested_by,
        subject=purge.tenant.audit_subject,
        purge=purge.pk,
        of_contact=purge.of_contact,
        deleted=dict(sorted(purge.counts.items())),
        requested_at=purge.requested_at.isoformat(),
        begun_at=purge.begun_at.isoformat() if purge.begun_at else None,
        finished_at=now.isoformat(),
        passes=purge.passes,
        left=0,
        locations={"count": len(purge.locations), "sha256": digest} if digest else None,
    )
    purge_requests.end(purge, Status.COMPLETE, counts=purge.counts, passes=purge.passes, receipt=entry.pk)
    log.info("purge.completed", purge=purge.pk, deleted=sum(purge.counts.values()))
